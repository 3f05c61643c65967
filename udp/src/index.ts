export { DatagramConnection } from "./datagram-connection.ts";
export type { DatagramDependencies, DatagramEvents, DatagramOptions } from "./datagram-port.ts";
export type { DatagramStats } from "./datagram-stats.ts";
export * from "./limits.ts";
export { type PacketKeys, TAG_BYTES } from "./packet-keys.ts";
