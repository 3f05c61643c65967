import type { Shard, TickResult } from "../shard/shard.ts";

/** Sees every tick of the shards that run on a thread: for simulations, whose checkers look at states. */
export interface TickWatch {
  /** To call `run` once, and to return what it does. `another` makes an empty shard of the same module. */
  tick(shard: Shard, run: () => TickResult, another: () => Shard): TickResult;
}
