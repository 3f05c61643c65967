export { formatAddress, type HostPort, isLoopback } from "./address.ts";
export { DEFAULT_RELAY_LIMITS, type RelayLimits } from "./limits.ts";
export type { LineConditions } from "./line.ts";
export {
  CONDITION_BOUNDS,
  type Conditions,
  ConditionsError,
  PERFECT,
  withConditions,
} from "./model/conditions.ts";
export type { Direction, PathKey } from "./model/draw.ts";
export { type Fate, PacketPath } from "./model/packet-path.ts";
export { StreamPath } from "./model/stream-path.ts";
export { type Relay, type RelayOptions, startRelay } from "./relay.ts";
export type { DirectionStats, FlowStats } from "./stats.ts";
