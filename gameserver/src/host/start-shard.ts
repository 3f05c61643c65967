import { crc32 } from "node:zlib";
import { OperatingError } from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { ShardStorage } from "../durability/shard-storage.ts";
import type { Shard } from "../shard/shard.ts";
import type { WakingState } from "../sleep/slept-state.ts";
import { carryOver } from "./carry-over.ts";
import { faultInOneLine } from "./in-one-line.ts";
import {
  type LoadedModule,
  loadModule,
  newShard,
  openStorage,
  type StateToBegin,
} from "./open-shard.ts";
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
  const { waking, ownership } = settings;
  if (waking !== undefined && !isState(waking, recovery)) throw notAsItSlept(settings);
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
  const run = await nextRun(storage, {
    ...settings,
    ownership: waking && ownership ? itself(ownership) : ownership,
  });
  if (waking !== undefined && run.timeline !== waking.timeline) throw notAsItSlept(settings);
  // What is recorded, both branches have.
  const isAlone = ownership === undefined || settings.recorded !== undefined;
  shard.succession.assume({
    ...run,
    parted: !isAlone && storage?.mayHaveParted(ownership) === true,
  });
  if (same) storage?.continueRecovered();
  settings.fresh = false;
  settings.othersGivenUp = undefined;
  settings.recorded = undefined;
  settings.fetched = undefined;
  settings.waking = undefined;
  return { loaded, shard, storage };
}

function isState({ fileEpoch, tick, crc }: WakingState, found: StateToBegin | undefined): boolean {
  const { snapshot, deltas } = found ?? { snapshot: undefined, deltas: [] };
  if (snapshot === undefined || deltas.length > 0) return false;
  const { header, state } = snapshot;
  return header.epoch === fileEpoch && header.tick === tick && crc32(state) === crc;
}

function notAsItSlept({ world }: WorldSettings): OperatingError {
  return new OperatingError(
    "not-as-it-slept",
    `the files of world ${world} do not hold the state in which it fell asleep`,
    { hint: "It is opened from what they hold. Let nobody else write to the data directory." },
  );
}

/** A shard that wakes goes on in the ownership in which it fell asleep. */
function itself({ epoch, world, turn }: Ownership): Ownership {
  return { epoch, world, turn, lastTurn: turn };
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
    `world ${settings.world} cannot be made, ${faultInOneLine(fault)}`,
    {
      hint:
        fault.kind === "time-limit"
          ? "Have the module's create handler do less, or raise gameserver.tickLimitMs; nothing was kept."
          : "Repair the module's create handler; nothing was kept.",
    },
  );
}
