import type { Violations } from "@atlasnet/apiserver/sim";
import type { Shard } from "@atlasnet/gameserver/sim";
import type { MadeTick, TickChecker } from "./ticks.ts";

/** One tick in so many is made a second time. */
const EVERY_TICKS = 11;

/**
 * Rule 3.1: a shard's state is exactly what its store holds. A shard that was made of nothing but the store's snapshot
 * makes the next tick as the one does that has been there all the time. Only ticks without anything from outside are
 * made again: who is attached is no part of the state.
 */
export class StoreIsAll implements TickChecker {
  readonly rule = "3.1 the state is the store";
  looked = 0;
  private readonly violations: Violations;

  constructor({ violations }: { readonly violations: Violations }) {
    this.violations = violations;
  }

  needsState(shard: Shard): boolean {
    return (shard.store.tick + 1) % EVERY_TICKS === 0 && shard.store.tick > 0;
  }

  ticked({ shard, result, before, another }: MadeTick): void {
    if (before === undefined || result.handled > 0) return;
    this.looked += 1;
    const { shard: name, epoch, timeline } = shard.options;
    const made = another();
    const loading = made.beginLoad();
    loading.take(before);
    loading.finish();
    made.succession.assume({ epoch, timeline });
    made.tick(result.tick);
    if (made.hash() !== shard.hash())
      this.violations.add(
        this.rule,
        `${name} at epoch ${epoch}: tick ${result.tick} comes out otherwise for a shard made of the store's snapshot`,
      );
  }
}
