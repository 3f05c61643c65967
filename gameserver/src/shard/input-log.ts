import { ByteWriter } from "@atlasnet/world";
import type { WorldEvent } from "./world-module.ts";

/** Numbers of events in the delta; new ones come last. */
const kinds: { readonly [type in WorldEvent["type"]]: number } = {
  create: 0,
  join: 1,
  leave: 2,
  drop: 3,
  resume: 4,
  input: 5,
  message: 6,
  timer: 7,
  response: 8,
  tick: 9,
};

const NOTHING = new Uint8Array(0);

/**
 * The events that led to a tick's changes, as they stand in its delta (for replay and audit):
 * byte kind, varint session, varint index, block payload.
 */
export class InputLog {
  private readonly writer = new ByteWriter();
  /** Length up to the last event that is whole. */
  private noted = 0;
  /** Where `mark` was called. */
  private marked = 0;

  note(event: WorldEvent): void {
    const { writer } = this;
    writer.u8(kinds[event.type]);
    if (event.type === "input" || event.type === "message") {
      writer.varint(event.session);
      writer.varint(event.index);
      writer.block(event.payload);
    } else {
      writer.varint("session" in event ? event.session : 0);
      writer.varint(0);
      writer.block(event.type === "join" ? (event.params ?? NOTHING) : NOTHING);
    }
    this.noted = writer.length;
  }

  /** After an interruption: an event that was not written to its end is left out. */
  dropUnfinished(): void {
    this.writer.length = this.noted;
  }

  /** What comes from here on can be left out by `backToMark`. */
  mark(): void {
    this.marked = this.noted;
  }

  backToMark(): void {
    this.noted = this.marked;
    this.writer.length = this.noted;
  }

  /** Valid until the next event. */
  get bytes(): Uint8Array {
    return this.writer.view8();
  }

  clear(): void {
    this.writer.reset();
    this.noted = 0;
    this.marked = 0;
  }
}
