export * from "./limits.ts";
export { type PacketKeys, TAG_BYTES } from "./packet-keys.ts";
