export { type DataDirLock, lockDataDir } from "@atlasnet/core/node";
export { resolveModule } from "./host/load-module.ts";
export type { Durability, ShardStats, ThreadSettings } from "./host/protocol.ts";
export { ModuleContext } from "./module/context.ts";
export { ModuleError, TypeScriptModule } from "./module/typescript-module.ts";
export {
  type MulticastDependencies,
  type MulticastOptions,
  MulticastPublisher,
} from "./multicast/multicast-publisher.ts";
export type { MulticastStats } from "./multicast/multicast-stats.ts";
export {
  createGameserverProcess,
  type GameserverProcess,
  type GameserverProcessDependencies,
} from "./process.ts";
export type { WorldFault } from "./server/fault-reports.ts";
export {
  DEFAULT_OUTBOX_BYTES,
  Gameserver,
  type GameserverDependencies,
  type GameserverOptions,
} from "./server/gameserver.ts";
export type { HostedWorld, WorldRequest } from "./server/hosted-world.ts";
export type { Service } from "./server/services.ts";
export {
  createGameserverService,
  type GameserverService,
  type GameserverServiceDependencies,
  type GameserverServiceOptions,
  holdDataDir,
} from "./service.ts";
export { type Fault, Shard, type ShardOptions, type TickResult } from "./shard/shard.ts";
export type { WorldEvent, WorldModule } from "./shard/world-module.ts";
