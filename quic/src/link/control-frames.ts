import { type LinkClosed, MAX_LINK_MESSAGE_BYTES } from "@atlasnet/core";
import { MAX_GREETING_BYTES } from "./link-bounds.ts";
import { MAX_VARINT, readVarint, varintBytes, writeVarint } from "./varint.ts";

/**
 * Frames of the control stream, of which each side opens one, first of all its streams.
 *
 * | type | frame | then |
 * |---|---|---|
 * | 1 | hello | bytes of it (1 to 1,024), CBOR: greeting.ts |
 * | 2 | welcome | bytes of it (1 to 1,024), CBOR: greeting.ts |
 * | 3 | taken | the peer's number of a channel, cost that handlers took since the last such frame |
 */
export const ControlFrame = { hello: 1, welcome: 2, taken: 3 } as const;

/** Longest `taken` frame. */
export const MAX_TAKEN_BYTES = 9;

/** Most cost in one frame; more goes into several. */
export const MAX_TAKEN_COST = Math.min(MAX_VARINT, 8 * MAX_LINK_MESSAGE_BYTES);

export function greetingFrame(type: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(body.length + 5);
  out[0] = type;
  const at = writeVarint(out, 1, body.length);
  out.set(body, at);
  return out.subarray(0, at + body.length);
}

export function writeTaken(out: Uint8Array, at: number, number: number, cost: number): number {
  out[at] = ControlFrame.taken;
  return writeVarint(out, writeVarint(out, at + 1, number), cost);
}

export interface ControlSink {
  hello(body: Uint8Array): LinkClosed | undefined;
  welcome(body: Uint8Array): LinkClosed | undefined;
  taken(number: number, cost: number): LinkClosed | undefined;
}

const NOTHING = new Uint8Array(0);

/** Reads a control stream, however it is cut. After a problem it reads nothing more. */
export class ControlReader {
  private readonly sink: ControlSink;
  private carry: Uint8Array = NOTHING;
  private problem: LinkClosed | undefined;

  constructor(sink: ControlSink) {
    this.sink = sink;
  }

  /** Returns why the link has to end, or undefined. */
  push(more: Uint8Array): LinkClosed | undefined {
    const bytes = this.carry.length === 0 ? more : Buffer.concat([this.carry, more]);
    let at = 0;
    while (at < bytes.length && this.problem === undefined) {
      const next = this.frame(bytes, at);
      if (next === undefined) break;
      at = next;
    }
    // A copy: what is kept must not keep the transport's slab.
    this.carry =
      this.problem !== undefined || at === bytes.length
        ? NOTHING
        : Uint8Array.from(bytes.subarray(at));
    return this.problem;
  }

  /** Handles the frame at `at`; returns where the next is, undefined when it is not there in full. */
  private frame(bytes: Uint8Array, at: number): number | undefined {
    const type = bytes[at] ?? 0;
    if (type < ControlFrame.hello || type > ControlFrame.taken)
      return this.bad(`control frame type ${type} does not exist`);
    const second = this.numberEnd(bytes, at + 1);
    if (second === undefined) return undefined;
    const first = readVarint(bytes, at + 1);
    if (type === ControlFrame.taken) {
      const end = this.numberEnd(bytes, second);
      if (end === undefined) return undefined;
      this.problem = this.sink.taken(first, readVarint(bytes, second));
      return end;
    }
    if (first === 0 || first > MAX_GREETING_BYTES)
      return this.bad(`a greeting of ${first} bytes; 1 to ${MAX_GREETING_BYTES} are allowed`);
    const end = second + first;
    if (end > bytes.length) return undefined;
    const body = bytes.subarray(second, end);
    this.problem = type === ControlFrame.hello ? this.sink.hello(body) : this.sink.welcome(body);
    return end;
  }

  private numberEnd(bytes: Uint8Array, at: number): number | undefined {
    if (at >= bytes.length) return undefined;
    const length = varintBytes(bytes[at] ?? 0);
    if (length === 0) return this.bad("a number of eight bytes");
    return at + length <= bytes.length ? at + length : undefined;
  }

  private bad(detail: string): undefined {
    this.problem = { code: "bad-message", detail };
    return undefined;
  }
}
