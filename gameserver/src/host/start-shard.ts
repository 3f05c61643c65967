import { OperatingError } from "@atlasnet/core";
import type { ShardStorage } from "../durability/shard-storage.ts";
import type { Shard } from "../shard/shard.ts";
import { carryOver } from "./carry-over.ts";
import { type LoadedModule, loadModule, newShard, openStorage } from "./open-shard.ts";
import type { ThreadSettings, WorldSettings } from "./protocol.ts";
import { ShardPosts } from "./shard-posts.ts";
import type { RunnerDependencies } from "./shard-runner.ts";

/** A shard that is ready to tick, with its module and its files; without files when nothing of it is kept. */
export interface StartedShard {
  loaded: LoadedModule;
  shard: Shard;
  storage: ShardStorage | undefined;
}

/**
 * Loads a world's module and its newest state, or makes its first tick. Afterwards `settings` are those of a world
 * that was opened: a swap does not start it empty again. @throws an error that says what to do.
 */
export async function startShard(
  settings: WorldSettings,
  thread: ThreadSettings,
  dependencies: RunnerDependencies,
): Promise<StartedShard> {
  const loaded = await loadModule(settings);
  const { storage, recovery } = await openStorage(settings, thread, dependencies);
  const shard = newShard(settings, loaded, dependencies);
  const snapshot = recovery?.snapshot;
  let same = false;
  if (snapshot === undefined) firstTick(settings, shard, dependencies);
  else {
    const deltas = recovery?.deltas.map((delta) => delta.bytes) ?? [];
    const { guard } = dependencies;
    same = carryOver({ snapshot, deltas }, shard, loaded.module, settings.world, guard);
  }
  // Only now: a module that does not fit must not make the next start look like one after a crash.
  shard.assume(await nextRun(storage, settings));
  if (same) storage?.continueRecovered();
  settings.fresh = false;
  settings.othersGivenUp = undefined;
  settings.recorded = undefined;
  settings.fetched = undefined;
  return { loaded, shard, storage };
}

/** Epoch and timeline to act under; above all before them. */
export async function nextRun(
  storage: ShardStorage | undefined,
  { ownership, lastEpoch }: WorldSettings,
): Promise<{ epoch: number; timeline: number }> {
  if (storage !== undefined) return storage.nextEpoch(ownership);
  // What keeps nothing has a new history whenever it begins.
  const epoch = ownership?.epoch ?? lastEpoch + 1;
  return { epoch, timeline: epoch };
}

/**
 * Makes the tick that creates the world, before anybody can come in or the process can end: a
 * world is never kept half-made. @throws OperatingError with what `create` threw
 */
function firstTick(settings: WorldSettings, shard: Shard, dependencies: RunnerDependencies): void {
  shard.create();
  const result = shard.tick();
  new ShardPosts(settings, dependencies).tell(result);
  const fault = result.faults.find(({ event }) => event === "create");
  if (fault === undefined) return;
  throw new OperatingError(
    "create-failed",
    `world ${settings.world} cannot be made, create: ${fault.message}\n${fault.stack}`,
    { hint: "Repair the module's create handler; nothing was kept." },
  );
}
