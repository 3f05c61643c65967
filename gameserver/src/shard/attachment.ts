import { MAX_MESSAGES_PER_TICK, SessionFlag } from "@atlasnet/core";
import { type ByteWriter, type CellGrid, MAX_SLOTS } from "@atlasnet/world";
import { NO_TOPIC, type ShardEntity } from "./entity.ts";
import type { EntityTable } from "./entity-table.ts";
import type { SessionState } from "./session-state.ts";
import type { Topic, Topics } from "./topics.ts";

/**
 * One client (or watcher) attached to the shard by way of a proxy. It lives as long as the connection:
 * nothing here is part of the shard's state, every attach starts with full state of everything.
 */
export class Attachment {
  readonly peer: number;
  readonly number: number;
  /** Undefined for a watcher. */
  readonly session: SessionState | undefined;
  private readonly slots: (Topic | undefined)[] = [];
  private readonly slotOf = new Map<Topic, number>();
  private slotChanges: { slot: number; topic: number }[] = [];
  /** The cell the view is centred on; moves only when its viewer is well out of it. */
  private center = NO_TOPIC;
  private channels: ReadonlySet<number> | undefined;
  /** The session's entity when the view was last looked at. */
  private viewer: ShardEntity | undefined;
  private privateCount = 0;
  /** All topics take their full state in this tick. */
  full = true;
  /** Topics that were subscribed in this tick: they take their full state. */
  readonly fresh: Topic[] = [];
  /** Outbox messages above this number were not sent on this attachment. */
  sentSeq = 0;
  /** Of an attach from another timeline: numbers above it mean other messages to the client. */
  sharedSeq: number | undefined;
  ack = false;
  /** Highest message that came and was not taken, because one before it was missing or the queue was full; 0 for none. */
  private droppedSeq = 0;

  constructor(peer: number, number: number, session: SessionState | undefined) {
    this.peer = peer;
    this.number = number;
    this.session = session;
  }

  /** The topics followed, without the holes. */
  *topics(): Iterable<Topic> {
    for (const topic of this.slots) if (topic !== undefined) yield topic;
  }

  /** Makes the slots follow the viewer's position and the session's channels. */
  updateView(session: SessionState, entities: EntityTable, topics: Topics, grid?: CellGrid): void {
    const { viewer: before } = this;
    const viewer =
      before?.alive === true && before.id === session.entity
        ? before
        : entities.get(session.entity);
    this.viewer = viewer;
    // The common case, and there are many of us: it stands where it stood.
    if (viewer === before && viewer?.$dirty === false && session.channels === this.channels) return;
    const center =
      viewer === undefined || grid === undefined ? NO_TOPIC : this.centre(viewer, entities, grid);
    // The set is replaced whenever it changes, so its identity tells.
    if (center === this.center && session.channels === this.channels) return;
    this.center = center;
    this.channels = session.channels;
    const next = new Set<number>(session.channels);
    if (center !== NO_TOPIC && grid !== undefined)
      for (const topic of grid.viewFrom(center)) next.add(topic);
    for (const topic of [...this.slotOf.keys()]) if (!next.has(topic.id)) this.drop(topic, topics);
    for (const id of next) this.add(id, topics);
  }

  /** Follows a topic by id, unless it does already. */
  add(id: number, topics: Topics): void {
    if (this.slotOf.has(topics.get(id))) return;
    const free = this.slots.indexOf(undefined);
    const slot = free < 0 ? this.slots.length : free;
    if (slot >= MAX_SLOTS) return;
    const topic = topics.subscribe(id, this.peer);
    this.slots[slot] = topic;
    this.slotOf.set(topic, slot);
    this.fresh.push(topic);
    this.slotChanges.push({ slot, topic: id });
  }

  /** Messages wait for the next tick: more came than fit in one. */
  get isBehind(): boolean {
    return this.session !== undefined && this.session.outSeq > this.sentSeq;
  }

  private drop(topic: Topic, topics: Topics): void {
    const slot = this.slotOf.get(topic);
    if (slot === undefined) return;
    this.slots[slot] = undefined;
    this.slotOf.delete(topic);
    this.slotChanges.push({ slot, topic: NO_TOPIC });
    topics.unsubscribe(topic, this.peer);
  }

  /** Ends all subscriptions. */
  release(topics: Topics): void {
    for (const topic of this.slotOf.keys()) topics.unsubscribe(topic, this.peer);
    this.slotOf.clear();
    this.slots.length = 0;
  }

  private centre(viewer: ShardEntity, entities: EntityTable, grid: CellGrid): number {
    if (viewer.$cell === this.center) return this.center;
    const position = entities.position(viewer);
    if (position === undefined) return NO_TOPIC;
    return this.center !== NO_TOPIC && grid.staysIn(this.center, position)
      ? this.center
      : viewer.$cell;
  }

  /** A message was not taken; the client is asked for it at the end of the tick. */
  dropped(seq: number): void {
    this.droppedSeq = Math.max(this.droppedSeq, seq);
  }

  /**
   * Something has to be sent again. What was dropped and came again within the tick does not count: behind a move
   * what its proxy kept is followed at once by all that the client sends again.
   */
  private get lacksMessages(): boolean {
    return this.session !== undefined && this.droppedSeq > this.session.appliedSeq;
  }

  /** True when this tick has something for this client besides topics. */
  hasNews(): boolean {
    return (
      this.full ||
      this.ack ||
      this.lacksMessages ||
      this.slotChanges.length > 0 ||
      this.privateCount > 0 ||
      this.isBehind
    );
  }

  countPrivate(records: number): void {
    this.privateCount += records;
  }

  /** Writes this client's entry of the batch (core/src/wire/downstream.ts) and forgets the news. */
  write(writer: ByteWriter, privateRecords: Uint8Array | undefined): void {
    const { session, lacksMessages } = this;
    const messages =
      session !== undefined && session.outSeq > this.sentSeq
        ? session.outbox.filter((m) => m.seq > this.sentSeq).slice(0, MAX_MESSAGES_PER_TICK)
        : [];
    writer.varint(this.number);
    writer.varint(
      (this.slotChanges.length > 0 ? SessionFlag.slots : 0) |
        (privateRecords !== undefined ? SessionFlag.private : 0) |
        (this.full ? SessionFlag.full : 0) |
        (messages.length > 0 ? SessionFlag.messages : 0) |
        (this.ack ? SessionFlag.ack : 0) |
        (lacksMessages ? SessionFlag.resync : 0),
    );
    if (this.slotChanges.length > 0) {
      writer.varint(this.slotChanges.length);
      for (const { slot, topic } of this.slotChanges) {
        writer.varint(slot);
        writer.varint(topic + 1);
      }
    }
    if (privateRecords !== undefined) writer.block(privateRecords);
    if (messages.length > 0) {
      writer.varint(messages.length);
      for (const { seq, index, payload } of messages) {
        writer.varint(seq);
        writer.varint(index);
        writer.block(payload);
      }
    }
    if (this.ack) writer.varint(session?.appliedSeq ?? 0);
    if (lacksMessages) writer.varint(session?.appliedSeq ?? 0);
    this.sentSeq = messages.at(-1)?.seq ?? session?.outSeq ?? 0;
    this.slotChanges = [];
    this.fresh.length = 0;
    this.privateCount = 0;
    this.full = false;
    this.ack = false;
    this.droppedSeq = 0;
  }
}
