import { releaseShard } from "@atlasnet/core";
import type { HostedShard } from "./hosted-shard.ts";
import type { TxnAnswer } from "./hosting-types.ts";
import type { PhaseDependencies } from "./phase.ts";

/** Gives a shard back of which nothing runs here any more. */
export class Releasing {
  private readonly parts: PhaseDependencies;

  constructor(parts: PhaseDependencies) {
    this.parts = parts;
  }

  /** `reason` for people. Nothing when the records say that it is not this node's. */
  release(entry: HostedShard, reason: string): void {
    const { view, outbox } = this.parts;
    const { claimant } = view;
    entry.reason = reason;
    const proposal =
      claimant &&
      releaseShard(
        entry.shard,
        view.newestOwner(entry),
        outbox.identified(claimant),
        view.mirrorOf(entry.shard),
      );
    entry.phase = "rest";
    if (proposal?.ok !== true) return;
    entry.phase = "releasing";
    const request = proposal.txn;
    outbox.put({ type: "txn", ...outbox.attempt(entry), purpose: "release", request });
  }

  answered(entry: HostedShard, answer: TxnAnswer): void {
    const { outbox, retries, look } = this.parts;
    entry.phase = "rest";
    entry.ownership = undefined;
    if (answer.type === "done") {
      entry.txnFailures = 0;
      entry.floor = answer.revision;
      outbox.report("info", `World ${entry.world} was given back: ${entry.reason}.`, entry);
    } else retries.txnFailed(entry, answer);
    look(entry);
  }
}
