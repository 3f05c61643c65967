import type { Violations } from "@atlasnet/apiserver/sim";
import { type KeyValue, ownerKey } from "@atlasnet/core";
import type { SimPassage } from "@atlasnet/core/sim";
import type { Shard } from "@atlasnet/gameserver/sim";
import { Knocks } from "./knocks.ts";
import { ownerOf } from "./records.ts";
import type { MadeTick, TickChecker } from "./ticks.ts";

export interface SleepDependencies {
  readonly violations: Violations;
  /** What is committed at this very moment, of all clocks. */
  item(key: string): KeyValue | undefined;
  /** What the deltas of a shard at an epoch tell up to now. */
  followerOf(shard: string, epoch: number): Shard | undefined;
}

/** What it looks at of a tick. */
export interface WokenTick extends Pick<MadeTick, "before" | "another"> {
  readonly shard: { readonly options: Pick<Shard["options"], "shard" | "epoch" | "timeline"> };
  readonly result: Pick<MadeTick["result"], "tick">;
}

/** A shard that sleeps. */
interface Asleep {
  readonly node: string;
  /** Of its state. */
  readonly hash: string | undefined;
  /** Somebody had knocked when it fell asleep and was not answered, or has knocked since. */
  isWanted: boolean;
}

/**
 * A world that sleeps makes no tick before somebody wants it, and goes on with the state that it had. A knock counts
 * from when it is said until it is answered: one that was on its way when the world began to fall asleep, or came
 * while it fell, waits for it, and wakes it at once.
 */
export class Sleep implements TickChecker {
  readonly rule = "a world that slept goes on as it was";
  looked = 0;
  fallen = 0;
  private readonly deps: SleepDependencies;
  private readonly knocks = new Knocks();
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
    const isWanted = this.knocks.isOpen(shard, node);
    this.asleep.set(`${shard} ${owner.modified}`, { node, hash, isWanted });
  }

  sent(passage: SimPassage): void {
    const knock = this.knocks.sent(passage);
    if (knock === undefined) return;
    for (const [key, asleep] of this.asleep)
      if (key.startsWith(`${knock.shard} `) && asleep.node === knock.to) asleep.isWanted = true;
  }

  needsState({ options }: Shard): boolean {
    return this.asleep.has(`${options.shard} ${options.epoch}`);
  }

  ticked({ shard: { options }, result, before, another }: WokenTick): void {
    const { shard, epoch, timeline } = options;
    const key = `${shard} ${epoch}`;
    const slept = this.asleep.get(key);
    if (slept === undefined || before === undefined) return;
    this.asleep.delete(key);
    this.looked += 1;
    const where = `${shard} at epoch ${epoch} on ${slept.node}, tick ${result.tick}`;
    if (!slept.isWanted) this.report(`${where}: it sleeps, and nobody wants it`);
    if (slept.hash === undefined) return;
    const woken = another();
    const loading = woken.beginLoad();
    loading.take(before);
    loading.finish();
    woken.succession.assume({ epoch, timeline });
    if (woken.hash() !== slept.hash)
      this.report(`${where}: it woke with another state than it fell asleep with`);
  }

  private report(detail: string): void {
    this.deps.violations.add(this.rule, detail);
  }
}
