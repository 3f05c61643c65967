import type { WorldRecord } from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { HostedShard } from "./hosted-shard.ts";
import { OPEN_PAUSES, REOPEN_PAUSES } from "./pauses.ts";
import type { PhaseDependencies } from "./phase.ts";
import type { Releasing } from "./releasing.ts";
import { runsAs } from "./runs-as.ts";

/** What ran for so long, failed for the first time when it fails. */
const STEADY_MS = 60_000;

/** A shard that is owned is opened, runs, dies or is closed. */
export class Running {
  private readonly parts: PhaseDependencies;
  private readonly releasing: Releasing;

  constructor(parts: PhaseDependencies, { releasing }: { releasing: Releasing }) {
    this.parts = parts;
    this.releasing = releasing;
  }

  open(entry: HostedShard, record: WorldRecord, ownership: Ownership): void {
    const { outbox } = this.parts;
    entry.phase = "opening";
    entry.usedEpoch = ownership.epoch;
    entry.runsAs = runsAs(record);
    outbox.put({ type: "open", ...outbox.attempt(entry), record, ownership });
  }

  opened(entry: HostedShard, problem: string | undefined): void {
    const { outbox, retries, look } = this.parts;
    if (problem === undefined) {
      entry.phase = "open";
      entry.openedAt = outbox.now;
      entry.givenUp = false;
      entry.problem = undefined;
      return look(entry);
    }
    retries.failed(entry, OPEN_PAUSES, problem);
    entry.givenUp = true;
    const text = `World ${entry.world} could not be opened and is given back: ${problem}`;
    outbox.report("error", text, entry);
    this.releasing.release(entry, entry.reason);
  }

  /** Whether it may run on, and as what it runs. */
  look(entry: HostedShard): void {
    const { view, outbox } = this.parts;
    const owner = view.ownerOf(entry);
    if (owner.modified > entry.floor) {
      // A reclaim whose answer was lost, or something that must not be: either way, not at this epoch.
      entry.floor = owner.modified;
      return this.close(entry, "its epoch is over", "rest");
    }
    const why = view.whyGiveUp(entry, outbox.now);
    if (why !== undefined) return this.close(entry, why, "release");
    const { record } = view.worldOf(entry);
    if (record === undefined || entry.runsAs === undefined || view.isBehind(entry)) return;
    if (runsAs(record) !== entry.runsAs && !view.isUpgrading(entry))
      this.close(entry, "the world was changed", "rest");
  }

  died(entry: HostedShard, problem: string): void {
    const { outbox, retries, look } = this.parts;
    const { phase } = entry;
    if (phase !== "open" && phase !== "renewing") return;
    if (phase === "renewing") outbox.notRenewed(entry.shard);
    if (outbox.now - entry.openedAt >= STEADY_MS) entry.failures = 0;
    // An answer that is still to come finds another attempt; the watch tells what it did.
    entry.attempt = 0;
    entry.phase = "rest";
    entry.ownership = undefined;
    retries.failed(entry, REOPEN_PAUSES, problem);
    look(entry);
  }

  private close(entry: HostedShard, reason: string, then: "release" | "rest"): void {
    const { outbox } = this.parts;
    entry.phase = "closing";
    entry.reason = reason;
    entry.then = then;
    outbox.put({ type: "close", ...outbox.attempt(entry), reason, then });
  }

  closed(entry: HostedShard, problem: string | undefined): void {
    const { outbox, look } = this.parts;
    if (problem !== undefined) {
      const text = `World ${entry.world} was closed without its last state: ${problem}`;
      outbox.report("error", text, entry);
    }
    if (entry.then === "release") return this.releasing.release(entry, entry.reason);
    entry.phase = "rest";
    entry.ownership = undefined;
    look(entry);
  }
}
