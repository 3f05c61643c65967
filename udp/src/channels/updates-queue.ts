import { MAX_WAITING_UPDATES } from "../limits.ts";
import { FRAME_STATE } from "../packet/frames.ts";
import { sharedArena } from "../packet/packet-arena.ts";
import { type PacketWriter, varintBytes } from "../packet/packet-writer.ts";

interface Waiting<Sent> {
  readonly generation: number;
  readonly packed: Uint8Array;
  readonly sent: Sent;
}

/** Updates between `sendUpdates` and the flush that sends them, or gives them back. */
export class UpdatesQueue<Sent> {
  /** From `head` to `tail`; the array is not shrunk, as most flushes empty it. */
  private readonly waiting: (Waiting<Sent> | undefined)[] = [];
  private head = 0;
  private tail = 0;
  /** What there was no room for. */
  private refused: Sent[] | undefined;

  get empty(): boolean {
    return this.tail === 0;
  }

  push(generation: number, packed: Uint8Array, sent: Sent): void {
    if (this.tail < MAX_WAITING_UPDATES)
      this.waiting[this.tail++] = { generation, packed: sharedArena.copy(packed), sent };
    else if (this.refused === undefined) this.refused = [sent];
    else this.refused.push(sent);
  }

  /** Writes as many state frames as fit, and returns whose; undefined for none. */
  write(writer: PacketWriter): Sent[] | undefined {
    let written: Sent[] | undefined;
    while (this.head < this.tail) {
      const next = this.waiting[this.head];
      if (next === undefined) break;
      const { generation, packed, sent } = next;
      const { length } = packed;
      if (1 + varintBytes(generation) + varintBytes(length) + length > writer.room) return written;
      writer.u8(FRAME_STATE);
      writer.varint(generation);
      writer.varint(length);
      writer.raw(packed);
      if (written === undefined) written = [sent];
      else written.push(sent);
      this.waiting[this.head++] = undefined;
    }
    this.head = 0;
    this.tail = 0;
    return written;
  }

  /** Takes out what could not be sent; undefined for nothing. */
  takeUnsent(): Sent[] | undefined {
    if (this.tail === 0 && this.refused === undefined) return undefined;
    const unsent: Sent[] = [];
    for (; this.head < this.tail; this.head++) {
      const next = this.waiting[this.head];
      if (next !== undefined) unsent.push(next.sent);
      this.waiting[this.head] = undefined;
    }
    if (this.refused !== undefined) unsent.push(...this.refused);
    this.head = 0;
    this.tail = 0;
    this.refused = undefined;
    return unsent;
  }
}
