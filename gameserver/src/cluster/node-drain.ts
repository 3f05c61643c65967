import type { Clock, Logger } from "@atlasnet/core";
import type { MigrationHost } from "../migration/migration-host.ts";
import type { Hosting } from "../placement/hosting.ts";
import type { Condition } from "./condition.ts";
import type { StateReporter } from "./state-reporter.ts";

/** At a stop, once no world runs: how long the control plane has to hear that they are free. */
const RELEASE_WAIT_MS = 5_000;
/** To say that worlds are free, and that the node is gone, there is so much time at least, also when closing took it all. */
const LAST_WORDS_MS = 1_000;
/** Of the time for a stop: so much of it worlds have to move away while they run. */
const MOVE_AWAY_SHARE = 0.5;
/** A stop does not wait for the control plane to move worlds away when it has moved none for this long, in ms. */
const MOVE_AWAY_QUIET_MS = 1_000;
/** How often that is looked at, in ms. */
const MOVE_AWAY_LOOK_MS = 100;

export interface NodeDrainDependencies {
  readonly hosting: Pick<Hosting, "count" | "seen" | "settled">;
  /** Absent: worlds do not move while they run. */
  readonly migrations: MigrationHost | undefined;
  /** Signalled whenever `hosting` was told something; closed at a stop. */
  readonly changed: Condition;
  readonly reporter: StateReporter;
  /** From here on every world is closed and given back. */
  closeAll(): void;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How a node empties itself before it stops: worlds move away, then what is mirrored here, then the rest is closed. */
export class NodeDrain {
  private readonly dependencies: NodeDrainDependencies;

  constructor(dependencies: NodeDrainDependencies) {
    this.dependencies = dependencies;
  }

  /**
   * Has worlds moved away while they run, where they can; then closes every world, saves it and gives it back; resolves
   * when that is done, or no world runs and the control plane does not answer for `deadlineMs`: its leases run out then.
   * A save is waited for as long as it takes.
   */
  async run(deadlineMs: number): Promise<void> {
    const { hosting, migrations, changed, reporter, clock, logger } = this.dependencies;
    const deadline = clock.now() + deadlineMs;
    const left = () => Math.max(deadline - clock.now(), LAST_WORDS_MS);
    reporter.draining();
    migrations?.mirrors.refuseMore("this node is stopping");
    const awayBy = clock.now() + deadlineMs * MOVE_AWAY_SHARE;
    await this.movedAway(awayBy);
    await this.mirroredElsewhere(awayBy, left());
    this.dependencies.closeAll();
    // One that asks for a new epoch waits for the control plane: it is saved in the end, whatever comes.
    const busy = ["open", "opening", "closing"] as const;
    await changed.until(() => busy.every((phase) => hosting.count(phase) === 0));
    const inTime = await changed.until(() => hosting.settled, Math.min(left(), RELEASE_WAIT_MS));
    if (!inTime)
      return logger.warn(
        "The control plane did not hear that this node's worlds are free: they wait for its lease to run out.",
      );
    await reporter.stopped(left());
  }

  /**
   * The control plane knows that this node drains, and moves its worlds away: resolves once none is here, or nothing
   * more comes of it. What stays is closed, and opened elsewhere from its snapshot.
   */
  private async movedAway(deadline: number): Promise<void> {
    const { hosting, migrations, changed, clock, logger } = this.dependencies;
    if (migrations === undefined || hosting.count("open") === 0) return;
    // What came before this node's word was seen with it: so who else takes worlds is known, and not only remembered.
    await changed.until(() => hosting.seen.isDraining, MOVE_AWAY_QUIET_MS);
    const worlds = hosting.count("open");
    if (!hosting.seen.hasOthers)
      return logger.info(
        "No other gameserver takes worlds: they are saved here, and players wait.",
        { worlds },
      );
    migrations.refuseMore("this node is stopping");
    const phases = ["claimed", "opening", "open", "renewing", "closing"] as const;
    // Whose mirror this is, is waited for afterwards.
    const isEmpty = () =>
      phases.every((phase) => hosting.count(phase) === 0) &&
      hosting.count("arriving") <= migrations.mirrors.arriving;
    let quietSince = clock.now();
    while (clock.now() < deadline && clock.now() - quietSince < MOVE_AWAY_QUIET_MS) {
      if (await changed.until(isEmpty, MOVE_AWAY_LOOK_MS)) return;
      if (changed.isClosed) return;
      if (migrations.leaving > 0) quietSince = clock.now();
    }
    migrations.giveUp("this node is stopping");
    logger.warn("Worlds that did not move away in time are closed: players wait for them.", {
      worlds: hosting.count("open"),
    });
  }

  /**
   * What is mirrored here stays until the control plane has asked another node, or `deadline`; what nobody else takes is
   * withdrawn then, so that its owner does not wait for it. A mirror whose owner is suspected meanwhile takes over.
   */
  private async mirroredElsewhere(deadline: number, leftMs: number): Promise<void> {
    const { hosting, migrations, changed, clock, logger } = this.dependencies;
    const { mirrors } = migrations ?? {};
    if (mirrors === undefined || mirrors.kept === 0) return;
    await changed.until(() => hosting.seen.isDraining, MOVE_AWAY_QUIET_MS);
    let quietSince = clock.now();
    let kept = mirrors.kept;
    while (
      hosting.seen.hasOthers &&
      clock.now() < deadline &&
      clock.now() - quietSince < MOVE_AWAY_QUIET_MS
    ) {
      if (await changed.until(() => mirrors.kept === 0, MOVE_AWAY_LOOK_MS)) return;
      if (changed.isClosed) return;
      if (mirrors.kept < kept) quietSince = clock.now();
      kept = mirrors.kept;
    }
    mirrors.giveUp("this node is stopping");
    if (await changed.until(() => mirrors.kept === 0, Math.min(leftMs, RELEASE_WAIT_MS))) return;
    logger.warn(
      "Worlds that are mirrored here could not be withdrawn in time: their owners clear them.",
      { worlds: mirrors.kept },
    );
  }
}
