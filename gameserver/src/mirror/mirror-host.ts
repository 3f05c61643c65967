import {
  type Clock,
  type Link,
  type Logger,
  type MigrationRecord,
  type MirrorRecord,
  mirrorAfter,
  mirroredEpoch,
  type ReplicaOpen,
  type Revision,
  type Seen,
  type ToOwner,
  type ToReplica,
} from "@atlasnet/core";
import type { Meter } from "@opentelemetry/api";
import type { ReplicaNews, ReplicaSourceFacts } from "../host/protocol.ts";
import type { ReplicaLane } from "../migration/replica-links.ts";
import type { BegunState, ReplicaSourceDependencies } from "../replica/source-types.ts";
import type { KeptWorld } from "../server/hosted-world.ts";
import type { MirrorOutcome } from "./follower-types.ts";
import type { MirroredWorlds, MirrorHome } from "./mirror-home.ts";
import { MirrorWatch } from "./mirror-watch.ts";
import { type BegunMirror, Mirrored } from "./mirrored.ts";
import { Mirroring } from "./mirroring.ts";

/** Worlds whose copies this node takes in at once, to mirror them; others wait for their turn. */
export const MAX_MIRROR_COPIES_IN = 8;
/** A world that is closed or changed does not wait longer than this for its mirror to be cleared, in ms. */
export const FREE_WAIT_MS = 5_000;
/** Mirrors that are over and not begun again by a view that is behind. */
const MAX_REMEMBERED = 1024;

/** The settings `mirror.timeoutMs` and `mirror.suspectMs` by default. */
export const MIRROR_TIMES = { timeoutMs: 500, suspectMs: 400 } as const;

export interface MirrorHostOptions {
  /** Of one copy: more waits. */
  readonly bytesPerSecond: number;
  /** See MirrorOwner and MirrorFollower. */
  readonly timeoutMs: number;
  readonly suspectMs: number;
}

export interface MirrorHostDependencies {
  readonly links: ReplicaLane;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly meter: Meter;
  /** Shared with migrations: numbers of copies are those of the process. */
  readonly stream: ReplicaSourceDependencies;
}

/**
 * The mirrors that this node takes part in: of worlds that run here, and of worlds that it follows. Finds them in what
 * the watch shows, and brings to each what concerns it. Messages and links come by way of MigrationHost.
 */
export class MirrorHost {
  private readonly options: MirrorHostOptions;
  private readonly dependencies: MirrorHostDependencies;
  private readonly watch: MirrorWatch;
  private readonly mirrored = new Map<string, Mirrored>();
  private readonly mirroring = new Map<string, Mirroring>();
  /** Shards with a record that concerns this node, of which nothing has come yet. */
  private readonly waiting = new Set<string>();
  /** How they ended, by the id of the record. */
  private readonly remembered = new Map<string, MirrorOutcome>();
  /** Shards whose switch to this node has committed, and that do not run yet. */
  private readonly adopting = new Set<string>();
  /** What asked to follow a shard that is on its way here, before this node knew of the switch. */
  private readonly early = new Map<string, { readonly link: Link; readonly open: ReplicaOpen }>();
  private isRefusing = false;
  private isStopped = false;
  private home: MirrorHome | undefined;
  private worlds: MirroredWorlds | undefined;

  constructor(options: MirrorHostOptions, dependencies: MirrorHostDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.watch = new MirrorWatch(dependencies);
  }

  /** To be called before the first mirror is asked for. */
  start(home: MirrorHome, worlds: MirroredWorlds): void {
    this.home = home;
    this.worlds = worlds;
  }

  /** The watch has shown something of these shards' mirrors, or the state of shards here has changed. */
  look(shards: Iterable<string>): void {
    const { home } = this;
    if (home === undefined) return;
    for (const each of [...this.mirrored.values()])
      if (home.epochHere(each.shard) === each.epoch || this.adopting.has(each.shard)) each.look();
      else this.forget(each);
    for (const each of [...this.mirroring.values()]) each.look();
    for (const shard of new Set([...this.waiting, ...shards])) this.consider(shard);
  }

  linked(link: Link): void {
    for (const each of this.mirroring.values()) each.linked(link);
  }

  linkGone(link: Link): void {
    for (const [shard, early] of this.early) if (early.link === link) this.early.delete(shard);
    for (const each of [...this.mirroring.values(), ...this.mirrored.values()]) each.linkGone(link);
  }

  toReplica(link: Link, shard: string, message: ToReplica): void {
    this.mirroring.get(shard)?.message(link, message);
  }

  /** False: it is for nobody here. `isComing`: the shard is on its way to this node. */
  toOwner(link: Link, shard: string, message: ToOwner, isComing: boolean): boolean {
    const each = this.mirrored.get(shard);
    each?.message(link, message);
    if (each !== undefined) return true;
    if (!isComing || message.type !== "replica-open") return false;
    this.early.set(shard, { link, open: message });
    return true;
  }

