// For tests against a real Consul agent.
export { type DevAgent, NO_CONSUL, startDevAgent } from "./dev-agent.ts";
