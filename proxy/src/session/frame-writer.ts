import { SessionFlag, stateHeadBytes, writeStateHead } from "@atlasnet/core";
import { StateFlag } from "@atlasnet/world";
import type { ClientFeed } from "./client-feed.ts";
import type { FrameArena } from "./frame-arena.ts";
import {
  type Framing,
  frameHeadBytes,
  varintBytes,
  writeFrameHead,
  writeVarint,
} from "./framing.ts";
import type { SlotTable } from "./slot-table.ts";

/** Below this many bytes a loop copies faster than `set` on a view. */
const SMALL_COPY_BYTES = 48;

/** The batch that is being turned into frames. */
export interface CurrentBatch {
  /** Counts batches; sections and entries of another serial are not of this one. */
  serial: number;
  tick: number;
  dilation: number;
  bytes: Uint8Array;
}

export interface FrameParts {
  /** Of the session's entry; 0 without one. */
  flags: number;
  framing: Framing;
  /** The slots part, or nothing. */
  slots: Uint8Array;
  /** Reliable messages and the like, which go in front of the state. */
  items: readonly Uint8Array[];
}

/** Writes all that one client gets in one tick into one piece of memory. */
export class FrameWriter {
  private readonly arena: FrameArena;

  constructor(arena: FrameArena) {
    this.arena = arena;
  }

  /** Only items, framed. */
  items(framing: Framing, items: readonly Uint8Array[]): Uint8Array {
    const target = this.arena.reserve(framedBytes(framing, items));
    return this.arena.take(writeItems(target, this.arena.offset, framing, items));
  }

  /** Items and the state of the tick; `bytes` is undefined when there is nothing to say. */
  frames(
    feed: ClientFeed,
    parts: FrameParts,
    batch: CurrentBatch,
  ): { bytes: Uint8Array | undefined; state: boolean } {
    const { flags, framing, slots, items } = parts;
    const { table } = feed;
    const full = (flags & SessionFlag.full) !== 0;
    const sections = sectionBytes(table, full, batch.serial);
    const privateBytes = flags & SessionFlag.private ? feed.privateEnd - feed.privateStart : 0;
    const dilated = feed.toldDilation !== batch.dilation;
    if (sections + slots.length + privateBytes === 0 && !dilated)
      return { bytes: items.length > 0 ? this.items(framing, items) : undefined, state: false };
    const maskBytes = (table.width + 7) >> 3;
    const dilationBytes = dilated ? varintBytes(batch.dilation) : 0;
    const before = varintBytes(batch.tick) + 1 + slots.length + privateBytes + dilationBytes;
    const packed = before + maskBytes + sections;
    const item = stateHeadBytes(packed) + packed;
    const reliable = items.length > 0 ? framedBytes(framing, items) : 0;
    const target = this.arena.reserve(reliable + frameHeadBytes(framing, item) + item);
    let at = writeItems(target, this.arena.offset, framing, items);
    at = writeFrameHead(target, at, framing, item);
    at = writeStateHead(target, at, packed);
    at = writeVarint(target, at, batch.tick);
    target[at++] =
      (slots.length > 0 ? StateFlag.slots : 0) |
      (privateBytes > 0 ? StateFlag.private : 0) |
      (dilated ? StateFlag.dilation : 0) |
      // Full state lists everything that is the client's own.
      (full ? StateFlag.ownAll : 0);
    at = copy(slots, 0, slots.length, target, at);
    if (privateBytes > 0) at = copy(batch.bytes, feed.privateStart, feed.privateEnd, target, at);
    if (dilated) {
      at = writeVarint(target, at, batch.dilation);
      feed.toldDilation = batch.dilation;
    }
    at = writeSections(target, at, table, full, batch);
    return { bytes: this.arena.take(at), state: true };
  }
}

/** How many bytes the sections of this client's slots have in the batch. */
function sectionBytes(table: SlotTable, full: boolean, serial: number): number {
  const { slots, freshIn, width } = table;
  let bytes = 0;
  for (let slot = 0; slot < width; slot++) {
    const topic = slots[slot];
    if (topic === undefined) continue;
    if (full || freshIn[slot] === serial) {
      if (topic.fullSerial === serial) bytes += topic.fullEnd - topic.fullStart;
    } else if (topic.deltaSerial === serial) bytes += topic.deltaEnd - topic.deltaStart;
  }
  return bytes;
}

/** Writes the mask and the sections. The choice of sections is that of `sectionBytes`. */
function writeSections(
  target: Uint8Array,
  start: number,
  table: SlotTable,
  full: boolean,
  batch: CurrentBatch,
): number {
  const { slots, freshIn, width } = table;
  const { serial, bytes } = batch;
  let at = start;
  for (let i = (width + 7) >> 3; i > 0; i--) target[at++] = 0;
  for (let slot = 0; slot < width; slot++) {
    const topic = slots[slot];
    if (topic === undefined) continue;
    if (full || freshIn[slot] === serial) {
      if (topic.fullSerial !== serial) continue;
      at = copy(bytes, topic.fullStart, topic.fullEnd, target, at);
    } else {
      if (topic.deltaSerial !== serial) continue;
      at = copy(bytes, topic.deltaStart, topic.deltaEnd, target, at);
    }
    const byte = start + (slot >> 3);
    target[byte] = (target[byte] ?? 0) | (1 << (slot & 7));
  }
  return at;
}

function copy(
  source: Uint8Array,
  start: number,
  end: number,
  target: Uint8Array,
  to: number,
): number {
  let at = to;
  if (end - start > SMALL_COPY_BYTES) {
    target.set(source.subarray(start, end), at);
    return at + end - start;
  }
  for (let i = start; i < end; i++) target[at++] = source[i] ?? 0;
  return at;
}

function framedBytes(framing: Framing, items: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const item of items) bytes += frameHeadBytes(framing, item.length) + item.length;
  return bytes;
}

function writeItems(
  target: Uint8Array,
  start: number,
  framing: Framing,
  items: readonly Uint8Array[],
): number {
  let at = start;
  for (const item of items) {
    at = writeFrameHead(target, at, framing, item.length);
    target.set(item, at);
    at += item.length;
  }
  return at;
}