  /** Whether this node may be the mirror of a shard that leaves it by this migration. */
  mayKeep(shard: string, record: MigrationRecord): boolean {
    const { world, node } = this.home?.mirrorView(shard) ?? {};
    // One that drains would be replaced at once, and had to wait for that.
    if (this.isRefusing || node?.record?.state !== "ready") return false;
    return world?.record !== undefined && mirrorAfter(world.record, record) !== undefined;
  }

  /**
   * The shard is this node's by a switch that has made its source the mirror. To be told before it makes a tick. True: what
   * it lets out is to wait; false: that mirror is known to be gone already.
   */
  adopt(
    shard: string,
    {
      epoch,
      migration,
      kept: state,
    }: {
      readonly epoch: Revision;
      readonly migration: MigrationRecord;
      readonly kept: BegunState;
    },
  ): boolean {
    const { id, from: node, fromBoot: boot } = migration;
    this.mirrored.get(shard)?.drop();
    this.adopting.add(shard);
    const each = this.mirror(shard, epoch, { record: { id, node, boot }, state });
    const early = this.early.get(shard);
    if (early !== undefined) each?.message(early.link, early.open);
    this.early.delete(shard);
    return each?.phase !== "open";
  }

  /** Nothing more comes of its way to this node. */
  arrived(shard: string): void {
    this.early.delete(shard);
  }

  /** It runs now, or it does not: then this node says nothing to its mirror any more, which takes over. */
  adopted(shard: string, epoch: Revision): void {
    this.adopting.delete(shard);
    const each = this.mirrored.get(shard);
    if (each?.epoch === epoch && this.home?.epochHere(shard) !== epoch) this.forget(each);
  }

  /** What is to be followed of a shard that is about to be closed here, if its owner is mirrored by this node now. */
  toKeep(shard: string): ReplicaSourceFacts | undefined {
    const each = this.mirroring.get(shard);
    if (each?.wantsKept !== true) return undefined;
    const { epoch, world } = each.record;
    return { epoch, world, otherModule: false };
  }

  /** The shard was closed here; `kept`: and is followed now, if that is wanted still. */
  closed(shard: string, kept: KeptWorld | undefined): void {
    const isTaken = this.mirroring.get(shard)?.kept(kept) === true;
    if (kept !== undefined && !isTaken)
      this.letGo(shard).catch((error: unknown) => this.watch.broken(error));
  }

  private async letGo(shard: string): Promise<void> {
    await this.worlds?.unfollow(shard);
    this.worlds?.endFollowing(shard);
    this.home?.departed(shard);
  }

  news(news: ReplicaNews): void {
    this.mirrored.get(news.shard)?.news(news);
    this.mirroring.get(news.shard)?.news(news);
  }

  /** The threads of these shards died: what ran on is with the mirror, if there is one. */
  died(shards: readonly string[], problem: string): void {
    for (const shard of shards) {
      this.mirroring.get(shard)?.died(problem);
      const each = this.mirrored.get(shard);
      if (each !== undefined) this.forget(each);
    }
  }

  /**
   * The shard is about to be closed here, or to get another epoch. Resolves once it goes on without a mirror, and what
   * waited for one has left; or that cannot be had in time: then what waits does not leave.
   */
  async free(shard: string, reason: string): Promise<void> {
    const each = this.mirrored.get(shard);
    if (each === undefined) return;
    const { clock, logger } = this.dependencies;
    await new Promise<void>((resolve) => {
      const timer = clock.setTimer(FREE_WAIT_MS, () => {
        logger.warn("A world's mirror could not be cleared in time.", { shard, reason });
        resolve();
      });
      each.free(reason).then(
        () => {
          timer.cancel();
          resolve();
        },
        (error: unknown) => this.watch.broken(error),
      );
    });
  }

  /** It goes on at its epoch after all. */
  stay(shard: string): void {
    this.mirrored.get(shard)?.stay();
  }

  /** This node mirrors nothing new. What it has in sync stays: its owners may die as long as nobody else has it. */
  refuseMore(problem: string): void {
    this.isRefusing = true;
    for (const each of [...this.mirroring.values()]) if (!each.isInSync) each.giveUp(problem);
  }

  /** Worlds that would go on here if their owner were lost now, as the watch shows it. */
  get inSync(): number {
    return [...this.mirroring.values()].filter((each) => each.isInSync).length;
  }

  /** Worlds that are mirrored here still, after `refuseMore`. */
  get kept(): number {
    return this.mirroring.size;
  }

  /** Shards that are kept free for a mirror's replica here. */
  get arriving(): number {
    return [...this.mirroring.values()].filter(({ hasBegun }) => hasBegun).length;
  }

  /** After `refuseMore`: what is left is withdrawn, or taken over if its owner is suspected; `kept` tells when it is done. */
  giveUp(problem: string): void {
    for (const each of [...this.mirroring.values()]) each.giveUp(problem);
  }

  /** Nothing comes of it any more. */
  stop(): void {
    this.isRefusing = this.isStopped = true;
    this.lost();
  }

