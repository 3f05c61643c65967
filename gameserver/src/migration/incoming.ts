import {
  type Claimant,
  type Clock,
  type Link,
  type MigrationPhase,
  type MigrationProgress,
  type MigrationRecord,
  OperatingError,
  type Seen,
  worldAfterMove,
} from "@atlasnet/core";
import type { MirrorHost } from "../mirror/mirror-host.ts";
import { problemOf } from "../problem-of.ts";
import type { ReplicaTargetDependencies } from "../replica/target-types.ts";
import { Alarm } from "./alarm.ts";
import { Arrival } from "./arrival.ts";
import { InTurn } from "./in-turn.ts";
import { IncomingStream } from "./incoming-stream.ts";
import type { MigrationHome, MovingWorlds } from "./migration-home.ts";
import type { MigrationWatch } from "./migration-watch.ts";
import type { ReplicaLane } from "./replica-links.ts";
import {
  MigrationTarget,
  type TargetEffect,
  type TargetEvent,
  type TargetPhase,
} from "./target.ts";

/** This node's wall clock may differ by so much from that of the apiserver which took the request. */
const MAX_CLOCK_SKEW_MS = 60_000;

export interface IncomingOptions {
  readonly shard: string;
  readonly migration: Seen<MigrationRecord>;
  readonly me: Claimant;
}

export interface IncomingDependencies {
  readonly home: MigrationHome;
  readonly worlds: MovingWorlds;
  readonly links: ReplicaLane;
  readonly clock: Clock;
  readonly watch: MigrationWatch;
  readonly stream: ReplicaTargetDependencies;
  readonly mirrors: Pick<MirrorHost, "adopt" | "adopted">;
  /** Whether one more may begin now. */
  mayBegin(): boolean;
  /** It is over. */
  ended(): void;
}

type Promotion = Extract<TargetEffect, { type: "promote" }>;

/** As whom it concerns is told of them. */
const SHOWN_PHASES: { readonly [phase in TargetPhase]: MigrationPhase } = {
  waiting: "preparing",
  preparing: "preparing",
  copying: "copying",
  following: "following",
  switching: "switching",
  promoting: "switching",
  aborting: "copying",
  over: "switching",
};

/** A migration to this node: drives the core beside the stream of its replica, and does what the core asks for. */
export class Incoming {
  readonly shard: string;
  readonly record: MigrationRecord;
  /** What its source and its replica's thread say goes there. */
  readonly stream: IncomingStream;
  private readonly dependencies: IncomingDependencies;
  private readonly core: MigrationTarget;
  private readonly turn = new InTurn();
  private readonly alarm: Alarm;
  private readonly arrival: Arrival;
  private isDropped = false;

  constructor(options: IncomingOptions, dependencies: IncomingDependencies) {
    const { shard, migration, me } = options;
    const { home, clock, links, watch } = dependencies;
    this.shard = shard;
    this.dependencies = dependencies;
    this.core = new MigrationTarget(
      { shard, me, migration },
      { view: () => home.view(shard), wallTime: () => clock.wallTime() },
      clock.now(),
    );
    this.record = this.core.record;
    this.alarm = new Alarm(clock, () => this.time());
    this.arrival = new Arrival(shard, {
      ...dependencies,
      broken: (error) => dependencies.watch.broken(error),
    });
    const { arrival, turn } = this;
    this.stream = new IncomingStream(
      { shard, record: this.record, boot: me.boot },
      {
        ...{ links, clock, stream: dependencies.stream, arrival, turn },
        tell: (event) => this.tell(event),
        moved: () => this.setAlarm(),
      },
    );
    links.serve(shard);
    watch.begun(shard, this.record, "target");
    this.setAlarm();
  }

  /** It has begun, and is not over. */
  get isUnderWay(): boolean {
    return this.arrival.hasBegun;
  }

  get progress(): MigrationProgress {
    const { bytes = 0, totalBytes = 0, lagTicks = 0, whole = false } = this.stream.progress ?? {};
    return {
      ...{ shard: this.shard, id: this.record.id, bytes, totalBytes },
      phase: SHOWN_PHASES[this.core.phase],
      lagTicks: whole ? lagTicks : 0,
    };
  }

  /** The watch has shown something, or another migration is over. */
  look(): void {
    this.tell({ type: "look" });
    this.begin();
  }

  giveUp(problem: string): void {
    this.tell({ type: "give-up", problem });
  }

  /** Everything was taken from this node: what is here goes, and nothing is said. */
  drop(): void {
    if (this.isDropped) return;
    this.end();
    this.arrival.leave().catch((error: unknown) => this.dependencies.watch.broken(error));
  }

  linkGone(link: Link): void {
    this.stream.linkGone(link);
  }

