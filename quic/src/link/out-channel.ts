import { writeOpen, writePiece } from "./frames.ts";
import { CHUNK_BYTES, MAX_CHANNEL_NAME_BYTES, MESSAGE_OVERHEAD_BYTES } from "./link-bounds.ts";

const utf8 = new TextEncoder();
/** Room that a frame's head takes at most, a name aside: type, number, length. */
const HEAD_BYTES = 9;
/** Entries at the front of the queue that may be empty before it is cut. */
const MAX_EMPTY_FRONT = 1024;

/**
 * The sending half of a channel: messages that did not leave yet, and how much the peer has not taken.
 * `number` is given with its first message.
 */
export class OutChannel {
  readonly number: number;
  /** Sent from here and not yet taken at the other end, in cost (docs/links.md, "Credit"). */
  queued = 0;
  private readonly name: Uint8Array;
  private opened = false;
  private messages: (Uint8Array | undefined)[] = [];
  private front = 0;
  /** How much of the first message left. */
  private offset = 0;

  constructor(number: number, name: string) {
    this.number = number;
    this.name = utf8.encode(name);
    if (this.name.length > MAX_CHANNEL_NAME_BYTES) throw new RangeError(`channel name ${name}`);
  }

  get isEmpty(): boolean {
    return this.front === this.messages.length;
  }

  push(message: Uint8Array): void {
    this.messages.push(message);
  }

  /** Bytes the next frame needs at most. */
  get nextFrameBytes(): number {
    const message = this.messages[this.front];
    const body = message === undefined ? 0 : Math.min(CHUNK_BYTES, message.length - this.offset);
    return HEAD_BYTES + body + (this.opened ? 0 : HEAD_BYTES + this.name.length);
  }

  /** Writes the next frame; there has to be one, and room for it. Returns where the next byte goes. */
  writeNext(out: Uint8Array, at: number): number {
    const message = this.messages[this.front];
    if (message === undefined) return at;
    let end = at;
    if (!this.opened) {
      this.opened = true;
      end = writeOpen(out, end, this.number, this.name);
    }
    end = writePiece(out, end, this.number, message, this.offset);
    this.offset += CHUNK_BYTES;
    if (this.offset >= message.length) this.shift();
    return end;
  }

  drop(): void {
    this.messages = [];
    this.front = 0;
    this.offset = 0;
    this.queued = 0;
  }

  private shift(): void {
    this.messages[this.front] = undefined;
    this.front += 1;
    this.offset = 0;
    if (this.front === this.messages.length) {
      this.messages = [];
      this.front = 0;
    } else if (this.front > MAX_EMPTY_FRONT && this.front * 2 > this.messages.length) {
      this.messages = this.messages.slice(this.front);
      this.front = 0;
    }
  }
}

/** What a message counts in queues, on both sides. */
export function messageCost(bytes: number): number {
  return bytes + MESSAGE_OVERHEAD_BYTES;
}
