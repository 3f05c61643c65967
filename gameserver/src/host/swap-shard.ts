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
  running: RunningShard,
  loaded: LoadedModule,
  settings: WorldSettings,
  thread: ThreadSettings,
  dependencies: RunnerDependencies,
): Promise<StartedShard> {
  const { shard: old, keeper } = running;
  const shard = withModule(running, loaded, settings, dependencies);
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

/** A new shard that has the state of the one that runs. @throws an error that says what of it does not fit the module */
export function withModule(
  { shard: old, loaded: { definition } }: Omit<RunningShard, "keeper">,
  loaded: LoadedModule,
  settings: WorldSettings,
  dependencies: RunnerDependencies,
): Shard {
  const snapshot = { header: { schema: definition.data }, state: old.snapshot() };
  const shard = newShard(settings, loaded, dependencies);
  const { guard } = dependencies;
  carryOver({ snapshot, deltas: [] }, shard, loaded.module, settings.world, guard);
  return shard;
}
