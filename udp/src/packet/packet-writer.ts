import { MAX_PACKET_BYTES } from "../limits.ts";
import { type PacketKeys, TAG_BYTES } from "../packet-keys.ts";
import { type PacketArena, sharedArena } from "./packet-arena.ts";
import { SEALED } from "./packet-header.ts";

/** Bytes of a varint. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes += 1;
  return bytes;
}

/** Writes one packet at a time into an arena. Callers keep to `room`: it is not checked at each byte. */
export class PacketWriter {
  private readonly arena: PacketArena;
  private chunk: Uint8Array;
  private at = 0;
  private sealedFrom = 0;
  private limit = 0;

  constructor(arena: PacketArena) {
    this.arena = arena;
    this.chunk = arena.chunk;
  }

  /** Begins a packet; `connectionId` only towards the server. */
  begin(number: number, connectionId: number | undefined): void {
    this.arena.reserve();
    this.chunk = this.arena.chunk;
    this.at = this.arena.used;
    this.limit = this.at + MAX_PACKET_BYTES - TAG_BYTES;
    this.u8(SEALED);
    if (connectionId !== undefined) {
      const high = Math.floor(connectionId / 0x1_0000_0000);
      const low = connectionId % 0x1_0000_0000;
      this.u8(high >>> 8);
      this.u8(high & 0xff);
      this.u8(low >>> 24);
      this.u8((low >>> 16) & 0xff);
      this.u8((low >>> 8) & 0xff);
      this.u8(low & 0xff);
    }
    this.varint(number);
    this.sealedFrom = this.at;
  }

  /** Bytes that still fit. */
  get room(): number {
    return this.limit - this.at;
  }

  get empty(): boolean {
    return this.at === this.sealedFrom;
  }

  u8(value: number): void {
    this.chunk[this.at++] = value;
  }

  varint(value: number): void {
    const chunk = this.chunk;
    let rest = value;
    while (rest >= 0x80) {
      chunk[this.at++] = (rest % 0x80) | 0x80;
      rest = Math.floor(rest / 0x80);
    }
    chunk[this.at++] = rest;
  }

  raw(bytes: Uint8Array): void {
    this.chunk.set(bytes, this.at);
    this.at += bytes.length;
  }

  /** The sealed packet: a view that does not change any more. */
  end(number: number, keys: PacketKeys): Uint8Array {
    const start = this.arena.used;
    const length = this.at - start;
    const packet = this.arena.take(length + TAG_BYTES);
    const sealed = keys.seal(number, packet, this.sealedFrom - start, length);
    return sealed === packet.length ? packet : packet.subarray(0, sealed);
  }
}

/** For all connections, as the arena is. */
export const sharedWriter = new PacketWriter(sharedArena);
