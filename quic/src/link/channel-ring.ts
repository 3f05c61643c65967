import { CHUNK_BYTES } from "./link-bounds.ts";
import type { OutChannel } from "./out-channel.ts";

/** What a stream's writer asks for bytes. */
export interface ByteSource {
  readonly isEmpty: boolean;
  /** Writes whole frames into `out`; returns where they end. Nothing when it has to wait. */
  fill(out: Uint8Array): number;
}

/**
 * The channels of one stream that have something to send. Each in its turn gets about a chunk, so that
 * nobody waits for the end of a large message.
 */
export class ChannelRing implements ByteSource {
  private readonly waiting = new Set<OutChannel>();

  get isEmpty(): boolean {
    return this.waiting.size === 0;
  }

  /** The channel has something to send. */
  add(channel: OutChannel): void {
    this.waiting.add(channel);
  }

  fill(out: Uint8Array, room: number = out.length): number {
    let at = 0;
    for (const channel of this.waiting) {
      const until = Math.min(room, at + CHUNK_BYTES);
      let wrote = false;
      while (!channel.isEmpty) {
        const need = channel.nextFrameBytes;
        if (at + need > room || (wrote && at + need > until)) break;
        at = channel.writeNext(out, at);
        wrote = true;
      }
      if (!wrote && !channel.isEmpty) return at;
      // Behind all others, who come first now.
      this.waiting.delete(channel);
      if (!channel.isEmpty) this.waiting.add(channel);
    }
    return at;
  }

  clear(): void {
    this.waiting.clear();
  }
}
