import { SessionFlag, stateHeadBytes, writeStateHead } from "@atlasnet/core";
import { MAX_SLOTS, StateFlag } from "@atlasnet/world";
import type { ClientFeed } from "./client-feed.ts";
import type { FrameArena } from "./frame-arena.ts";
import {
  type Framing,
  frameHeadBytes,
  varintBytes,
  writeFrameHead,
  writeVarint,
} from "./framing.ts";
import type { Origins } from "./origins.ts";
import type { ReliableItems } from "./reliable-items.ts";
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

/** Writes all that one client gets in one tick into one piece of memory. */
export class FrameWriter {
  private readonly arena: FrameArena;
  private readonly sections = new SectionChoice();

  constructor(arena: FrameArena) {
    this.arena = arena;
  }

  /** One item, framed. */
  item(framing: Framing, item: Uint8Array): Uint8Array {
    const target = this.arena.reserve(frameHeadBytes(framing, item.length) + item.length);
    const at = writeFrameHead(target, this.arena.offset, framing, item.length);
    target.set(item, at);
    return this.arena.take(at + item.length);
  }

  /** Only items, framed. */
  items(framing: Framing, items: ReliableItems): Uint8Array {
    const target = this.arena.reserve(items.framedBytes(framing));
    return this.arena.take(items.write(target, this.arena.offset, framing));
  }

  /**
   * Items and the state of the tick; undefined when there is no state to tell. `flags` are those of the
   * session's entry (0 without one), `slots` is the slots part or nothing.
   */
  state(
    feed: ClientFeed,
    framing: Framing,
    flags: number,
    slots: Uint8Array,
    items: ReliableItems,
    batch: CurrentBatch,
  ): Uint8Array | undefined {
    const { table } = feed;
    const { sections } = this;
    const full = (flags & SessionFlag.full) !== 0;
    const { origins } = feed;
    if (origins === undefined) sections.choose(table, full, batch.serial);
    // Changes of such a client's topics go by themselves; a slot is fresh only when slots change.
    else if (full || slots.length > 0) sections.chooseFull(table, full, batch.serial);
    else sections.clear();
    const privateBytes = flags & SessionFlag.private ? feed.privateEnd - feed.privateStart : 0;
    const dilated = feed.toldDilation !== batch.dilation;
    if (sections.byteLength + slots.length + privateBytes === 0 && !dilated) return undefined;
    const maskBytes = (table.width + 7) >> 3;
    const dilationBytes = dilated ? varintBytes(batch.dilation) : 0;
    const before = varintBytes(batch.tick) + 1 + slots.length + privateBytes + dilationBytes;
    const packed = before + maskBytes + sections.byteLength;
    const item = stateHeadBytes(packed) + packed;
    const reliable = items.isEmpty ? 0 : items.framedBytes(framing);
    const target = this.arena.reserve(reliable + frameHeadBytes(framing, item) + item);
    let at = this.arena.offset;
    if (reliable > 0) at = items.write(target, at, framing);
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
    at = sections.write(target, at, maskBytes, batch.bytes);
    if (origins !== undefined) sections.note(origins, batch.tick);
    return this.arena.take(at);
  }
}

/**
 * The sections that one client gets. A head with lengths goes in front of them, so they are chosen
 * before they are copied; the choice is kept because looking at the topics is what costs, not the bytes.
 */
class SectionChoice {
  byteLength = 0;
  private count = 0;
  private readonly slots = new Uint16Array(MAX_SLOTS);
  private readonly starts = new Uint32Array(MAX_SLOTS);
  private readonly ends = new Uint32Array(MAX_SLOTS);

  choose(table: SlotTable, full: boolean, serial: number): void {
    const { slots, freshIn, width } = table;
    let count = 0;
    let bytes = 0;
    for (let slot = 0; slot < width; slot++) {
      const topic = slots[slot];
      if (topic === undefined) continue;
      let start: number;
      let end: number;
      if (full || freshIn[slot] === serial) {
        if (topic.fullSerial !== serial) continue;
        start = topic.fullStart;
        end = topic.fullEnd;
      } else {
        if (topic.deltaSerial !== serial) continue;
        start = topic.deltaStart;
        end = topic.deltaEnd;
      }
      this.slots[count] = slot;
      this.starts[count] = start;
      this.ends[count] = end;
      count += 1;
      bytes += end - start;
    }
    this.count = count;
    this.byteLength = bytes;
  }

  /** Only the topics that the client gets in full. */
  chooseFull(table: SlotTable, full: boolean, serial: number): void {
    const { slots, freshIn, width } = table;
    this.clear();
    for (let slot = 0; slot < width; slot++) {
      const topic = slots[slot];
      if (topic === undefined || topic.fullSerial !== serial) continue;
      if (!full && freshIn[slot] !== serial) continue;
      this.slots[this.count] = slot;
      this.starts[this.count] = topic.fullStart;
      this.ends[this.count] = topic.fullEnd;
      this.count += 1;
      this.byteLength += topic.fullEnd - topic.fullStart;
    }
  }

  clear(): void {
    this.count = 0;
    this.byteLength = 0;
  }

  /** These sections go out as the state of that tick. */
  note(origins: Origins, tick: number): void {
    if (this.count === 0) return;
    origins.begin();
    for (let i = 0; i < this.count; i++) origins.add(this.slots[i] ?? 0, tick);
  }

  /** Writes the mask and the sections. */
  write(target: Uint8Array, mask: number, maskBytes: number, source: Uint8Array): number {
    let at = mask;
    for (let i = maskBytes; i > 0; i--) target[at++] = 0;
    for (let i = 0; i < this.count; i++) {
      const slot = this.slots[i] ?? 0;
      const byte = mask + (slot >> 3);
      target[byte] = (target[byte] ?? 0) | (1 << (slot & 7));
      at = copy(source, this.starts[i] ?? 0, this.ends[i] ?? 0, target, at);
    }
    return at;
  }
}

/** Copies a part of `source` to `to` on, and returns where it ends. */
export function copy(
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
