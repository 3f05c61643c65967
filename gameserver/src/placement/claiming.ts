import { claimShard, givenUp, ownerKey, reclaimShard, type TxnRequest } from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { HostedShard } from "./hosted-shard.ts";
import type { TxnAnswer } from "./hosting-types.ts";
import { PREPARE_PAUSES } from "./pauses.ts";
import type { PhaseDependencies } from "./phase.ts";

/** From a module that is there to a shard that is owned; and to a new epoch of one that runs. */
export class Claiming {
  private readonly parts: PhaseDependencies;

  constructor(parts: PhaseDependencies) {
    this.parts = parts;
  }

  prepared(entry: HostedShard, problem: string | undefined): void {
    const { view, outbox, look } = this.parts;
    entry.phase = "rest";
    if (problem !== undefined) {
      this.parts.retries.failed(entry, PREPARE_PAUSES, problem);
      // Without its module, what is owned cannot run here.
      entry.givenUp = true;
      outbox.report("error", `World ${entry.world} cannot be hosted here: ${problem}`, entry);
      return look(entry);
    }
    const { claimant } = view;
    if (claimant === undefined || view.isBehind(entry)) return;
    if (view.isMine(entry)) {
      if (view.whyGiveUp(entry, outbox.now) !== undefined) return look(entry);
      return this.goOn(entry);
    }
    if (view.draining) return;
    const proposal = claimShard(entry.shard, view.of(entry), outbox.identified(claimant));
    if (!proposal.ok) return;
    this.propose(entry, "claim", proposal.txn, view.nextTurn(entry));
  }

  /** What is this node's already: at its epoch if nothing ran at it, at another one otherwise. */
  private goOn(entry: HostedShard): void {
    const { view } = this.parts;
    const { record, modified } = view.ownerOf(entry);
    const turn = view.records.version(ownerKey(entry.shard));
    if (modified <= entry.usedEpoch) return this.reclaim(entry);
    // A claim of this node that was applied, and whose answer was lost.
    if (entry.proposed?.turn === turn)
      return this.owned(entry, { ...entry.proposed, epoch: modified });
    const world = record?.world ?? 0;
    const given = givenUp(record, world);
    this.owned(entry, { epoch: modified, world, turn, lastTurn: undefined, ...given });
  }

  private reclaim(entry: HostedShard): void {
    const { view, outbox } = this.parts;
    const { claimant } = view;
    const proposal =
      claimant && reclaimShard(entry.shard, view.of(entry), outbox.identified(claimant));
    if (proposal?.ok !== true) return;
    this.propose(entry, "reclaim", proposal.txn, view.nextTurn(entry));
  }

  /** A new epoch for what runs. */
  renew(entry: HostedShard): void {
    const { view, outbox } = this.parts;
    const { claimant } = view;
    const seen = { ...view.of(entry), owner: view.own(entry) };
    const proposal =
      entry.phase === "open" && entry.ownership !== undefined && claimant
        ? reclaimShard(entry.shard, seen, outbox.identified(claimant))
        : undefined;
    if (proposal?.ok !== true || entry.ownership === undefined)
      return outbox.notRenewed(entry.shard);
    const { world, turn } = entry.ownership;
    const next = {
      world,
      turn: turn + 1,
      ...entry.goesOn(turn),
      ...givenUp(seen.owner.record, world),
    };
    this.propose(entry, "reclaim", proposal.txn, next);
  }

  private propose(
    entry: HostedShard,
    purpose: "claim" | "reclaim",
    request: TxnRequest,
    proposed: Omit<Ownership, "epoch">,
  ): void {
    const { outbox } = this.parts;
    entry.proposed = proposed;
    entry.phase = entry.phase === "open" ? "renewing" : "claiming";
    outbox.put({ type: "txn", ...outbox.attempt(entry), purpose, request });
  }

  answered(entry: HostedShard, answer: TxnAnswer): void {
    const { outbox, retries, look } = this.parts;
    const runs = entry.phase === "renewing";
    entry.phase = runs ? "open" : "rest";
    const { proposed } = entry;
    if (answer.type !== "done" || proposed === undefined) {
      retries.txnFailed(entry, answer);
      if (runs) outbox.notRenewed(entry.shard);
      return look(entry);
    }
    entry.txnFailures = 0;
    const ownership = { ...proposed, epoch: answer.revision };
    if (!runs) return this.owned(entry, ownership);
    entry.owns(ownership);
    entry.proposed = undefined;
    entry.usedEpoch = answer.revision;
    outbox.put({ type: "renewed", shard: entry.shard, ownership });
    look(entry);
  }

  private owned(entry: HostedShard, ownership: Ownership): void {
    entry.owns(ownership);
    entry.proposed = undefined;
    entry.phase = "claimed";
    this.parts.look(entry);
  }
}
