import { MAX_PACKET_BYTES } from "../limits.ts";

/** A socket that holds a packet back keeps its whole chunk alive, so chunks are small. */
export const CHUNK_BYTES = 64 * 1024;

/**
 * Memory that packets are written into, one behind the other. A chunk is given up when it is full and
 * never written again: a socket may still hold a part of it.
 */
export class PacketArena {
  /** Where the next packet goes: at `used`, with at least MAX_PACKET_BYTES behind it after `reserve`. */
  chunk = new Uint8Array(CHUNK_BYTES);
  used = 0;

  reserve(): void {
    if (this.used + MAX_PACKET_BYTES <= CHUNK_BYTES) return;
    this.chunk = new Uint8Array(CHUNK_BYTES);
    this.used = 0;
  }

  /** The next `bytes` bytes, as a view that is the caller's for good. */
  take(bytes: number): Uint8Array {
    const from = this.used;
    this.used = from + bytes;
    return this.chunk.subarray(from, this.used);
  }

  /** A copy of at most MAX_PACKET_BYTES. */
  copy(bytes: Uint8Array): Uint8Array {
    this.reserve();
    const view = this.take(bytes.length);
    view.set(bytes);
    return view;
  }
}

/**
 * One arena for all connections: a chunk for each would be 64 KiB for every player, most of it empty.
 * A packet is written, sealed and taken in one go, so they do not get in each other's way.
 */
export const sharedArena = new PacketArena();
