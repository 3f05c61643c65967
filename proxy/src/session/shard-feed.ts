import {
  encodeAck,
  encodeResync,
  encodeServerMessage,
  MAX_BLOCK_BYTES,
  MAX_MESSAGES_PER_TICK,
  readDownstreamHead,
  SessionFlag,
  stateHeadBytes,
  writeStateHead,
} from "@atlasnet/core";
import { ByteReader, ByteWriter, DecodeError } from "@atlasnet/world";
import { ClientFeed, type FeedOutput, type WatchedSection } from "./client-feed.ts";
import { FrameArena } from "./frame-arena.ts";
import {
  type Framing,
  frameHeadBytes,
  varintBytes,
  writeFrameHead,
  writeVarint,
} from "./framing.ts";
import { newTopic, type TopicSections } from "./slot-table.ts";

/** Below this many bytes a loop copies faster than `set` on a view. */
const SMALL_COPY_BYTES = 48;

const StateFlag = { slots: 1, private: 2, dilation: 4 } as const;

const NOTHING = new Uint8Array(0);

export interface FeedOptions {
  /** Backlog of a socket above which its client gets no more state until it drained. */
  stateBacklogBytes: number;
  /** Backlog above which reliable messages end the connection. */
  reliableBacklogBytes: number;
}

/** Plain counters: read when somebody looks at the metrics. */
export interface FeedCounters {
  stateFrames: number;
  conflated: number;
  reliableMessages: number;
}

/**
 * Turns the batches of one shard into the frames of its clients.
 *
 * This is the hot path (design rule 3.2: a change is encoded once per topic and tick): a section is
 * never looked into, only copied. Every client gets at most one write per tick, messages first.
 * It talks to its outputs directly instead of returning effects, which would be one object per client
 * and tick.
 */
export class ShardFeed {
  /** The last tick seen. */
  tick = 0;
  private readonly options: FeedOptions;
  private readonly counters: FeedCounters;
  private readonly arena: FrameArena;
  private readonly scratch = new ByteWriter(256);
  private readonly topics = new Map<number, TopicSections>();
  private readonly feeds = new Map<number, ClientFeed>();
  private serial = 0;
  private dilation = 1000;
  private bytes: Uint8Array = NOTHING;
  /** Topics to forget after this batch unless somebody holds them by then. */
  private readonly unheld: TopicSections[] = [];

  constructor(
    options: FeedOptions,
    dependencies: { allocate: (bytes: number) => Uint8Array; counters: FeedCounters },
  ) {
    this.options = options;
    this.counters = dependencies.counters;
    this.arena = new FrameArena(dependencies.allocate);
  }

  /** Topics that some client holds; for metrics and tests. */
  get topicCount(): number {
    return this.topics.size;
  }

  add(attach: number, output: FeedOutput): void {
    this.feeds.set(attach, new ClientFeed(attach, output));
  }

  remove(attach: number): void {
    const feed = this.feeds.get(attach);
    if (feed === undefined) return;
    this.feeds.delete(attach);
    for (const topic of feed.table.slots) {
      if (topic === undefined) continue;
      topic.holders -= 1;
      if (topic.holders === 0) this.topics.delete(topic.topic);
    }
  }

  /** @throws DecodeError when the batch is not of the form of core/src/wire/downstream.ts. */
  apply(batch: Uint8Array): void {
    const reader = new ByteReader(batch);
    const head = readDownstreamHead(reader);
    this.serial += 1;
    this.bytes = batch;
    this.tick = head.tick;
    if (head.dilation !== 0) this.dilation = head.dilation;
    this.readTopics(reader);
    const sessions = reader.varint();
    for (let i = 0; i < sessions; i++) this.readSession(reader);
    reader.end();
    for (const feed of this.feeds.values()) this.emit(feed);
    for (const topic of this.unheld) if (topic.holders === 0) this.topics.delete(topic.topic);
    this.unheld.length = 0;
    this.bytes = NOTHING;
  }

  private readTopics(reader: ByteReader): void {
    const { serial, topics, unheld } = this;
    const count = reader.varint();
    for (let i = 0; i < count; i++) {
      const number = reader.varint();
      let topic = topics.get(number);
      if (topic === undefined) {
        topic = newTopic(number);
        topics.set(number, topic);
        unheld.push(topic);
      }
      const deltaStart = skipBlock(reader);
      if (reader.offset > deltaStart) {
        topic.deltaSerial = serial;
        topic.deltaStart = deltaStart;
        topic.deltaEnd = reader.offset;
      }
      const fullStart = skipBlock(reader);
      if (reader.offset > fullStart) {
        topic.fullSerial = serial;
        topic.fullStart = fullStart;
        topic.fullEnd = reader.offset;
      }
    }
  }

