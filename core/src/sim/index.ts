export {
  NodeSession,
  type NodeSessionDependencies,
  type NodeSessionOptions,
} from "../control/member/node-session.ts";
export { SeededRandom } from "./seeded-random.ts";
export { SimClock } from "./sim-clock.ts";
export { SimDisk, type SimDiskFaults } from "./sim-disk.ts";
export {
  SimNetwork,
  type SimNetworkDependencies,
  type SimNetworkOptions,
  type SimPassage,
} from "./sim-link.ts";
