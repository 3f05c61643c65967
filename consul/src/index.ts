/** Consul: discovery of processes, and a log in its key-value store. */
export { ConsulAgent, type ConsulAgentOptions } from "./agent/consul-agent.ts";
export { ConsulError, type ConsulErrorCode } from "./consul-error.ts";
