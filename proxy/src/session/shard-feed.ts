import {
  MAX_BLOCK_BYTES,
  MAX_MESSAGES_PER_TICK,
  readDownstreamHead,
  SessionFlag,
} from "@atlasnet/core";
import { ByteReader, ByteWriter, DecodeError } from "@atlasnet/world";
import type { SentUpdates } from "../gateway/client-connection.ts";
import { ClientFeed, type FeedOutput, type FeedUpdates } from "./client-feed.ts";
import { FrameArena } from "./frame-arena.ts";
import { FrameQueue } from "./frame-queue.ts";
import { type CurrentBatch, FrameWriter } from "./frame-writer.ts";
import type { Framing } from "./framing.ts";
import { type MendCounters, Mender } from "./mender.ts";
import { ReliableItems } from "./reliable-items.ts";
import { skipBlock } from "./skip-block.ts";
import { TopicTable } from "./topic-table.ts";
import { UpdateWriter } from "./update-writer.ts";
import { watchedSections } from "./watched-sections.ts";

const NOTHING = new Uint8Array(0);

export interface FeedOptions {
  /** Backlog of a socket above which its client gets no more state until it drained. */
  stateBacklogBytes: number;
  /** Backlog above which reliable messages end the connection. */
  reliableBacklogBytes: number;
}

/** Plain counters: read when somebody looks at the metrics. */
export interface FeedCounters extends MendCounters {
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
  private readonly options: FeedOptions;
  private readonly counters: FeedCounters;
  private readonly arena: FrameArena;
  private readonly writer: FrameWriter;
  private readonly updateWriter = new UpdateWriter();
  private readonly mender: Mender;
  private readonly scratch = new ByteWriter(256);
  /** Of the client whose frames are being made. */
  private readonly items = new ReliableItems();
  private readonly batch: CurrentBatch = { serial: 0, tick: 0, dilation: 1000, bytes: NOTHING };
  private readonly topics = new TopicTable();
  private readonly feeds = new Map<number, ClientFeed>();
  /** Clients with an entry in the current batch. */
  private readonly entered: ClientFeed[] = [];
  /** Clients that were left out of a batch, or are new: they are looked at with each further one. */
  private readonly behind = new Set<ClientFeed>();
  private readonly queue = new FrameQueue();

  constructor(
    options: FeedOptions,
    dependencies: { allocate: (bytes: number) => Uint8Array; counters: FeedCounters },
  ) {
    this.options = options;
    this.counters = dependencies.counters;
    this.mender = new Mender(dependencies.counters);
    this.arena = new FrameArena(dependencies.allocate);
    this.writer = new FrameWriter(this.arena);
  }

  /** The last tick seen. */
  get tick(): number {
    return this.batch.tick;
  }

  /** Topics that some client holds; for metrics and tests. */
  get topicCount(): number {
    return this.topics.size;
  }

  add(attach: number, output: FeedOutput): void {
    const feed = new ClientFeed(attach, output);
    this.feeds.set(attach, feed);
    this.behind.add(feed);
    this.mender.added(feed);
  }

  remove(attach: number): void {
    const feed = this.feeds.get(attach);
    if (feed === undefined) return;
    this.feeds.delete(attach);
    this.behind.delete(feed);
    this.mender.removed(feed);
    this.topics.release(feed.table);
  }

  /** Updates of a client did not arrive: they are sent again in its frames, or full state is. */
  updatesLost(attach: number, sent: SentUpdates): void {
    const feed = this.feeds.get(attach);
    if (feed === undefined || feed.framing === "sections") return;
    this.counters.updatesLost += sent.topics.length;
    feed.checkBacklog(this.options.stateBacklogBytes);
    // A stale client gets full state, once there is room.
    if (feed.stale) {
      this.behind.add(feed);
      return;
    }
    // A later tick is of an attachment before this one.
    if (sent.tick > this.batch.tick) return;
    const item = this.mender.mend(feed, sent);
    if (item !== undefined) feed.output.sendFrames(this.writer.item(feed.framing, item));
  }

  /** @throws DecodeError when the batch is not of the form of core/src/wire/downstream.ts. */
  apply(bytes: Uint8Array): void {
    const { batch } = this;
    const reader = new ByteReader(bytes);
    const head = readDownstreamHead(reader);
    batch.serial += 1;
    batch.bytes = bytes;
    batch.tick = head.tick;
    if (head.dilation !== 0) batch.dilation = head.dilation;
    this.entered.length = 0;
    const common = this.topics.read(reader, batch.serial) > 0 || head.dilation !== 0;
    const sessions = reader.varint();
    for (let i = 0; i < sessions; i++) this.readSession(reader);
    reader.end();
    this.mender.remember(head.tick, bytes);
    this.arena.mark();
    if (common) for (const feed of this.feeds.values()) this.emit(feed);
    else this.emitToEntered();
    if (!this.queue.send()) this.arena.rewind();
    this.topics.forgetUnheld();
    batch.bytes = NOTHING;
  }