  private readSession(reader: ByteReader): void {
    const attach = reader.varint();
    const flags = reader.varint();
    // Entries of attachments that were just given up are read past.
    const feed = this.feeds.get(attach) ?? new ClientFeed(attach, NOWHERE);
    feed.checkBacklog(this.options.stateBacklogBytes);
    feed.serial = this.serial;
    feed.flags = flags;
    if (flags & SessionFlag.slots) {
      feed.slotsStart = reader.offset;
      this.readSlots(reader, feed);
      feed.slotsEnd = reader.offset;
    }
    if (flags & SessionFlag.private) {
      feed.privateStart = skipBlock(reader);
      feed.privateEnd = reader.offset;
    }
    if (flags & SessionFlag.messages) {
      feed.messageCount = reader.varint();
      if (feed.messageCount > MAX_MESSAGES_PER_TICK)
        throw new DecodeError(`${feed.messageCount} messages for one session`);
      feed.messagesStart = reader.offset;
      for (let i = 0; i < feed.messageCount; i++) {
        reader.varint();
        reader.varint();
        skipBlock(reader);
      }
      feed.messagesEnd = reader.offset;
    }
    if (flags & SessionFlag.ack) feed.appliedSeq = reader.varint();
    if (flags & SessionFlag.resync) feed.resyncSeq = reader.varint();
  }

  private readSlots(reader: ByteReader, feed: ClientFeed): void {
    const known = feed.output !== NOWHERE;
    const count = reader.varint();
    for (let i = 0; i < count; i++) {
      const slot = reader.varint();
      const number = reader.varint();
      if (!known) continue;
      const before = feed.table.slots[slot];
      let topic: TopicSections | undefined;
      if (number > 0) {
        topic = this.topics.get(number - 1);
        if (topic === undefined) {
          topic = newTopic(number - 1);
          this.topics.set(number - 1, topic);
        }
        topic.holders += 1;
      }
      feed.table.assign(slot, topic, this.serial);
      if (before === undefined) continue;
      // Kept until the end of the batch: its sections may be for the next who takes it.
      before.holders -= 1;
      if (before.holders === 0) this.unheld.push(before);
    }
  }

  private emit(feed: ClientFeed): void {
    const { output } = feed;
    const flags = feed.serial === this.serial ? feed.flags : 0;
    feed.checkBacklog(this.options.stateBacklogBytes);
    if (feed.stale && !this.mayRecover(feed, flags)) {
      this.counters.conflated += 1;
      const items = this.reliableItems(feed, flags);
      if (items.length > 0) this.emitItems(feed.output, items);
      return;
    }
    let slots = flags & SessionFlag.slots ? feed.slotsEnd - feed.slotsStart : 0;
    const recovering = feed.stale;
    if (recovering) {
      feed.stale = false;
      this.scratch.reset();
      feed.table.writeRecovery(this.scratch);
      slots = this.scratch.length;
    }
    if (output.framing === "sections") this.emitSections(feed, flags);
    else this.emitFrames(feed, flags, output.framing, slots, recovering);
  }

  /** A stale client gets state again with the full state that was asked for, once it has room. */
  private mayRecover(feed: ClientFeed, flags: number): boolean {
    const room = feed.output.backlogBytes <= this.options.stateBacklogBytes / 2;
    if (flags & SessionFlag.full) {
      if (room) return true;
      feed.resyncAsked = false;
    } else if (room && !feed.resyncAsked) {
      feed.resyncAsked = true;
      feed.output.requestResync();
    }
    return false;
  }

  private emitItems(output: FeedOutput, items: readonly Uint8Array[]): void {
    if (output.framing === "sections") return;
    const target = this.arena.reserve(framedBytes(output.framing, items));
    output.sendFrames(
      this.arena.take(writeItems(target, this.arena.offset, output.framing, items)),
    );
  }