  /** Everything was taken from this node. */
  lost(): void {
    for (const each of [...this.mirroring.values(), ...this.mirrored.values()]) each.drop();
    this.mirroring.clear();
    this.mirrored.clear();
    this.waiting.clear();
    this.adopting.clear();
    this.early.clear();
  }

  /** For figures: by phase. */
  phases(side: "owner" | "mirror"): readonly string[] {
    const all = side === "owner" ? this.mirrored : this.mirroring;
    return [...all.values()].map(({ phase }) => phase);
  }

  /** Ticks that a mirror has not acknowledged, at most. */
  get lagTicks(): number {
    return Math.max(0, ...[...this.mirrored.values()].map(({ lagTicks }) => lagTicks));
  }

  /** Worlds here that act without a lease, as long as their mirrors answer. */
  get unleased(): number {
    return [...this.mirrored.values()].filter(({ isUnleased }) => isUnleased).length;
  }

  private consider(shard: string): void {
    this.waiting.delete(shard);
    const { home } = this;
    const registration = home?.registration;
    if (home === undefined || registration === undefined) return;
    const { mirror, owner } = home.mirrorView(shard);
    const { record } = mirror;
    if (record === undefined) return;
    const { boot } = registration;
    const isHere = record.node === home.node && record.boot === boot;
    const isOwned = owner.record?.node === home.node && owner.record.boot === boot;
    if (!isHere && !isOwned) return;
    if (isHere ? this.mirroring.has(shard) : this.mirrored.has(shard)) return;
    if (!(isHere ? this.begin(shard, mirror) : this.own(shard, mirror))) this.waiting.add(shard);
  }

  private own(shard: string, mirror: Seen<MirrorRecord>): boolean {
    const { home } = this;
    if (home === undefined) return false;
    const epoch = home.epochHere(shard);
    if (epoch === undefined || epoch !== mirroredEpoch(mirror)) return false;
    return this.mirror(shard, epoch) !== undefined;
  }

  private mirror(shard: string, epoch: Revision, begins?: BegunMirror): Mirrored | undefined {
    const { home, worlds, options } = this;
    const boot = home?.registration?.boot;
    if (home === undefined || worlds === undefined || boot === undefined) return undefined;
    const { links, clock, stream } = this.dependencies;
    const each = new Mirrored(
      { shard, epoch, boot, ...options, begins },
      { ...{ home, worlds, links, clock, stream }, watch: this.watch },
    );
    this.mirrored.set(shard, each);
    each.look();
    return each;
  }

  private begin(shard: string, mirror: Seen<MirrorRecord>): boolean {
    const { home, worlds, watch } = this;
    const { links, clock, stream } = this.dependencies;
    const registration = home?.registration;
    if (home === undefined || worlds === undefined || registration === undefined) return false;
    const epoch = mirroredEpoch(mirror);
    const record = mirror.record && epoch && { ...mirror.record, epoch };
    // What ran here until the switch: it is withdrawn in order, if nothing more is to be mirrored here.
    const comes = mirror.record?.epoch === 0 && home.epochHere(shard) !== undefined;
    if (!record || this.isStopped || (this.isRefusing && !comes)) return true;
    // One in sync whose replica went with all else that was here must not be left like that: it is withdrawn.
    const before = this.remembered.get(record.id);
    if (before !== undefined && (before !== "ended" || record.state !== "in-sync")) return true;
    const { owner } = home.mirrorView(shard);
    if (owner.modified !== epoch || owner.record === undefined) return false;
    const { boot, generation } = registration;
    const me = { node: home.node, boot, generation };
    const { suspectMs } = this.options;
    const each: Mirroring = new Mirroring(
      { ...{ shard, mirror: record, me, suspectMs, comes }, owner: owner.record.node },
      {
        ...{ home, worlds, links, clock, watch, stream },
        mayBegin: () => this.copiesIn < MAX_MIRROR_COPIES_IN,
        ended: (outcome) => this.ended(each, outcome),
      },
    );
    this.mirroring.set(shard, each);
    each.look();
    if (this.isRefusing) each.giveUp("this node is stopping");
    return true;
  }

  private get copiesIn(): number {
    let count = 0;
    for (const { isCopying } of this.mirroring.values()) if (isCopying) count += 1;
    return count;
  }

  private ended(each: Mirroring, outcome: MirrorOutcome): void {
    if (this.mirroring.get(each.shard) === each) this.mirroring.delete(each.shard);
    this.remembered.set(each.record.id, outcome);
    for (const id of this.remembered.keys()) {
      if (this.remembered.size <= MAX_REMEMBERED) break;
      this.remembered.delete(id);
    }
    // Not from within: another one may begin now.
    queueMicrotask(() => this.look([each.shard]));
  }

  private forget(each: Mirrored): void {
    each.drop();
    if (this.mirrored.get(each.shard) === each) this.mirrored.delete(each.shard);
    this.waiting.add(each.shard);
  }
}
