import {
  type Claimant,
  type ClaimView,
  claimShard,
  firstShard,
  generationOf,
  type NodeRegistration,
  nodeKey,
  type OwnerRecord,
  ownerKey,
  parseRecordKey,
  type RecordKind,
  reclaimShard,
  releaseShard,
  type Seen,
  shardKey,
  type TxnRequest,
  whyRelease,
  worldKey,
} from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import { ClusterRecords } from "./cluster-records.ts";
import { HostedShard } from "./hosted-shard.ts";
import type { HostingEffect, HostingEvent, TxnAnswer } from "./hosting-types.ts";
import {
  OPEN_PAUSES,
  type Pauses,
  PREPARE_PAUSES,
  pauseOf,
  REOPEN_PAUSES,
  TXN_PAUSES,
} from "./pauses.ts";
import { runsAs, sameBytes } from "./runs-as.ts";

/** Shards whose module is fetched or whose claim is under way; others wait. */
export const MAX_CLAIMS_UNDER_WAY = 32;
/** Shards that are being opened; others wait, owned already. */
export const MAX_OPENS_UNDER_WAY = 8;
/** What ran for so long, failed for the first time when it fails. */
const STEADY_MS = 60_000;

export interface HostingOptions {
  readonly node: string;
  readonly maxClaims?: number;
  readonly maxOpens?: number;
}

/**
 * Which shards this node makes its own, runs, and gives up again. Pure: events and the time in, effects out.
 *
 * 1. It claims only what is wanted here, and what the claim's own preconditions allow.
 * 2. The epoch is the revision of the claim's transaction: of its answer, or as the watch shows it.
 *    No epoch is run at twice: what died goes on after a reclaim.
 * 3. It releases only what it has stopped before.
 * 4. Whatever fails comes again after pauses that grow; a world that cannot be opened is released.
 */
export class Hosting {
  readonly records = new ClusterRecords();
  private readonly node: string;
  private readonly maxClaims: number;
  private readonly maxOpens: number;
  private readonly shards = new Map<string, HostedShard>();
  private readonly toPrepare = new Set<HostedShard>();
  private readonly toOpen = new Set<HostedShard>();
  private registration: NodeRegistration | undefined;
  private draining = false;
  private attempts = 0;
  private now = 0;
  private effects: HostingEffect[] = [];

  constructor({
    node,
    maxClaims = MAX_CLAIMS_UNDER_WAY,
    maxOpens = MAX_OPENS_UNDER_WAY,
  }: HostingOptions) {
    this.node = node;
    this.maxClaims = maxClaims;
    this.maxOpens = maxOpens;
  }

  /** Everything owned was given up, and nothing is under way. */
  get settled(): boolean {
    for (const entry of this.shards.values()) {
      if (entry.phase !== "rest" || entry.ownership !== undefined) return false;
      if (this.isMine(entry) && this.ownerOf(entry).modified >= entry.floor) return false;
    }
    return true;
  }

