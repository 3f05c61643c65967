// For tests against a real Consul agent.
export {
  type DevAgent,
  NO_CONSUL,
  type ServerAgent,
  startDevAgent,
  startServerAgent,
} from "./dev-agent.ts";