  /** A batch of messages alone: nobody else has to be looked at. */
  private emitToEntered(): void {
    for (const feed of this.entered) this.emit(feed);
    const { serial } = this.batch;
    for (const feed of this.behind) if (feed.serial !== serial) this.emit(feed);
  }

  private readSession(reader: ByteReader): void {
    const attach = reader.varint();
    const flags = reader.varint();
    // Entries of attachments that were just given up are read past.
    const feed = this.feeds.get(attach) ?? new ClientFeed(attach, NOWHERE);
    feed.checkBacklog(this.options.stateBacklogBytes);
    if (feed.serial !== this.batch.serial) this.entered.push(feed);
    feed.serial = this.batch.serial;
    feed.flags = flags;
    if (flags & SessionFlag.slots) {
      feed.slotsStart = reader.offset;
      const table = feed.output === NOWHERE ? undefined : feed.table;
      this.topics.readSlots(reader, table, this.batch.serial);
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

  private emit(feed: ClientFeed): void {
    const { framing, output } = feed;
    const hasEntry = feed.serial === this.batch.serial;
    const flags = hasEntry ? feed.flags : 0;
    // With an entry it was checked when that was read; nothing was written since.
    if (!hasEntry) feed.checkBacklog(this.options.stateBacklogBytes);
    const conflated = feed.stale && !this.mayRecover(feed, flags);
    if (conflated) this.behind.add(feed);
    else if (this.behind.size > 0) this.behind.delete(feed);
    if (framing === "sections") {
      if (!conflated) this.emitSections(feed, flags);
      return;
    }
    this.gatherItems(feed, flags);
    const { items } = this;
    if (!conflated && feed.updates !== undefined) {
      this.emitApart(feed, feed.updates, framing, flags);
      return;
    }
    if (conflated) {
      this.counters.conflated += 1;
    } else {
      const slots = this.slotChanges(feed, flags);
      const frames = this.writer.state(feed, framing, flags, slots, items, this.batch);
      if (frames !== undefined) {
        this.counters.stateFrames += 1;
        this.queue.put(output, frames);
        return;
      }
    }
    if (items.isEmpty) return;
    this.queue.put(output, this.writer.items(framing, items));
  }

  /** State in frames, changes of topics by themselves. */
  private emitApart(feed: ClientFeed, updates: FeedUpdates, framing: Framing, flags: number): void {
    const { items } = this;
    const full = (flags & SessionFlag.full) !== 0;
    const slots = this.slotChanges(feed, flags);
    const state = this.writer.state(feed, framing, flags, slots, items, this.batch);
    let frames = state;
    if (state !== undefined) this.counters.stateFrames += 1;
    else if (!items.isEmpty) frames = this.writer.items(framing, items);
    if (frames !== undefined) this.queue.put(feed.output, frames);
    if (full) feed.mendAsked = false;
    if (full || feed.origins === undefined) return;
    const large = this.updateWriter.write(feed.table, feed.origins, updates, this.batch);
    if (large !== undefined) this.queue.put(feed.output, this.writer.item(framing, large));
  }

  /** The slots part of the client's frame: what the shard said, or all that it missed. */
  private slotChanges(feed: ClientFeed, flags: number): Uint8Array {
    if (feed.stale) {
      feed.stale = false;
      this.scratch.reset();
      feed.table.writeRecovery(this.scratch);
      return this.scratch.view8();
    }
    return flags & SessionFlag.slots
      ? this.batch.bytes.subarray(feed.slotsStart, feed.slotsEnd)
      : NOTHING;
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

  private emitSections(feed: ClientFeed, flags: number): void {
    if (feed.stale) {
      feed.stale = false;
      this.scratch.reset();
      feed.table.writeRecovery(this.scratch);
    }
    const full = (flags & SessionFlag.full) !== 0;
    const sections = watchedSections(feed, full, this.batch);
    if (sections.length > 0) feed.output.sendSections(this.batch.tick, sections);
  }

  /** Messages, ack and resync as items. None when the client is too far behind: that is its end. */
  private gatherItems(feed: ClientFeed, flags: number): void {
    const { items } = this;
    items.reset();
    if ((flags & RELIABLE) === 0) return;
    if (feed.output.backlogBytes > this.options.reliableBacklogBytes)
      return feed.output.overflowed();
    if (flags & SessionFlag.messages) {
      const reader = new ByteReader(this.batch.bytes);
      reader.offset = feed.messagesStart;
      for (let i = 0; i < feed.messageCount; i++)
        items.message(reader.varint(), reader.varint(), reader.block(MAX_BLOCK_BYTES));
      this.counters.reliableMessages += feed.messageCount;
    }
    if (flags & SessionFlag.ack) {
      feed.output.applied(feed.appliedSeq);
      items.ack(feed.appliedSeq, this.batch.tick);
    }
    if (flags & SessionFlag.resync) items.resync(feed.resyncSeq);
  }
}

const RELIABLE = SessionFlag.messages | SessionFlag.ack | SessionFlag.resync;

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
