import { type PacketKeys, TAG_BYTES } from "../packet-keys.ts";

/** Keys that seal nothing: for tests of what is inside. */
export const openKeys = {
  seal: (_number: number, _packet: Uint8Array, _start: number, end: number) => end + TAG_BYTES,
  open: (_number: number, packet: Uint8Array, start: number) =>
    packet.subarray(start, packet.length - TAG_BYTES),
} satisfies PacketKeys;
