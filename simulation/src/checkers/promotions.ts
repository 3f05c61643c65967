import type { Violations } from "@atlasnet/apiserver/sim";
import {
  firstShard,
  isAlive,
  type KeyValue,
  type MirrorRecord,
  migrationKey,
  mirrorKey,
  nodeKey,
  type OwnerRecord,
  ownerKey,
} from "@atlasnet/core";
import { migrationOf, mirrorInSync, mirrorOf, nodeOf, ownerOf } from "./records.ts";
import type { MadeTick, TickChecker } from "./ticks.ts";

export interface PromotionsDependencies {
  readonly violations: Violations;
  readonly worlds: readonly string[];
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
  /** The newest tick that anybody was told of. */
  toldOf(shard: string, epoch: number): number;
}

type InSync = NonNullable<ReturnType<typeof mirrorInSync>>;

interface Before {
  readonly inSync: InSync | undefined;
  /** Where it is moving. */
  readonly to: Pick<MirrorRecord, "node" | "boot"> | undefined;
}

/** What the first tick of a new owner has to go on from. */
interface Owed {
  readonly node: string;
  /** Before. */
  readonly epoch: number;
  readonly from: number;
}

/**
 * Rule 4.1 for mirrored worlds: nothing is lost by the death of a gameserver. While a mirror is in sync nobody else goes
 * on with the shard, and it goes on at the same timeline, behind all that anybody was told of. Unless its copy died, too.
 */
export class Promotions implements TickChecker {
  readonly rule = "4.1 a mirror goes on without going back";
  looked = 0;
  promoted = 0;
  private readonly deps: PromotionsDependencies;
  private readonly before = new Map<string, Before>();
  /** Mirrors, by their ids, whose copies went with a world thread. */
  private readonly copiesLost = new Set<string>();
  /** Mirrors, by their ids, whose owners' states went with a world thread. */
  private readonly statesLost = new Set<string>();
  /** By shard and epoch. */
  private readonly owed = new Map<string, Owed>();
  /** By shard and epoch. */
  private readonly timelines = new Map<string, number>();

  constructor(dependencies: PromotionsDependencies) {
    this.deps = dependencies;
  }

  /** Something was committed. */
  committed(): void {
    const { worlds, item } = this.deps;
    for (const shard of worlds.map(firstShard)) {
      const owner = item(ownerKey(shard));
      const migration = migrationOf(item(migrationKey(shard)));
      const before = this.before.get(shard);
      const inSync = mirrorInSync(owner, item(mirrorKey(shard)));
      const to = migration && { node: migration.to, boot: migration.toBoot };
      this.before.set(shard, { inSync, to });
      const last = before?.inSync;
      if (last === undefined || last.mirror.id === inSync?.mirror.id) continue;
      this.looked += 1;
      if (owner?.modified === last.epoch) this.ended(shard, last);
      else this.changed(shard, last, before?.to);
    }
  }

  /**
   * A world thread of a node died: copies that it had are no more. Also of who is only asked to mirror: its owner may have
   * heard that it has them, and confirm it.
   */
  lostThread(node: string): void {
    const { worlds, item } = this.deps;
    for (const shard of worlds.map(firstShard)) {
      const mirror = mirrorOf(item(mirrorKey(shard)));
      if (mirror === undefined) continue;
      if (mirror.node === node) this.copiesLost.add(mirror.id);
      if (ownerOf(item(ownerKey(shard)))?.node === node) this.statesLost.add(mirror.id);
    }
    for (const [key, owed] of this.owed) if (owed.node === node) this.owed.delete(key);
  }

  /** A mirror says that it has a whole copy. */
  acknowledged(id: string): void {
    this.copiesLost.delete(id);
  }

  ticked({ shard: { options }, result }: MadeTick): void {
    const { shard, epoch, timeline } = options;
    const key = `${shard} ${epoch}`;
    const owed = this.owed.get(key);
    this.timelines.set(key, timeline);
    if (owed === undefined) return;
    this.owed.delete(key);
    this.looked += 1;
    const where = `${shard} goes on at epoch ${epoch} on ${owed.node}`;
    // It may have made no tick before.
    const last = this.timelines.get(`${shard} ${owed.epoch}`) ?? timeline;
    if (timeline !== last) this.report(`${where} at timeline ${timeline}, after ${last}`);
    if (result.tick <= owed.from)
      this.report(`${where} with tick ${result.tick}, and its owner told of ${owed.from}`);
  }

  /** It was taken over; or its owner has moved it while it ran, which ends the mirror. */
  private changed(shard: string, { mirror, owner, epoch }: InSync, to: Before["to"]): void {
    const item = this.deps.item(ownerKey(shard));
    const now = ownerOf(item);
    // It was closed in order, when nobody could clear its mirror: what it kept is all there is.
    const isReleased = now?.state === "released" && now.node === owner.node;
    if (isReleased && now.boot === owner.boot) return;
    const [next] = [mirror, to].filter((one) => one?.node === now?.node && one?.boot === now?.boot);
    if (next === undefined) {
      // Both are gone: it goes back, as the worlds of these runs may.
      if (this.statesLost.has(mirror.id) && !this.isThere(mirror)) return;
      return this.report(
        `${now?.node} has ${shard} after ${owner.node}, and ${mirror.node} was its mirror in sync`,
      );
    }
    if (next === mirror) this.promoted += 1;
    if (next === mirror && this.copiesLost.has(mirror.id)) return;
    this.owed.set(`${shard} ${item?.modified}`, {
      node: next.node,
      epoch,
      from: this.deps.toldOf(shard, epoch),
    });
  }

  /** The record is gone, and the owner is the same: it goes on, or nobody can. */
  private ended(shard: string, { mirror, owner }: InSync): void {
    if (this.copiesLost.has(mirror.id)) return;
    if (!this.isThere(owner) && this.isThere(mirror))
      this.report(
        `the mirror ${mirror.node} of ${shard} is given up, and ${owner.node}, which has it, is gone`,
      );
  }

  private isThere({ node, boot }: OwnerRecord | MirrorRecord): boolean {
    const record = nodeOf(this.deps.item(nodeKey(node)));
    return record !== undefined && isAlive(record, boot);
  }

  private report(detail: string): void {
    this.deps.violations.add(this.rule, detail);
  }
}
