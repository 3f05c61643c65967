import { MAX_WAITING_UPDATES } from "../limits.ts";
import { FRAME_STATE } from "../packet/frames.ts";
import { sharedArena } from "../packet/packet-arena.ts";
import { type PacketWriter, varintBytes } from "../packet/packet-writer.ts";

interface Waiting<Sent> {
  readonly generation: number;
  readonly packed: Uint8Array;
  readonly sent: Sent;
}

/** Updates between `sendUpdates` and the flush that sends or drops them. */
export class UpdatesQueue<Sent> {
  private readonly waiting: Waiting<Sent>[] = [];
  /** What there was no room for. */
  private refused: Sent[] = [];

  get empty(): boolean {
    return this.waiting.length === 0;
  }

  push(generation: number, packed: Uint8Array, sent: Sent): void {
    if (this.waiting.length === MAX_WAITING_UPDATES) this.refused.push(sent);
    else this.waiting.push({ generation, packed: sharedArena.copy(packed), sent });
  }

  /** Writes as many state frames as fit, and returns whose; undefined for none. */
  write(writer: PacketWriter): Sent[] | undefined {
    let written: Sent[] | undefined;
    let count = 0;
    for (const { generation, packed, sent } of this.waiting) {
      const { length } = packed;
      if (1 + varintBytes(generation) + varintBytes(length) + length > writer.room) break;
      writer.u8(FRAME_STATE);
      writer.varint(generation);
      writer.varint(length);
      writer.raw(packed);
      if (written === undefined) written = [sent];
      else written.push(sent);
      count += 1;
    }
    if (count === this.waiting.length) this.waiting.length = 0;
    else this.waiting.splice(0, count);
    return written;
  }

  /** Takes out what could not be sent; undefined for nothing. */
  takeUnsent(): Sent[] | undefined {
    if (this.waiting.length === 0 && this.refused.length === 0) return undefined;
    const unsent = [...this.waiting.map(({ sent }) => sent), ...this.refused];
    this.waiting.length = 0;
    this.refused = [];
    return unsent;
  }
}
