/** Consul: discovery of processes, and a log in its key-value store. */
export { ConsulAgent, type ConsulAgentOptions } from "./agent/consul-agent.ts";
export { ConsulError, type ConsulErrorCode } from "./consul-error.ts";
export type { CheckpointOptions } from "./log/checkpoints.ts";
export {
  ConsulLog,
  type ConsulLogDependencies,
  type ConsulLogOptions,
  type LogFigures,
} from "./log/consul-log.ts";
export type { LogEntry } from "./log/entry.ts";
export type { LogMachine } from "./log/replica.ts";
