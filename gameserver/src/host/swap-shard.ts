import type { Shard } from "../shard/shard.ts";
import { carryOver } from "./carry-over.ts";
import { type LoadedModule, newShard, openStorage } from "./open-shard.ts";
import type { ThreadSettings, WorldSettings } from "./protocol.ts";
import type { ShardKeeper } from "./shard-keeper.ts";
import type { RunnerDependencies } from "./shard-runner.ts";
import { nextRun, type StartedShard } from "./start-shard.ts";

/** A shard that runs, and stands still while it is swapped. */
export interface RunningShard {
  readonly shard: Shard;
  readonly loaded: LoadedModule;
  readonly keeper: Pick<ShardKeeper, "ready" | "kept" | "release">;
}

/**
 * A shard with the state of the one that runs, and the changed module that `loaded` is; `settings` are the new ones. The
 * run on the disk ends in order, and the next one begins with its higher epoch. The old shard goes on when this fails.
 * @throws an error that says what does not fit
 */
export async function swapShard(
  { shard: old, loaded: { definition }, keeper }: RunningShard,
  loaded: LoadedModule,
  settings: WorldSettings,
  thread: ThreadSettings,
  dependencies: RunnerDependencies,
): Promise<StartedShard> {
  const state = { header: { schema: definition.data }, state: old.snapshot() };
  const { guard } = dependencies;
  const shard = newShard(settings, loaded, dependencies);
  carryOver({ snapshot: state, deltas: [] }, shard, loaded.module, settings.world, guard);
  await keeper.ready();
  const { epoch: before, timeline } = old.options;
  if (keeper.kept === undefined) {
    shard.succession.assume({ epoch: settings.ownership?.epoch ?? before + 1, timeline });
    return { loaded, shard, storage: undefined };
  }
  await keeper.release();
  const { storage } = await openStorage(settings, thread, dependencies);
  const { epoch } = await nextRun(storage, settings);
  shard.succession.assume({ epoch, timeline });
  return { loaded, shard, storage };
}