  /** The thread that had the replica is gone. */
  died(problem: string): void {
    this.stream.handle({ type: "replica-failed", code: "failed", problem });
    // Behind the seal the stream is over already.
    this.tell({ type: "failed", code: "failed", reason: problem });
  }

  private begin(): void {
    const { mayBegin } = this.dependencies;
    if (this.isDropped || this.core.phase !== "waiting") return;
    if (!mayBegin() || !this.arrival.begin()) return;
    this.tell({ type: "begin" });
  }

  private async prepare(): Promise<void> {
    const { home } = this.dependencies;
    const { shard, record } = this;
    const before = home.view(shard).world.record;
    if (before === undefined) throw new OperatingError("no-world", "the world was removed");
    this.checkClock();
    await this.arrival.prepare(worldAfterMove(before, record));
  }

  /** Tickets and certificates are judged by the wall clock: players would be refused here. */
  private checkClock(): void {
    const { started, deadlineMs } = this.record;
    const age = this.dependencies.clock.wallTime() - started;
    if (age >= -MAX_CLOCK_SKEW_MS && age <= deadlineMs + MAX_CLOCK_SKEW_MS) return;
    const seconds = Math.round(Math.abs(age) / 1000);
    throw new OperatingError(
      "wrong-clock",
      `the clock of ${this.record.to} is ${seconds} s ${age < 0 ? "behind" : "ahead of"} the control plane's`,
      { hint: "Set the clocks of all machines by NTP, then move the world again." },
    );
  }

  private time(): void {
    this.stream.time();
    this.tell({ type: "time" });
    this.begin();
  }

  private tell(event: TargetEvent): void {
    if (this.isDropped) return;
    this.turn.run(() => {
      const before = this.core.phase;
      for (const effect of this.core.handle(event, this.dependencies.clock.now()))
        this.turn.run(() => this.perform(effect));
      if (this.core.phase !== before) {
        this.dependencies.watch.phase(this.record, "target", this.core.phase);
        this.dependencies.home.hurry();
      }
    });
    this.setAlarm();
  }

  private setAlarm(): void {
    if (this.isDropped) return;
    this.alarm.set(Math.min(this.core.nextAt, this.stream.nextAt));
  }

  private perform(effect: TargetEffect): void {
    const { home, watch } = this.dependencies;
    switch (effect.type) {
      case "prepare":
        this.prepare().then(
          () => this.tell({ type: "prepared" }),
          (error: unknown) => this.tell({ type: "prepared", problem: problemOf(error) }),
        );
        return;
      case "follow":
        return this.stream.follow();
      case "txn": {
        const { attempt } = effect;
        home.txn(effect.request).then(
          (answer) => this.tell({ type: "answered", attempt, answer }),
          (error: unknown) => watch.broken(error),
        );
        return;
      }
      case "promote":
        this.promote(effect).then(
          (problem) => this.tell({ type: "promoted", ...(problem !== undefined && { problem }) }),
          (error: unknown) => watch.broken(error),
        );
        return;
      case "drop":
        this.stream.handle({ type: "end", code: effect.code, reason: effect.reason });
        this.turn.run(() => this.arrival.leave().catch((error: unknown) => watch.broken(error)));
        return;
      case "over": {
        const bytes = this.stream.progress?.bytes ?? 0;
        watch.ended(this.shard, this.record, "target", { ...effect, bytes });
        if (effect.gapMs !== undefined)
          home.measured(this.shard, { gapMs: Math.round(effect.gapMs), bytes });
        return this.end();
      }
    }
  }

  /** The switch has committed. Undefined: it runs; otherwise why it does not. */
  private async promote({ epoch, dueMs, mirrored }: Promotion): Promise<string | undefined> {
    const { record, shard } = this;
    const { mirrors } = this.dependencies;
    const { kept } = this.stream;
    // Before its first tick: none of what that lets out may leave without the mirror.
    const isGated =
      mirrored && kept !== undefined && mirrors.adopt(shard, { epoch, migration: record, kept });
    const problem = await this.arrival.promote(
      {
        epoch,
        of: { world: record.world },
        dueMs,
        mirrored: isGated,
        recorded: record.module && epoch,
      },
      { isThere: this.stream.isThere, isDropped: () => this.isDropped },
    );
    mirrors.adopted(shard, epoch);
    if (problem === undefined) this.stream.handle({ type: "done", owner: epoch });
    return problem;
  }

  private end(): void {
    if (this.isDropped) return;
    this.isDropped = true;
    this.alarm.set(Number.POSITIVE_INFINITY);
    const { links, ended } = this.dependencies;
    links.unserve(this.shard);
    this.stream.drop();
    ended();
  }
}
