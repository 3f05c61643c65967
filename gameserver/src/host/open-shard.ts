import { OperatingError } from "@atlasnet/core";
import { type CompiledDefinition, compileDefinition } from "@atlasnet/world";
import type { Recovery } from "../durability/recover-shard.ts";
import { ReplicaFile } from "../durability/replica-file.ts";
import { openShardStorage, type ShardStorage } from "../durability/shard-storage.ts";
import type { Snapshot } from "../durability/snapshot-file.ts";
import { TypeScriptModule } from "../module/typescript-module.ts";
import { Shard } from "../shard/shard.ts";
import type { Store } from "../shard/store.ts";
import { type LocalState, localCounts, type RecordedState } from "../snapshots/snapshot-choice.ts";
import { loadWorld } from "./load-module.ts";
import type { ThreadSettings, WorldSettings } from "./protocol.ts";
import type { RunnerDependencies } from "./shard-runner.ts";

/** The parts a running shard is put together from: module, shard and storage. */

export interface LoadedModule {
  module: TypeScriptModule;
  definition: CompiledDefinition;
}

/** @throws an error that says what is wrong with the module */
export async function loadModule(settings: WorldSettings): Promise<LoadedModule> {
  const world = await loadWorld(settings.file, settings.generation);
  const module = new TypeScriptModule(world, settings.config);
  return { module, definition: definitionOf(module) };
}

const compiled = new WeakMap<object, CompiledDefinition>();

/** Worlds of one module share what is made of its definition. */
function definitionOf(module: TypeScriptModule): CompiledDefinition {
  let definition = compiled.get(module.definition);
  if (definition === undefined) {
    definition = compileDefinition(module.definition);
    compiled.set(module.definition, definition);
  }
  return definition;
}

/**
 * An empty shard; epoch and timeline are not known before the state is, see `Succession.assume`. With a `store`, one that
 * is to follow on from the shard whose that is.
 */
export function newShard(
  settings: WorldSettings,
  { module, definition }: LoadedModule,
  { guard }: Pick<RunnerDependencies, "guard">,
  store?: Store,
): Shard {
  return new Shard(
    {
      shard: settings.shard,
      epoch: 0,
      timeline: 0,
      seed: settings.seed,
      graceTicks: Math.round(settings.graceSeconds * definition.data.tickRate),
      maxSessions: settings.maxSessions,
      outboxMessages: settings.outboxMessages,
      outboxBytes: settings.outboxBytes,
    },
    { module, definition, guard, store },
  );
}

export type StateToBegin = Pick<Recovery, "snapshot" | "deltas">;

/** The files of a world that is kept; undefined for one that is not. */
export function storageOf(
  settings: WorldSettings,
  thread: ThreadSettings,
  { disk, clock, logger }: StorageDependencies,
): { storage: ShardStorage; replicas: ReplicaFile } | undefined {
  const { world, shard, durability } = settings;
  if (thread.dataDir === undefined || durability === "none") return undefined;
  const place = { dir: thread.dataDir, world, shard };
  const { keepSnapshots, journalSyncMs } = thread;
  // A mirrored world's disk is kept as that of any other: owner and mirror may both be lost.
  const journal = durability === "journal" || durability === "mirror";
  const options = { ...place, keepSnapshots, journal, journalSyncMs };
  return {
    storage: openShardStorage(options, { disk, clock, logger }),
    replicas: new ReplicaFile(place, { disk, logger }),
  };
}

type StorageDependencies = Pick<RunnerDependencies, "disk" | "clock" | "logger">;

/**
 * Opens a world's files and finds its newest state; nothing for a world that is not kept.
 * @throws OperatingError when there is a state and none of it is readable; "state-elsewhere" when that of
 * another node counts, which has not been fetched; "state-disputed" when that of this node counts, and what others may
 * have done since is not given up yet
 */
export async function openStorage(
  settings: WorldSettings,
  thread: ThreadSettings,
  dependencies: StorageDependencies,
): Promise<{ storage: ShardStorage | undefined; recovery: StateToBegin | undefined }> {
  const opened = storageOf(settings, thread, dependencies);
  if (opened === undefined) return { storage: undefined, recovery: undefined };
  const { storage, replicas } = opened;
  const { logger } = dependencies;
  const recovery = await storage.recover();
  const { ownership } = settings;
  const isOther = ownership !== undefined && !storage.isOf(ownership);
  if (isOther)
    logger.warn(
      "The files are of an earlier world of this name and are put aside; this one starts empty.",
      { world: settings.world, shard: settings.shard, dir: storage.dir },
    );
  const { recorded, fetched, fresh } = settings;
  if (fetched === undefined) await storage.forgetFetched();
  else if (!fresh) {
    const snapshot = await storage.take(fetched.exact);
    return { storage, recovery: { snapshot, deltas: [] } };
  }
  const local = isOther ? undefined : { owner: storage.lastOwner, ...recovery };
  const replica =
    ownership === undefined || fresh ? undefined : await replicas.read(ownership.world);
  if (replica !== undefined && replicaCounts(replica, local, recorded)) {
    checkDispute(settings, false);
    const { timeline, tick } = replica.header;
    const { world, shard } = settings;
    logger.warn("The copy of the world that came from another node is its newest state here.", {
      ...{ world, shard, tick },
    });
    await storage.takeOver({ timeline, exact: false });
    return { storage, recovery: { snapshot: replica, deltas: [] } };
  }
  await replicas.remove();
  if (recorded !== undefined && !fresh) {
    if (!localCounts(local, recorded))
      throw new OperatingError(
        "state-elsewhere",
        `the newest state of world ${settings.world} is in the snapshot store`,
      );
    checkDispute(settings, ownership !== undefined && storage.goesOn(ownership));
  }
  if (fresh || isOther) {
    await storage.discard();
    return { storage, recovery: undefined };
  }
  if (recovery.lost)
    throw new OperatingError(
      "state-lost",
      `world ${settings.world}: no snapshot of it is readable (${recovery.damaged.map((d) => d.file).join(", ")})`,
      { hint: "Put a good copy of the data directory back, or start it empty with --fresh." },
    );
  return { storage, recovery };
}

/**
 * This shard begins a branch: somebody else may have gone on from the recorded snapshot, or hold a copy of a move or as
 * a mirror with what the files here have lost. Players were told of that. It must be over before anything is told of
 * this branch, or its node would take it up again after this one. `goesOn`: it is no branch, nothing was lost.
 */
function checkDispute(
  { world, ownership, recorded, othersGivenUp }: WorldSettings,
  goesOn: boolean,
): void {
  if (recorded === undefined || ownership === undefined) return;
  if (goesOn || othersGivenUp === true) return;
  throw new OperatingError(
    "state-disputed",
    `others may have newer states of world ${world} than the one here`,
  );
}

/**
 * Whether the copy of a state that this node was to take over is newer than all else: the process ended after the
 * switch, before it had written anything of its own.
 */
function replicaCounts(
  { header: { epoch, tick } }: Snapshot,
  local: LocalState | undefined,
  recorded: RecordedState | undefined,
): boolean {
  const position = { epoch, tick };
  if (local?.tip !== undefined && local.owner !== undefined && local.owner.epoch > epoch)
    return false;
  if (recorded === undefined) return true;
  const owner = { epoch, world: 0, turn: 0 };
  return localCounts({ owner, tip: position, damaged: [] }, recorded);
}
