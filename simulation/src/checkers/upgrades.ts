import type { Violations } from "@atlasnet/apiserver/sim";
import { firstShard, type KeyValue, mirrorKey, movedKey, ownerKey, worldKey } from "@atlasnet/core";
import type { Shard } from "@atlasnet/gameserver/sim";
import { EDITION_KEY, ranKey } from "../world/edition.ts";
import { EDITIONS, type Edition, editionOf, mayFollow } from "../world/editions.ts";
import { RENEWED_BY } from "../world/renewed.ts";
import { shownOf } from "./no-ghosts.ts";
import { mirrorInSync, ownerOf, worldOf } from "./records.ts";
import type { MadeTick, TickChecker } from "./ticks.ts";

export interface UpgradesDependencies {
  readonly violations: Violations;
  readonly worlds: readonly string[];
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
  /** What the deltas of a shard at an epoch tell up to now. */
  followerOf(shard: string, epoch: number): Shard | undefined;
}

/**
 * A mirror goes on with the version that it followed. When another was recorded while nobody ran the world, its node has
 * opened it anew with that after so long, in ms: it may be cut off from the control plane meanwhile.
 */
const MOST_BEHIND_MS = 30_000;

/** What a world's records said when something was committed last. */
interface Before {
  readonly epoch: number;
  readonly edition: Edition;
  /** Who mirrored it in sync. */
  readonly mirror: string | undefined;
}

/** The version that an ownership is for. */
interface Named {
  readonly edition: Edition;
  /** What a mirror that took over ran; undefined: it was opened, or has moved. */
  readonly followed: unknown;
  readonly at: number;
}

/** What the first tick of a switch goes on from. */
interface Owed {
  readonly epoch: number;
  readonly edition: unknown;
}

/**
 * Section 7: another module is tried on a copy before the switch, and after it there is only forward. A version whose
 * trial fails is never recorded; nothing that a version asks for is to be seen before the record names it; every tick is
 * made by the version that the record named when its owner became that, or for a while by the one that a mirror followed; and the first one behind a switch goes on from
 * the last one before, with nothing changed but what `upgrade` does.
 */
export class Upgrades implements TickChecker {
  readonly rule = "an upgrade is tried first, and then there is only forward";
  looked = 0;
  /** By switches; a world that does not run has its record changed, no more. */
  upgraded = 0;
  private readonly deps: UpgradesDependencies;
  private readonly before = new Map<string, Before>();
  /** By shard and epoch. */
  private readonly named = new Map<string, Named>();
  /** The version that made the last tick, by shard. */
  private readonly ran = new Map<string, unknown>();
  /** Ownerships that a switch ended which brought another version, by shard and epoch. */
  private readonly left = new Set<string>();
  /** By shard and epoch. */
  private readonly owed = new Map<string, Owed>();
  /** Worlds and versions that a record has named. */
  private readonly recorded = new Set<string>();

  constructor(dependencies: UpgradesDependencies) {
    this.deps = dependencies;
  }

  /** Something was committed. */
  committed(): void {
    for (const world of this.deps.worlds) this.look(world);
  }

  private look(world: string): void {
    const { item } = this.deps;
    const record = worldOf(item(worldKey(world)));
    const edition = record?.module.source === "node" ? editionOf(record.module.path) : undefined;
    if (edition === undefined) return;
    this.recorded.add(ranKey(world, edition));
    for (const each of EDITIONS) {
      const ran = ranKey(world, each);
      if (!this.recorded.has(ran) && item(ran) !== undefined)
        this.report(`${world} is said to have run "${each}", and was never to run it`);
    }
    const shard = firstShard(world);
    const owner = item(ownerKey(shard));
    const epoch = owner?.modified ?? 0;
    const before = this.before.get(world);
    const mirror = mirrorInSync(owner, item(mirrorKey(shard)))?.mirror.node;
    this.before.set(world, { epoch, edition, mirror });
    if (before?.epoch === epoch && before.edition === edition) return;
    this.looked += 1;
    const ran = this.ran.get(shard);
    if (before !== undefined && before.edition !== edition) {
      if (!mayFollow(ran, edition))
        this.report(`${world}, which ran "${ran}", is to run "${edition}"`);
      // The switch writes both records.
      if (before.epoch !== epoch && item(movedKey(shard))?.modified === epoch) {
        this.upgraded += 1;
        this.left.add(`${shard} ${before.epoch}`);
        this.owed.set(`${shard} ${epoch}`, { epoch: before.epoch, edition: ran });
      }
    }
    const now = ownerOf(owner);
    if (before?.epoch === epoch || now?.state !== "owned") return;
    // A switch that brings a version names it in the same transaction.
    const isMirror = before?.mirror === now.node && before.edition === edition;
    const followed = isMirror ? ran : undefined;
    this.named.set(`${shard} ${epoch}`, { edition, followed, at: this.deps.violations.now() });
  }

  needsState({ options }: Shard): boolean {
    return this.owed.has(`${options.shard} ${options.epoch}`);
  }

  ticked({ shard: made, result, before, another }: MadeTick): void {
    const { shard, epoch } = made.options;
    const key = `${shard} ${epoch}`;
    const where = `tick ${result.tick} of ${shard} at epoch ${epoch}`;
    const named = this.named.get(key);
    const is = made.store.kv.get(EDITION_KEY);
    this.ran.set(shard, is);
    if (named === undefined || !this.isOf(named, is))
      this.report(`${where} is made by "${is}", and "${named?.edition}" is recorded`);
    if (this.left.has(key)) this.report(`${where} comes after the switch to another version`);
    const owed = this.owed.get(key);
    if (owed === undefined || before === undefined || named === undefined) return;
    this.owed.delete(key);
    const last = this.deps.followerOf(shard, owed.epoch);
    if (last === undefined) return;
    this.looked += 1;
    const carried = another();
    const loading = carried.beginLoad();
    loading.take(before);
    loading.finish();
    const isRenewed = named.edition === "renewed" && owed.edition !== "renewed";
    const [was, now] = [textOf(last, isRenewed ? RENEWED_BY : 0), textOf(carried, 0)];
    if (was !== now) this.report(`${where}: it goes on from ${now}, and was ${was}`);
  }

  private isOf({ edition, followed, at }: Named, is: unknown): boolean {
    const isBehind = is === followed && this.deps.violations.now() - at < MOST_BEHIND_MS;
    return is === edition || isBehind;
  }

  private report(detail: string): void {
    this.deps.violations.add(this.rule, detail);
  }
}

/** All of a state that an upgrade leaves as it is, with its entities `by` more than they are. */
function textOf({ store }: Shard, by: number): string {
  return JSON.stringify({
    tick: store.tick,
    keys: [...store.kv.keys()].sort().map((key) => [key, store.kv.get(key)]),
    entities: [...store.entities.all()].map((entity) => [entity.id, shownOf(entity) + by]),
    sessions: [...store.sessions.all()].map(({ id, stream, appliedSeq, outSeq, outbox }) => ({
      ...{ id, stream, appliedSeq, outSeq },
      kept: outbox.map(({ seq }) => seq),
    })),
    requests: [...store.requests.values()].map(({ id }) => id),
  });
}
