export { DatagramConnection } from "./datagram-connection.ts";
export type { DatagramDependencies, DatagramEvents, DatagramOptions } from "./datagram-port.ts";
export { type DatagramStats, newDatagramStats } from "./datagram-stats.ts";
export {
  CONNECTION_ID_BYTES,
  connectionIdOf,
  isReset,
  KEY_BYTES,
  PACKET,
  RESET_TOKEN_BYTES,
} from "./handshake/packets.ts";
export { INITIATE_RESEND_MS, INITIATE_TRIES } from "./handshake/times.ts";
export * from "./limits.ts";
export { type PacketKeys, TAG_BYTES } from "./packet-keys.ts";
export { StreamMemory } from "./stream/stream-memory.ts";
