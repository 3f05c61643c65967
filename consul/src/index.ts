/** Consul: discovery of processes, and a log in its key-value store. */
export { ConsulAgent, type ConsulAgentOptions } from "./agent/consul-agent.ts";
export { ConsulError, type ConsulErrorCode } from "./consul-error.ts";
export { ConsulDiscovery, type ConsulDiscoveryOptions } from "./discovery/consul-discovery.ts";
export {
  type FirstApiserversOptions,
  findApiUrls,
  findFirstApiservers,
  type WaitDependencies,
} from "./discovery/find-apiservers.ts";
export {
  type OpenDiscoveryDependencies,
  openConsulAgent,
  openDiscovery,
} from "./discovery/open-discovery.ts";
export { discoverApiservers, discoverCluster } from "./discovery/take-part.ts";
export type { CheckpointOptions } from "./log/checkpoints.ts";
export {
  ConsulLog,
  type ConsulLogDependencies,
  type ConsulLogOptions,
  type LogFigures,
} from "./log/consul-log.ts";
export type { LogEntry } from "./log/entry.ts";
export type { LogMachine } from "./log/replica.ts";
