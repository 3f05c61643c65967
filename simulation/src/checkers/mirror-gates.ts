import type { Violations } from "@atlasnet/apiserver/sim";
import {
  firstShard,
  type KeyValue,
  mirrorKey,
  ownerKey,
  type ReplicaAck,
  snapshotKey,
} from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import type { Checker } from "./checker.ts";
import { PromotionCalls } from "./promotion-calls.ts";
import { mirrorInSync, ownerOf, snapshotOf } from "./records.ts";
import { toldTick } from "./told-ticks.ts";

export interface MirrorGatesDependencies {
  readonly violations: Violations;
  readonly worlds: readonly string[];
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
  /** A mirror, by its id, says that it has a whole copy. */
  acknowledged(id: string): void;
}

type InSync = NonNullable<ReturnType<typeof mirrorInSync>>;

/**
 * Rule 5.5: the owner gates on a mirror before the transaction that records it, and until the transaction that clears
 * it has committed; a mirror stops acknowledging before it proposes itself. So, as soon as a record says that a mirror
 * is in sync and for as long as one does, it has acknowledged all ticks that the owner has told anybody of.
 */
export class MirrorGates implements Checker {
  readonly rule = "5.5 what leaves waits for the mirror";
  looked = 0;
  private readonly deps: MirrorGatesDependencies;
  private readonly calls = new PromotionCalls();
  /** The newest tick that anybody was told of, by shard and epoch. */
  private readonly told = new Map<string, number>();
  /** The newest tick that a mirror has said that it has, by its id. */
  private readonly acknowledged = new Map<string, number>();
  /** The ticket that a node came with last, by the channel: of a mirror, or of a migration. */
  private readonly follows = new Map<string, string>();
  /** The mirror that was in sync when something was committed last, by shard. */
  private readonly inSync = new Map<string, InSync | undefined>();
  /** What a mirror had when it became the owner, by shard and the epoch before. */
  private readonly fences = new Map<string, number>();

  constructor(dependencies: MirrorGatesDependencies) {
    this.deps = dependencies;
  }

  /** The newest tick that anybody was told of. */
  toldOf(shard: string, epoch: number): number {
    return this.told.get(`${shard} ${epoch}`) ?? 0;
  }

  /**
   * Whether it is said for an ownership that a mirror has ended, and the mirror has all that it tells of. An owner that
   * does not know yet may say so much (design, section 5): the promotion is the fence, and did not wait for its lease.
   */
  isOfTheMirror(passage: SimPassage): boolean {
    const { message } = passage;
    if (!("shard" in message) || !("epoch" in message)) return false;
    const fence = this.fences.get(`${message.shard} ${message.epoch}`);
    return fence !== undefined && (toldTick(passage) ?? 0) <= fence;
  }

  sent(passage: SimPassage): void {
    const { from, channel, message } = passage;
    this.calls.sent(passage);
    if (message.type === "replica-open") {
      this.follows.set(`${from} ${channel}`, message.id);
      this.has(message.id, message.tick ?? 0);
    }
    if (message.type === "replica-ack") {
      const id = this.follows.get(`${from} ${channel}`);
      if (id !== undefined) this.acknowledges(from, id, message);
    }
    const tick = toldTick(passage);
    if (tick !== undefined && "shard" in message && "epoch" in message)
      this.tells(from, { shard: message.shard, epoch: message.epoch, tick });
  }

  /** Something was committed. */
  committed(): void {
    const { worlds, item } = this.deps;
    for (const shard of worlds.map(firstShard)) {
      const now = mirrorInSync(item(ownerKey(shard)), item(mirrorKey(shard)));
      const before = this.inSync.get(shard);
      this.inSync.set(shard, now);
      if (before !== undefined) this.fence(shard, before);
      if (now === undefined) continue;
      const { epoch, mirror, owner } = now;
      if (mirror.id !== before?.mirror.id)
        this.compare(shard, mirror, `${owner.node} has told of`, this.toldOf(shard, epoch));
      const recorded = snapshotOf(item(snapshotKey(shard)));
      if (recorded?.epoch === epoch)
        this.compare(shard, mirror, "there is a snapshot of", recorded.newest.tick);
    }
  }

  private fence(shard: string, { epoch, mirror }: InSync): void {
    const owner = this.deps.item(ownerKey(shard));
    const record = ownerOf(owner);
    if (owner?.modified === epoch || record?.node !== mirror.node || record.boot !== mirror.boot)
      return;
    this.fences.set(`${shard} ${epoch}`, this.acknowledged.get(mirror.id) ?? 0);
  }

  private tells(from: string, told: { shard: string; epoch: number; tick: number }): void {
    const { shard, epoch, tick } = told;
    const { item } = this.deps;
    this.told.set(`${shard} ${epoch}`, Math.max(tick, this.toldOf(shard, epoch)));
    const now = mirrorInSync(item(ownerKey(shard)), item(mirrorKey(shard)));
    if (now?.epoch === epoch) this.compare(shard, now.mirror, `${from} tells of`, tick);
  }

  private compare(
    shard: string,
    { id, node }: { readonly id: string; readonly node: string },
    what: string,
    tick: number,
  ): void {
    this.looked += 1;
    const has = this.acknowledged.get(id) ?? 0;
    if (tick > has)
      this.report(`${what} tick ${tick} of ${shard}, and its mirror ${node} has said ${has}`);
  }

  private acknowledges(from: string, id: string, { shard, tick }: ReplicaAck): void {
    this.has(id, tick);
    // While a copy comes, it names none.
    if (tick > 0) this.deps.acknowledged(id);
    if (this.calls.isOpen(id))
      this.report(`${from} acknowledges tick ${tick} of ${shard}, and has proposed itself`);
  }

  private has(id: string, tick: number): void {
    this.acknowledged.set(id, Math.max(tick, this.acknowledged.get(id) ?? 0));
  }

  private report(detail: string): void {
    this.deps.violations.add(this.rule, detail);
  }
}
