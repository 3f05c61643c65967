/** Parts of a gameserver, for simulations of whole clusters to put together over simulated ports. */

export { kvServices } from "../cluster/kv-services.ts";
export { LoadMeter } from "../cluster/node-load.ts";
export { WorldHost } from "../cluster/world-host.ts";
export { WorldModules } from "../cluster/world-modules.ts";
export { loadWorld } from "../host/load-module.ts";
export type { FromThread, ThreadSettings, ToThread } from "../host/protocol.ts";
export type { StartWorker, WorldWorker } from "../host/thread-pool.ts";
export type { TickWatch } from "../host/tick-watch.ts";
export {
  REPORT_INTERVAL_MS,
  WorldThread,
  type WorldThreadSurroundings,
} from "../host/world-thread.ts";
export { MigrationHost } from "../migration/migration-host.ts";
export type { Shard, TickResult } from "../shard/shard.ts";
export type { StateFollower } from "../shard/state-follower.ts";
export { SNAPSHOTS, type StoreOfShard } from "../snapshots/snapshot-store.ts";
export { WorldSnapshots } from "../snapshots/world-snapshots.ts";
