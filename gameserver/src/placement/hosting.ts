import {
  type Change,
  firstShard,
  type ModuleSource,
  ownerKey,
  parseRecordKey,
  type ShardProblem,
  shardKey,
  worldOfShard,
} from "@atlasnet/core";
import { Admission, type AdmissionOptions } from "./admission.ts";
import { Arriving } from "./arriving.ts";
import { Claiming } from "./claiming.ts";
import { HostedShard, PhaseCounts } from "./hosted-shard.ts";
import type { HostingEffect, HostingEvent } from "./hosting-types.ts";
import { HostingView } from "./hosting-view.ts";
import { Outbox } from "./outbox.ts";
import { Releasing } from "./releasing.ts";
import { Retries } from "./retries.ts";
import { Running } from "./running.ts";

export interface HostingOptions extends AdmissionOptions {
  readonly node: string;
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
  private readonly view: HostingView;
  private readonly shards = new Map<string, HostedShard>();
  private readonly counts = new PhaseCounts();
  private readonly outbox = new Outbox();
  private readonly retries: Retries;
  private readonly claiming: Claiming;
  private readonly running: Running;
  private readonly releasing: Releasing;
  private readonly arriving: Arriving;
  private readonly admission: Admission;

  constructor(options: HostingOptions) {
    this.view = new HostingView(options);
    const { view, outbox, counts } = this;
    this.retries = new Retries({ view, outbox });
    const look = (entry: HostedShard) => this.look(entry);
    const parts = { view, outbox, retries: this.retries, look };
    this.claiming = new Claiming(parts);
    this.releasing = new Releasing(parts);
    this.running = new Running(parts, { releasing: this.releasing });
    this.arriving = new Arriving(parts);
    const { running, releasing } = this;
    const forget = (entry: HostedShard) => this.forget(entry);
    this.admission = new Admission(options, parts, { counts, running, releasing, forget });
  }

  get records() {
    return this.view.records;
  }

  /** What the records say of migrations, and whose they are. */
  get seen(): Pick<HostingView, "switchOf" | "movedHere" | "hasOthers" | "isDraining"> {
    return this.view;
  }

  /** Of all that is here or on its way here. */
  get weight(): number {
    let weight = 0;
    for (const entry of this.shards.values())
      if (entry.phase !== "rest" || this.view.isMine(entry))
        weight += this.view.worldOf(entry).record?.weight ?? 0;
    return weight;
  }

  /** A replica of it may be here. */
  isArriving(shard: string): boolean {
    return this.shards.get(shard)?.phase === "arriving";
  }

  /** It runs here, at this epoch. */
  runsAt(shard: string, epoch: number): boolean {
    const entry = this.shards.get(shard);
    return entry?.phase === "open" && entry.ownership?.epoch === epoch;
  }

  /** It runs here, and nothing else is about to be done with it. */
  isOpen(shard: string): boolean {
    return this.shards.get(shard)?.phase === "open";
  }

  /** What it runs, as its world's record names it; undefined: it does not run, or is about to run something else. */
  moduleOf(shard: string): ModuleSource | undefined {
    const entry = this.shards.get(shard);
    return entry?.phase === "open" ? this.view.worldOf(entry).record?.module : undefined;
  }

  /** At which it runs here, also while something else is about to be done with it. */
  epochOf(shard: string): number | undefined {
    const entry = this.shards.get(shard);
    const { phase } = entry ?? {};
    const runs = phase === "open" || phase === "renewing" || phase === "closing";
    return runs ? entry?.ownership?.epoch : undefined;
  }

  /** Everything owned was given up, and nothing is under way. */
  get settled(): boolean {
    if (this.count("rest") < this.shards.size) return false;
    for (const entry of this.shards.values()) {
      if (entry.ownership !== undefined) return false;
      if (this.view.isMine(entry) && !this.view.isBehind(entry)) return false;
    }
    return true;
  }

  /** When `time` has to be told next, in ms; Infinity when nothing waits for it. */
  get nextAt(): number {
    return this.retries.nextAt;
  }

  /** How many are in each phase, for figures. */
  count(phase: HostedShard["phase"]): number {
    return this.counts.of(phase);
  }

  /** Shards of this node that could not be opened the last time, or died and are not open again. */
  *problems(): Generator<ShardProblem> {
    for (const { shard, problem } of this.shards.values())
      if (problem !== undefined) yield { shard, problem };
  }

  /** Whether an effect is still to be carried out: it was not overtaken by a loss. */
  isUnderWay(shard: string, attempt: number): boolean {
    return this.shards.get(shard)?.attempt === attempt;
  }