  private emitFrames(
    feed: ClientFeed,
    flags: number,
    framing: Framing,
    slotsBytes: number,
    recovering: boolean,
  ): void {
    const { serial, bytes } = this;
    const { slots, freshIn, width } = feed.table;
    const full = (flags & SessionFlag.full) !== 0;
    let sections = 0;
    let sectionBytes = 0;
    for (let slot = 0; slot < width; slot++) {
      const topic = slots[slot];
      if (topic === undefined) continue;
      if (full || freshIn[slot] === serial) {
        if (topic.fullSerial !== serial) continue;
        sectionBytes += topic.fullEnd - topic.fullStart;
      } else {
        if (topic.deltaSerial !== serial) continue;
        sectionBytes += topic.deltaEnd - topic.deltaStart;
      }
      sections += 1;
    }
    const privateBytes = flags & SessionFlag.private ? feed.privateEnd - feed.privateStart : 0;
    const dilated = feed.toldDilation !== this.dilation;
    const hasState = sections + slotsBytes + privateBytes > 0 || dilated;
    const items = this.reliableItems(feed, flags);
    if (!hasState) {
      if (items.length > 0) this.emitItems(feed.output, items);
      return;
    }
    const stateFlags =
      (slotsBytes > 0 ? StateFlag.slots : 0) |
      (privateBytes > 0 ? StateFlag.private : 0) |
      (dilated ? StateFlag.dilation : 0);
    const maskBytes = (width + 7) >> 3;
    const packed =
      varintBytes(this.tick) +
      1 +
      slotsBytes +
      privateBytes +
      (dilated ? varintBytes(this.dilation) : 0) +
      maskBytes +
      sectionBytes;
    const item = stateHeadBytes(packed) + packed;
    const reliableBytes = items.length > 0 ? framedBytes(framing, items) : 0;
    const target = this.arena.reserve(reliableBytes + frameHeadBytes(framing, item) + item);
    let at = this.arena.offset;
    if (items.length > 0) at = writeItems(target, at, framing, items);
    at = writeFrameHead(target, at, framing, item);
    at = writeStateHead(target, at, packed);
    at = writeVarint(target, at, this.tick);
    target[at++] = stateFlags;
    if (recovering) {
      target.set(this.scratch.view8(), at);
      at += slotsBytes;
    } else if (slotsBytes > 0) {
      at = copy(bytes, feed.slotsStart, feed.slotsEnd, target, at);
    }
    if (privateBytes > 0) at = copy(bytes, feed.privateStart, feed.privateEnd, target, at);
    if (dilated) {
      at = writeVarint(target, at, this.dilation);
      feed.toldDilation = this.dilation;
    }
    const mask = at;
    for (let i = 0; i < maskBytes; i++) target[at++] = 0;
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
      const byte = mask + (slot >> 3);
      target[byte] = (target[byte] ?? 0) | (1 << (slot & 7));
    }
    this.counters.stateFrames += 1;
    feed.output.sendFrames(this.arena.take(at));
  }

  private emitSections(feed: ClientFeed, flags: number): void {
    const { serial, bytes } = this;
    const { slots, freshIn } = feed.table;
    const full = (flags & SessionFlag.full) !== 0;
    const sections: WatchedSection[] = [];
    slots.forEach((topic, slot) => {
      if (topic === undefined) return;
      if (full || freshIn[slot] === serial) {
        if (topic.fullSerial === serial)
          sections.push({
            topic: topic.topic,
            bytes: bytes.subarray(topic.fullStart, topic.fullEnd),
          });
      } else if (topic.deltaSerial === serial) {
        sections.push({
          topic: topic.topic,
          bytes: bytes.subarray(topic.deltaStart, topic.deltaEnd),
        });
      }
    });
    if (sections.length > 0) feed.output.sendSections(this.tick, sections);
  }

  /** Messages, ack and resync as items. None when the client is too far behind: that is its end. */
  private reliableItems(feed: ClientFeed, flags: number): readonly Uint8Array[] {
    if ((flags & RELIABLE) === 0) return NO_ITEMS;
    if (feed.output.backlogBytes > this.options.reliableBacklogBytes) {
      feed.output.overflowed();
      return NO_ITEMS;
    }
    const items: Uint8Array[] = [];
    if (flags & SessionFlag.messages) {
      const reader = new ByteReader(this.bytes);
      reader.offset = feed.messagesStart;
      for (let i = 0; i < feed.messageCount; i++)
        items.push(
          encodeServerMessage(reader.varint(), reader.varint(), reader.block(MAX_BLOCK_BYTES)),
        );
      this.counters.reliableMessages += feed.messageCount;
    }
    if (flags & SessionFlag.ack) {
      feed.output.applied(feed.appliedSeq);
      items.push(encodeAck(feed.appliedSeq, this.tick));
    }
    if (flags & SessionFlag.resync) items.push(encodeResync(feed.resyncSeq));
    return items;
  }
}

const RELIABLE = SessionFlag.messages | SessionFlag.ack | SessionFlag.resync;
const NO_ITEMS: readonly Uint8Array[] = [];

/** Stands in for clients that are gone. */
const NOWHERE: FeedOutput = {
  framing: "sections",
  backlogBytes: 0,
  sendFrames: () => {},
  sendSections: () => {},
  applied: () => {},
  requestResync: () => {},
  overflowed: () => {},
};

/** Reads past a block and returns where its bytes begin. */
function skipBlock(reader: ByteReader): number {
  const length = reader.varint();
  const start = reader.offset;
  if (length > MAX_BLOCK_BYTES || length > reader.remaining)
    throw new DecodeError(`block of ${length} bytes, ${reader.remaining} left`);
  reader.offset = start + length;
  return start;
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
