import type { Violations } from "@atlasnet/apiserver/sim";
import { type KeyValue, ownerKey } from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import type { Shard } from "@atlasnet/gameserver/sim";
import { ownerOf } from "./records.ts";
import type { MadeTick, TickChecker } from "./ticks.ts";

export interface SleepDependencies {
  readonly violations: Violations;
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
  /** What the deltas of a shard at an epoch tell up to now. */
  followerOf(shard: string, epoch: number): Shard | undefined;
}

/** A shard that sleeps. */
interface Asleep {
  readonly node: string;
  /** Of its state. */
  readonly hash: string | undefined;
  /** Somebody has knocked since. */
  isWanted: boolean;
}

/** What is said to a gameserver so that a world of it wakes. */
const KNOCKS: ReadonlySet<string> = new Set(["attach", "replica-open"]);

/** A world that sleeps makes no tick before somebody wants it, and goes on with the state that it had. */
export class Sleep implements TickChecker {
  readonly rule = "a world that slept goes on as it was";
  looked = 0;
  fallen = 0;
  private readonly deps: SleepDependencies;
  /** By shard and epoch. */
  private readonly asleep = new Map<string, Asleep>();

  constructor(dependencies: SleepDependencies) {
    this.deps = dependencies;
  }

  /** Its gameserver has no more of it in memory. */
  fellAsleep(shard: string, node: string): void {
    const { item, followerOf } = this.deps;
    const owner = item(ownerKey(shard));
    if (owner === undefined || ownerOf(owner)?.node !== node) return;
    this.fallen += 1;
    const hash = followerOf(shard, owner.modified)?.hash();
    this.asleep.set(`${shard} ${owner.modified}`, { node, hash, isWanted: false });
  }

  sent({ to, message }: SimPassage): void {
    if (!KNOCKS.has(message.type) || !("shard" in message)) return;
    for (const [key, asleep] of this.asleep)
      if (key.startsWith(`${message.shard} `) && asleep.node === to) asleep.isWanted = true;
  }

  needsState({ options }: Shard): boolean {
    return this.asleep.has(`${options.shard} ${options.epoch}`);
  }

  ticked({ shard: { options }, result, before, another }: MadeTick): void {
    const { shard, epoch, timeline } = options;
    const key = `${shard} ${epoch}`;
    const slept = this.asleep.get(key);
    if (slept === undefined || before === undefined) return;
    this.asleep.delete(key);
    this.looked += 1;
    const where = `${shard} at epoch ${epoch} on ${slept.node}, tick ${result.tick}`;
    if (!slept.isWanted) this.report(`${where}: it sleeps, and nobody wants it`);
    const woken = another();
    const loading = woken.beginLoad();
    loading.take(before);
    loading.finish();
    woken.assume({ epoch, timeline });
    if (slept.hash !== undefined && woken.hash() !== slept.hash)
      this.report(`${where}: it woke with another state than it fell asleep with`);
  }

  private report(detail: string): void {
    this.deps.violations.add(this.rule, detail);
  }
}