  /** When `time` has to be told next, in ms; Infinity when nothing waits for it. */
  get nextAt(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const entry of this.shards.values()) {
      const { phase, txnAt, retryAt } = entry;
      if (phase !== "rest") continue;
      for (const at of [txnAt, retryAt]) if (at > this.now) next = Math.min(next, at);
    }
    return next;
  }

  /** How many are in each phase, for figures. */
  count(phase: HostedShard["phase"]): number {
    let count = 0;
    for (const entry of this.shards.values()) if (entry.phase === phase) count += 1;
    return count;
  }

  /** `now` in ms, on any clock that does not go back. */
  handle(event: HostingEvent, now: number): readonly HostingEffect[] {
    this.now = now;
    this.effects = [];
    switch (event.type) {
      case "registered":
        this.registration = event.registration;
        this.lookAtAll();
        break;
      case "lost":
        this.registration = undefined;
        this.toPrepare.clear();
        this.toOpen.clear();
        for (const entry of this.shards.values()) entry.reset();
        break;
      case "view":
        for (const key of this.records.replace(event.prefix, event.items)) this.changed(key);
        break;
      case "changes":
        for (const change of event.changes)
          if (this.records.apply(change))
            this.changed(change.type === "put" ? change.item.key : change.key);
        break;
      case "draining":
        this.draining = true;
        this.lookAtAll();
        break;
      case "time":
        this.lookAtAll();
        break;
      default:
        this.answer(event);
    }
    this.fill();
    return this.effects;
  }

  private answer(
    event: Exclude<
      HostingEvent,
      { type: "registered" | "lost" | "view" | "changes" | "draining" | "time" }
    >,
  ): void {
    const entry = this.shards.get(event.shard);
    if (entry === undefined) {
      if (event.type === "renew")
        this.effects.push({ type: "renewed", shard: event.shard, ownership: undefined });
      return;
    }
    if (event.type === "died") return this.died(entry, event.problem);
    if (event.type === "renew") return this.renew(entry);
    if (event.attempt !== entry.attempt) return;
    entry.attempt = 0;
    switch (event.type) {
      case "prepared":
        return this.prepared(entry, event.problem);
      case "answered":
        return entry.phase === "releasing"
          ? this.releaseAnswered(entry, event.answer)
          : this.claimAnswered(entry, event.answer);
      case "opened":
        return this.opened(entry, event.problem);
      case "closed":
        return this.closed(entry, event.problem);
    }
  }

  // What the view says

  private changed(key: string): void {
    const parsed = parseRecordKey(key);
    switch (parsed?.kind) {
      case "world":
        return this.look(this.shards.get(firstShard(parsed.world)));
      case "shard":
      case "owner":
        // A gameserver runs the first shard of a world, so far the only one.
        if (parsed.shard === firstShard(parsed.world)) this.shardChanged(parsed);
        return;
      case "node":
        for (const entry of this.shards.values())
          if (parsed.node === this.node || this.ownerOf(entry).record?.node === parsed.node)
            this.look(entry);
    }
  }

  private shardChanged({ shard, world }: { shard: string; world: string }): void {
    let entry = this.shards.get(shard);
    if (entry === undefined) {
      const { wanted } = this.records.seen("shard", shardKey(shard)).record ?? {};
      const owner = this.records.seen("owner", ownerKey(shard)).record?.node;
      if (wanted !== this.node && owner !== this.node) return;
      entry = new HostedShard(shard, world);
      this.shards.set(shard, entry);
    }
    this.look(entry);
  }

  private lookAtAll(): void {
    for (const entry of this.shards.values()) this.look(entry);
  }

  private ownerOf(entry: HostedShard): Seen<OwnerRecord> {
    return this.records.seen("owner", ownerKey(entry.shard));
  }

  private view(entry: HostedShard): ClaimView {
    const { records } = this;
    const owner = this.ownerOf(entry);
    return {
      world: records.seen("world", worldKey(entry.world)),
      shard: records.seen("shard", shardKey(entry.shard)),
      owner,
      ownerNode: records.seen("node", nodeKey(owner.record?.node ?? "")),
      node: records.seen("node", nodeKey(this.node)),
    };
  }

  private get claimant(): Claimant | undefined {
    const { registration, node } = this;
    return registration && { node, boot: registration.boot, generation: registration.generation };
  }

  /** Owned by this registration, as the view shows it. */
  private isMine(entry: HostedShard): boolean {
    const { registration } = this;
    const { record, modified } = this.ownerOf(entry);
    return (
      registration !== undefined &&
      record?.state === "owned" &&
      record.node === this.node &&
      record.boot === registration.boot &&
      generationOf(modified) === registration.generation
    );
  }

  // What is to be done

  private look(entry: HostedShard | undefined): void {
    if (entry === undefined) return;
    if (!this.draining && this.isUnreadable(entry)) return;
    switch (entry.phase) {
      case "rest":
        return this.lookAtRest(entry);
      case "claimed": {
        const why = this.whyGiveUp(entry);
        if (why === undefined) this.toOpen.add(entry);
        else this.release(entry, why);
        return;
      }
      case "open":
        return this.lookAtOpen(entry);
    }
  }

  /** A record of a newer version: nothing is decided by what it would be without it. */
  private isUnreadable(entry: HostedShard): boolean {
    const { shard, world } = entry;
    const keys: readonly [RecordKind, string][] = [
      ["world", worldKey(world)],
      ["shard", shardKey(shard)],
      ["owner", ownerKey(shard)],
    ];
    return keys.some(([kind, key]) => this.records.problem(kind, key) !== undefined);
  }

  private lookAtRest(entry: HostedShard): void {
    this.toPrepare.delete(entry);
    if (entry.failedAt !== this.signature(entry)) this.forgive(entry);
    if (this.registration === undefined || this.ownerOf(entry).modified < entry.floor) return;
    if (this.isMine(entry)) {
      const why = this.whyGiveUp(entry);
      if (why !== undefined) {
        if (this.now >= entry.txnAt) this.release(entry, why);
      } else if (this.now >= entry.retryAt && this.now >= entry.txnAt) this.toPrepare.add(entry);
      return;
    }
    entry.ownership = undefined;
    if (this.isClaimable(entry)) {
      if (this.now >= entry.retryAt && this.now >= entry.txnAt) this.toPrepare.add(entry);
      return;
    }
    const { wanted } = this.records.seen("shard", shardKey(entry.shard)).record ?? {};
    if (wanted !== this.node) this.shards.delete(entry.shard);
  }

  private isClaimable(entry: HostedShard): boolean {
    const { claimant } = this;
    if (claimant === undefined || this.draining) return false;
    return claimShard(entry.shard, this.view(entry), claimant).ok;
  }

  /** Why what is owned has to go, whether it runs or not. */
  private whyGiveUp(entry: HostedShard): string | undefined {
    const { claimant } = this;
    if (this.draining) return "the node is stopping";
    if (entry.givenUp && this.now < entry.retryAt) return entry.reason;
    if (claimant === undefined) return undefined;
    const { world, shard } = this.view(entry);
    const owner = entry.ownership === undefined ? this.ownerOf(entry) : this.own(entry);
    switch (whyRelease({ world, shard, owner }, claimant)) {
      case "no-world":
        return "the world was removed";
      case "disabled":
        return "the world is disabled";
      case "not-wanted":
        return "the shard is meant for another node";
      default:
        return undefined;
    }
  }

  /** The owner's record as this node's own transaction wrote it; the view may be behind. */
  private own(entry: HostedShard): Seen<OwnerRecord> {
    const { ownership } = entry;
    const { boot = "" } = this.registration ?? {};
    const record = { world: ownership?.world ?? 0, node: this.node, boot, state: "owned" } as const;
    return { record, created: 0, modified: entry.floor };
  }

  private lookAtOpen(entry: HostedShard): void {
    const owner = this.ownerOf(entry);
    if (owner.modified > entry.floor) {
      // A reclaim whose answer was lost, or something that must not be: either way, not at this epoch.
      entry.floor = owner.modified;
      return this.close(entry, "its epoch is over", "rest");
    }
    const why = this.whyGiveUp(entry);
    if (why !== undefined) return this.close(entry, why, "release");
    const { record } = this.records.seen("world", worldKey(entry.world));
    if (record !== undefined && entry.runsAs && !sameBytes(runsAs(record), entry.runsAs))
      this.close(entry, "the world was changed", "rest");
  }

  // Steps

  /** Begins what may begin. */
  private fill(): void {
    let claims = this.count("preparing") + this.count("claiming");
    for (const entry of this.toPrepare) {
      if (claims >= this.maxClaims) break;
      this.toPrepare.delete(entry);
      const { record } = this.records.seen("world", worldKey(entry.world));
      if (entry.phase !== "rest" || record === undefined) continue;
      claims += 1;
      entry.phase = "preparing";
      this.effects.push({ type: "prepare", ...this.begin(entry), record });
    }
    let opens = this.count("opening");
    for (const entry of this.toOpen) {
      if (opens >= this.maxOpens) break;
      this.toOpen.delete(entry);
      const { record } = this.records.seen("world", worldKey(entry.world));
      const { ownership } = entry;
      if (entry.phase !== "claimed" || record === undefined || ownership === undefined) continue;
      opens += 1;
      entry.phase = "opening";
      entry.usedEpoch = ownership.epoch;
      entry.runsAs = runsAs(record);
      this.effects.push({ type: "open", ...this.begin(entry), record, ownership });
    }
  }

  private begin(entry: HostedShard): { shard: string; attempt: number } {
    entry.attempt = ++this.attempts;
    return { shard: entry.shard, attempt: entry.attempt };
  }

  private prepared(entry: HostedShard, problem: string | undefined): void {
    entry.phase = "rest";
    if (problem !== undefined) {
      this.failed(entry, PREPARE_PAUSES, problem);
      // Without its module, what is owned cannot run here.
      entry.givenUp = true;
      this.report("error", `World ${entry.world} cannot be hosted here: ${problem}`, entry);
      return this.look(entry);
    }
    const { claimant } = this;
    if (claimant === undefined || this.ownerOf(entry).modified < entry.floor) return;
    const view = this.view(entry);
    const { modified } = view.owner;
    if (this.isMine(entry)) {
      if (this.whyGiveUp(entry) !== undefined) return this.look(entry);
      const { proposed } = entry;
      const world = view.owner.record?.world ?? 0;
      const turn = this.records.version(ownerKey(entry.shard));
      if (modified <= entry.usedEpoch) return this.reclaim(entry);
      // A claim of this node that was applied, and whose answer was lost.
      if (proposed?.turn === turn) return this.owned(entry, { ...proposed, epoch: modified });
      return this.owned(entry, { epoch: modified, world, turn, lastTurn: undefined });
    }
    if (this.draining) return;
    const proposal = claimShard(entry.shard, view, this.identified(claimant));
    if (!proposal.ok) return;
    this.propose(entry, "claim", proposal.txn, this.turns(entry, view));
  }

  private reclaim(entry: HostedShard): void {
    const { claimant } = this;
    const view = this.view(entry);
    const proposal = claimant && reclaimShard(entry.shard, view, this.identified(claimant));
    if (proposal?.ok !== true) return;
    this.propose(entry, "reclaim", proposal.txn, this.turns(entry, view));
  }

  /** A transaction's id: the same for all its retries. */
  private identified(claimant: Claimant): Claimant {
    return { ...claimant, id: `${claimant.boot}-${this.attempts + 1}` };
  }

  /** Whose turn it would be, and whose it was. */
  private turns(
    entry: HostedShard,
    { world, owner }: Pick<ClaimView, "world" | "owner">,
  ): Omit<Ownership, "epoch"> {
    const version = this.records.version(ownerKey(entry.shard));
    const { record, modified } = owner;
    const isHere =
      record?.node === this.node && generationOf(modified) === this.registration?.generation;
    const released = record?.state === "released" && { released: true as const };
    const turn = { world: world.created, turn: version + 1, ...released };
    if (record === undefined) return { ...turn, lastTurn: "none" };
    if (!isHere) return { ...turn, lastTurn: undefined };
    return { ...turn, ...this.goesOn(entry, record.state === "owned" ? version : version - 1) };
  }

  private goesOn(
    { ownTurns }: HostedShard,
    lastTurn: number,
  ): Pick<Ownership, "lastTurn" | "sinceTurn"> {
    const isKnown = ownTurns?.last === lastTurn && ownTurns.since < lastTurn;
    return isKnown ? { lastTurn, sinceTurn: ownTurns.since } : { lastTurn };
  }

  /** Takes an ownership that the control plane has. */
  private owns(entry: HostedShard, ownership: Ownership): void {
    const { turn: last, lastTurn, sinceTurn } = ownership;
    const before = typeof lastTurn === "number" ? lastTurn : last;
    entry.ownTurns = { since: sinceTurn ?? before, last };
    entry.ownership = ownership;
    entry.floor = ownership.epoch;
  }

  private propose(
    entry: HostedShard,
    purpose: "claim" | "reclaim",
    request: TxnRequest,
    proposed: Omit<Ownership, "epoch">,
  ): void {
    entry.proposed = proposed;
    entry.phase = entry.phase === "open" ? "renewing" : "claiming";
    this.effects.push({ type: "txn", ...this.begin(entry), purpose, request });
  }

  private claimAnswered(entry: HostedShard, answer: TxnAnswer): void {
    const runs = entry.phase === "renewing";
    entry.phase = runs ? "open" : "rest";
    const { proposed } = entry;
    if (answer.type !== "done" || proposed === undefined) {
      this.txnFailed(entry, answer);
      if (runs) this.effects.push({ type: "renewed", shard: entry.shard, ownership: undefined });
      return this.look(entry);
    }
    entry.txnFailures = 0;
    const ownership = { ...proposed, epoch: answer.revision };
    if (!runs) return this.owned(entry, ownership);
    this.owns(entry, ownership);
    entry.usedEpoch = answer.revision;
    this.effects.push({ type: "renewed", shard: entry.shard, ownership });
    this.look(entry);
  }

  private owned(entry: HostedShard, ownership: Ownership): void {
    this.owns(entry, ownership);
    entry.phase = "claimed";
    this.look(entry);
  }

  private opened(entry: HostedShard, problem: string | undefined): void {
    if (problem === undefined) {
      entry.phase = "open";
      entry.openedAt = this.now;
      entry.givenUp = false;
      return this.look(entry);
    }
    this.failed(entry, OPEN_PAUSES, problem);
    entry.givenUp = true;
    this.report(
      "error",
      `World ${entry.world} could not be opened and is given back: ${problem}`,
      entry,
    );
    this.release(entry, entry.reason);
  }

  private died(entry: HostedShard, problem: string): void {
    const { phase } = entry;
    if (phase !== "open" && phase !== "renewing") return;
    if (phase === "renewing")
      this.effects.push({ type: "renewed", shard: entry.shard, ownership: undefined });
    if (this.now - entry.openedAt >= STEADY_MS) entry.failures = 0;
    // An answer that is still to come finds another attempt; the watch tells what it did.
    entry.attempt = 0;
    entry.phase = "rest";
    entry.ownership = undefined;
    this.failed(entry, REOPEN_PAUSES, problem);
    this.look(entry);
  }

  private renew(entry: HostedShard): void {
    const { claimant } = this;
    const view = { ...this.view(entry), owner: this.own(entry) };
    const proposal =
      entry.phase === "open" && entry.ownership !== undefined && claimant
        ? reclaimShard(entry.shard, view, this.identified(claimant))
        : undefined;
    if (proposal?.ok !== true || entry.ownership === undefined) {
      this.effects.push({ type: "renewed", shard: entry.shard, ownership: undefined });
      return;
    }
    const { world, turn } = entry.ownership;
    this.propose(entry, "reclaim", proposal.txn, {
      world,
      turn: turn + 1,
      ...this.goesOn(entry, turn),
    });
  }

  private close(entry: HostedShard, reason: string, then: "release" | "rest"): void {
    entry.phase = "closing";
    entry.reason = reason;
    entry.then = then;
    this.effects.push({ type: "close", ...this.begin(entry), reason, then });
  }

  private closed(entry: HostedShard, problem: string | undefined): void {
    if (problem !== undefined)
      this.report(
        "error",
        `World ${entry.world} was closed without its last state: ${problem}`,
        entry,
      );
    if (entry.then === "release") return this.release(entry, entry.reason);
    entry.phase = "rest";
    entry.ownership = undefined;
    this.look(entry);
  }

  /** Nothing of it runs here any more. */
  private release(entry: HostedShard, reason: string): void {
    const { claimant } = this;
    this.toOpen.delete(entry);
    entry.reason = reason;
    const owner = entry.ownership === undefined ? this.ownerOf(entry) : this.own(entry);
    const proposal = claimant && releaseShard(entry.shard, owner, this.identified(claimant));
    entry.phase = "rest";
    if (proposal?.ok !== true) return;
    entry.phase = "releasing";
    this.effects.push({
      type: "txn",
      ...this.begin(entry),
      purpose: "release",
      request: proposal.txn,
    });
  }

  private releaseAnswered(entry: HostedShard, answer: TxnAnswer): void {
    entry.phase = "rest";
    entry.ownership = undefined;
    if (answer.type === "done") {
      entry.txnFailures = 0;
      entry.floor = answer.revision;
      this.report("info", `World ${entry.world} was given back: ${entry.reason}.`, entry);
    } else this.txnFailed(entry, answer);
    this.look(entry);
  }

  /** Whether an effect is still to be carried out: it was not overtaken by a loss. */
  isUnderWay(shard: string, attempt: number): boolean {
    return this.shards.get(shard)?.attempt === attempt;
  }

  // Failures

  private txnFailed(entry: HostedShard, answer: TxnAnswer): void {
    entry.txnFailures += 1;
    entry.txnAt = this.now + pauseOf(TXN_PAUSES, entry.txnFailures);
    if (answer.type !== "failed") return;
    this.report("warn", `The control plane did not take a change: ${answer.problem}`, entry);
  }

  private failed(entry: HostedShard, pauses: Pauses, problem: string): void {
    entry.failures += 1;
    entry.retryAt = this.now + pauseOf(pauses, entry.failures);
    entry.reason = problem;
    entry.failedAt = this.signature(entry);
  }

  private forgive(entry: HostedShard): void {
    entry.failures = 0;
    entry.retryAt = 0;
    entry.givenUp = false;
    entry.failedAt = this.signature(entry);
  }

  private signature({ shard, world }: HostedShard): string {
    const { records } = this;
    const placed = records.seen("shard", shardKey(shard)).modified;
    return `${records.seen("world", worldKey(world)).modified} ${placed}`;
  }

  private report(level: "info" | "warn" | "error", message: string, entry: HostedShard): void {
    const { world, shard, failures } = entry;
    this.effects.push({ type: "report", level, message, facts: { world, shard, failures } });
  }
}
