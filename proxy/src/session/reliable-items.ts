import { writeAck, writeResync, writeServerMessage } from "@atlasnet/core";
import { ByteWriter } from "@atlasnet/world";
import { type Framing, frameHeadBytes, writeFrameHead } from "./framing.ts";

/**
 * The messages, ack and resync of one client and tick, encoded one behind the other. One of these
 * serves all clients, so that an item costs no memory of its own: in a world that talks much, buffers
 * of single items are a quarter of all that the proxy does.
 */
export class ReliableItems {
  private readonly writer = new ByteWriter(4096);
  private readonly ends: number[] = [];

  get isEmpty(): boolean {
    return this.ends.length === 0;
  }

  reset(): void {
    this.writer.reset();
    this.ends.length = 0;
  }

  message(seq: number, index: number, payload: Uint8Array): void {
    writeServerMessage(this.writer, seq, index, payload);
    this.ends.push(this.writer.length);
  }

  ack(seq: number, tick: number): void {
    writeAck(this.writer, seq, tick);
    this.ends.push(this.writer.length);
  }

  resync(appliedSeq: number): void {
    writeResync(this.writer, appliedSeq);
    this.ends.push(this.writer.length);
  }

  /** Bytes of all items with a frame around each. */
  framedBytes(framing: Framing): number {
    let bytes = this.writer.length;
    let start = 0;
    for (const end of this.ends) {
      bytes += frameHeadBytes(framing, end - start);
      start = end;
    }
    return bytes;
  }

  /** Writes the framed items and returns where they end. */
  write(target: Uint8Array, to: number, framing: Framing): number {
    const items = this.writer.view8();
    let at = to;
    let start = 0;
    for (const end of this.ends) {
      at = writeFrameHead(target, at, framing, end - start);
      target.set(start === 0 && end === items.length ? items : items.subarray(start, end), at);
      at += end - start;
      start = end;
    }
    return at;
  }
}
