export { ModuleContext } from "./module/context.ts";
export { ModuleError, TypeScriptModule } from "./module/typescript-module.ts";
export { type Fault, Shard, type ShardOptions, type TickResult } from "./shard/shard.ts";
export type { WorldEvent, WorldModule } from "./shard/world-module.ts";