  /** `now` in ms, on any clock that does not go back. */
  handle(event: HostingEvent, now: number): readonly HostingEffect[] {
    const before = this.outbox.now;
    this.outbox.begin(now);
    switch (event.type) {
      case "registered":
        this.view.registration = event.registration;
        this.lookAtAll();
        break;
      case "lost":
        this.view.registration = undefined;
        this.admission.clear();
        for (const entry of this.shards.values()) entry.reset();
        break;
      case "view":
        for (const key of this.records.replace(event.prefix, event.items)) this.changed(key);
        break;
      case "changes":
        // All of them first: what one transaction changed is looked at together.
        for (const key of event.changes.flatMap((change) => this.apply(change))) this.changed(key);
        break;
      case "draining":
        this.view.draining = true;
        this.lookAtAll();
        break;
      case "time":
        this.lookAtAll();
        break;
      default:
        this.answer(event);
    }
    // Whatever the event: the timer is set anew behind each, and `nextAt` does not name what is over already.
    for (const entry of this.retries.over(before)) this.look(entry);
    this.admission.fill();
    return this.outbox.take();
  }

  private answer(
    event: Exclude<
      HostingEvent,
      { type: "registered" | "lost" | "view" | "changes" | "draining" | "time" }
    >,
  ): void {
    const entry = this.shards.get(event.shard);
    if (event.type === "arriving") return this.arrive(event.shard);
    if (entry === undefined) {
      if (event.type === "renew") this.outbox.notRenewed(event.shard);
      return;
    }
    if (event.type === "adopted") return this.arriving.adopted(entry, event);
    if (event.type === "departed") return this.arriving.departed(entry);
    if (event.type === "died") return this.running.died(entry, event.problem);
    if (event.type === "renew") return this.claiming.renew(entry);
    if (event.attempt !== entry.attempt) return;
    entry.attempt = 0;
    switch (event.type) {
      case "prepared":
        return this.claiming.prepared(entry, event.problem);
      case "answered":
        return entry.phase === "releasing"
          ? this.releasing.answered(entry, event.answer)
          : this.claiming.answered(entry, event.answer);
      case "opened":
        return this.running.opened(entry, event.problem);
      case "closed":
        if (event.kept === true) return this.arriving.arrive(entry);
        return this.running.closed(entry, event.problem);
    }
  }

  private arrive(shard: string): void {
    const world = worldOfShard(shard);
    if (world === undefined || this.view.draining) return;
    const entry = this.entryOf(shard, world);
    if (entry.phase !== "rest" || this.view.isMine(entry) || this.view.isBehind(entry)) return;
    this.admission.leave(entry);
    this.arriving.arrive(entry);
  }

  // What the view says

  private apply(change: Change): readonly string[] {
    if (!this.records.apply(change)) return [];
    if (change.type === "put") return [change.item.key];
    this.forgotten(change);
    return [change.key];
  }

  private changed(key: string): void {
    const parsed = parseRecordKey(key);
    switch (parsed?.kind) {
      case "world":
        return this.look(this.shards.get(firstShard(parsed.world)));
      case "shard":
      case "owner":
      case "migration":
        // A gameserver runs the first shard of a world, so far the only one.
        if (parsed.shard === firstShard(parsed.world)) this.shardChanged(parsed);
        return;
      case "mirror":
        this.look(this.shards.get(parsed.shard));
        return;
      case "node":
        for (const entry of this.shards.values())
          if (
            parsed.node === this.view.node ||
            this.view.ownerOf(entry).record?.node === parsed.node ||
            this.view.mirrorOf(entry.shard).record?.node === parsed.node
          )
            this.look(entry);
    }
  }

  private shardChanged({ shard, world }: { shard: string; world: string }): void {
    let entry = this.shards.get(shard);
    if (entry === undefined) {
      const { node } = this.view;
      const { wanted } = this.records.seen("shard", shardKey(shard)).record ?? {};
      const owner = this.records.seen("owner", ownerKey(shard)).record?.node;
      if (wanted !== node && owner !== node) return;
      entry = this.entryOf(shard, world);
    }
    this.look(entry);
  }

  private entryOf(shard: string, world: string): HostedShard {
    const entry = this.shards.get(shard) ?? new HostedShard(shard, world, this.counts);
    this.shards.set(shard, entry);
    return entry;
  }

  private forget(entry: HostedShard): void {
    this.shards.delete(entry.shard);
    this.retries.forgotten(entry);
    entry.forgotten();
  }

  private lookAtAll(): void {
    for (const entry of this.shards.values()) this.look(entry);
  }

  /** Of an owner's key that is gone, no newer state is to be waited for: the shard was forgotten. */
  private forgotten({ key, modified }: Extract<Change, { type: "delete" }>): void {
    const parsed = parseRecordKey(key);
    const entry = parsed?.kind === "owner" ? this.shards.get(parsed.shard) : undefined;
    if (entry !== undefined && modified > entry.floor) entry.floor = 0;
  }

  // What is to be done

  private look(entry: HostedShard | undefined): void {
    if (entry === undefined) return;
    if (!this.view.draining && this.view.isUnreadable(entry)) return;
    switch (entry.phase) {
      case "rest":
        return this.admission.lookAtRest(entry);
      case "claimed":
        return this.admission.lookAtClaimed(entry);
      case "open":
        return this.running.look(entry);
    }
  }
}
