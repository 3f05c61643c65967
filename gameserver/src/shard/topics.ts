import {
  ByteWriter,
  type CompiledDefinition,
  DecodeError,
  type StructValue,
} from "@atlasnet/world";
import { lowestIndex } from "./bits.ts";
import { NO_TOPIC, type ShardEntity } from "./entity.ts";
import type { EntityTable } from "./entity-table.ts";

/** Record operations of docs/protocol.md, section 7.2. */
export const Record = { update: 0, enter: 1, leave: 2, drop: 3 } as const;

/** A named slice of the shard that others follow: a cell or a channel. */
export interface Topic {
  readonly id: number;
  /** Who is in it, by index. Holes are free. */
  readonly members: (ShardEntity | undefined)[];
  count: number;
  /** No index below it is free. */
  firstFree: number;
  /** The last tick that changed it. */
  lastTick: number;
  previousTick: number;
  /** Subscriptions of attachments, by peer; peers without any are not in it. */
  readonly followers: Map<number, number>;
  /** What the current tick did to it. */
  leaves: { index: number; to: number }[];
  enters: ShardEntity[];
  updates: ShardEntity[];
  /** Where its section of the tick stands among all of them. */
  deltaStart: number;
  deltaEnd: number;
}

/**
 * Which entity is in which topic, and each topic's bytes for a tick. A topic is encoded once per tick,
 * and only while somebody follows it (design rule 3.2).
 */
export class Topics {
  private readonly definition: CompiledDefinition;
  private readonly topics = new Map<number, Topic>();
  private readonly ownerBits: number;
  private readonly publicBits: number;
  /** Topics that this tick changed. */
  private readonly changed: Topic[] = [];
  private readonly deltas = new ByteWriter();
  private deltaBytes: Uint8Array = new Uint8Array(0);
  private readonly full = new ByteWriter();

  constructor(definition: CompiledDefinition) {
    this.definition = definition;
    const bits = (owner: boolean) =>
      definition.components.reduce(
        (mask, c) => (c.owner === owner ? mask | (1 << c.index) : mask),
        0,
      );
    this.ownerBits = bits(true);
    this.publicBits = bits(false);
  }

  /**
   * Gives entities a place that have none yet, as if they had entered before: what is kept of the state, or followed
   * from here on, is whole before the first tick. `restore` comes then.
   */
  settle(entities: Iterable<ShardEntity>): void {
    const counts = new Map<number, number>();
    for (const entity of entities) {
      const topic = this.topicOf(entity);
      entity.$topic = topic;
      if (topic === NO_TOPIC) continue;
      const index = counts.get(topic) ?? 0;
      entity.$index = index;
      counts.set(topic, index + 1);
    }
  }

  /** Takes in a restored state: every entity stands where its record says. */
  restore(entities: Iterable<ShardEntity>): void {
    for (const entity of entities) {
      if (entity.$topic === NO_TOPIC) continue;
      const topic = this.get(entity.$topic);
      if (topic.members[entity.$index] !== undefined)
        throw new DecodeError(`two entities at index ${entity.$index} of topic ${entity.$topic}`);
      topic.members[entity.$index] = entity;
      topic.count += 1;
    }
  }

  /**
   * Moves an entity of a shard that is followed; `$topic` and `$index` still say where it stood. Within a tick it
   * may come to a place before who stood there has left: that one's leave is void then.
   */
  place(entity: ShardEntity, id: number, index: number): void {
    if (entity.$topic !== NO_TOPIC) {
      const left = this.get(entity.$topic);
      if (left.members[entity.$index] === entity) {
        left.members[entity.$index] = undefined;
        left.count -= 1;
        left.firstFree = Math.min(left.firstFree, entity.$index);
      }
      this.forget(left);
    }
    if (id === NO_TOPIC) return;
    const topic = this.get(id);
    if (topic.members[index] === undefined) topic.count += 1;
    topic.members[index] = entity;
    if (topic.firstFree === index) topic.firstFree += 1;
  }

  get(id: number): Topic {
    let topic = this.topics.get(id);
    if (topic === undefined) {
      topic = {
        id,
        members: [],
        count: 0,
        firstFree: 0,
        lastTick: 0,
        previousTick: 0,
        followers: new Map(),
        leaves: [],
        enters: [],
        updates: [],
        deltaStart: 0,
        deltaEnd: 0,
      };
      this.topics.set(id, topic);
    }
    return topic;
  }

  /** Counts subscriptions anew. */
  recount(attachments: Iterable<{ peer: number; topics(): Iterable<Topic> }>): void {
    for (const topic of this.topics.values()) topic.followers.clear();
    for (const attachment of attachments)
      for (const topic of attachment.topics()) follow(topic, attachment.peer);
    for (const topic of [...this.topics.values()]) this.forget(topic);
  }

  subscribe(id: number, peer: number): Topic {
    const topic = this.get(id);
    follow(topic, peer);
    return topic;
  }

  unsubscribe(topic: Topic, peer: number): void {
    const left = (topic.followers.get(peer) ?? 1) - 1;
    if (left > 0) topic.followers.set(peer, left);
    else topic.followers.delete(peer);
    this.forget(topic);
  }

  /** Moves the tick's changes into the topics. Marks entities whose place changed. */
  update(entities: EntityTable, tick: number): void {
    // Leaves first: what they free may be taken again in the same tick, alike on every replica.
    for (const entity of entities.dirty) {
      if (!entity.$dirty) continue;
      const next = this.topicOf(entity);
      if (entity.$topic === next || entity.$topic === NO_TOPIC) continue;
      const topic = this.touch(entity.$topic, tick);
      topic.members[entity.$index] = undefined;
      topic.count -= 1;
      topic.firstFree = Math.min(topic.firstFree, entity.$index);
      topic.leaves.push({ index: entity.$index, to: next });
    }
    for (const entity of entities.dirty) {
      if (!entity.$dirty) continue;
      const next = this.topicOf(entity);
      if (entity.$topic !== next) {
        entity.$topic = next;
        entity.$topicChanged = true;
        if (next !== NO_TOPIC) this.enter(this.touch(next, tick), entity);
      } else if (next !== NO_TOPIC) {
        entity.$visible = this.changedMask(entity);
        if (entity.$visible !== 0 || this.droppedMask(entity) !== 0)
          this.touch(next, tick).updates.push(entity);
      }
    }
  }

  /**
   * Encodes what the tick did to the topics that somebody follows, and returns these; then forgets the
   * changes.
   */
  encodeDeltas(tick: number): Topic[] {
    const { deltas } = this;
    deltas.reset();
    const encoded: Topic[] = [];
    for (const topic of this.changed) {
      if (topic.followers.size > 0) {
        topic.deltaStart = deltas.length;
        this.writeDelta(topic, tick);
        topic.deltaEnd = deltas.length;
        encoded.push(topic);
      }
      if (topic.leaves.length > 0) topic.leaves = [];
      if (topic.enters.length > 0) topic.enters = [];
      if (topic.updates.length > 0) topic.updates = [];
      this.forget(topic);
    }
    this.changed.length = 0;
    this.deltaBytes = deltas.view8();
    return encoded;
  }

  /** The section of a topic that `encodeDeltas` returned, valid until its next call. */
  deltaOf(topic: Topic): Uint8Array {
    return this.deltaBytes.subarray(topic.deltaStart, topic.deltaEnd);
  }

  /** The topic's full state. The bytes are valid until the next call. */
  encodeFull(topic: Topic): Uint8Array {
    const { full } = this;
    full.reset();
    writeSectionHead(full, 0, topic.count);
    for (const entity of topic.members) if (entity !== undefined) this.writeEnter(full, entity);
    return full.view8();
  }

  private writeDelta(topic: Topic, tick: number): void {
    const { deltas } = this;
    let count = topic.leaves.length + topic.enters.length;
    for (const entity of topic.updates)
      count += (this.droppedMask(entity) !== 0 ? 1 : 0) + (entity.$visible !== 0 ? 1 : 0);
    writeSectionHead(deltas, tick - topic.previousTick, count);
    for (const { index, to } of topic.leaves) {
      deltas.varint(((to === NO_TOPIC ? 0 : 1) << 2) | Record.leave);
      deltas.varint(index);
      if (to !== NO_TOPIC) deltas.varint(to);
    }
    for (const entity of topic.enters) this.writeEnter(deltas, entity);
    for (const entity of topic.updates) {
      const dropped = this.droppedMask(entity);
      if (dropped !== 0) {
        deltas.varint((dropped << 2) | Record.drop);
        deltas.varint(entity.$index);
      }
      if (entity.$visible === 0) continue;
      deltas.varint((entity.$visible << 2) | Record.update);
      deltas.varint(entity.$index);
      this.writeComponents(deltas, entity, entity.$visible);
    }
  }

  private writeEnter(writer: ByteWriter, entity: ShardEntity): void {
    const mask = entity.$mask & this.publicBits;
    // Public components come first in a definition, so their bits on the wire are their indexes.
    writer.varint((mask << 2) | Record.enter);
    writer.varint(entity.$index);
    writer.varint(entity.id);
    this.writeComponents(writer, entity, mask);
  }

  private writeComponents(writer: ByteWriter, entity: ShardEntity, mask: number): void {
    const { publicComponents } = this.definition;
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const index = lowestIndex(rest);
      const component = entity.$components[index];
      if (component !== undefined) publicComponents[index]?.codec.encode(writer, component);
    }
  }

  /** Owner-only components of an entity, as a private record's structs. */
  writeOwnerComponents(writer: ByteWriter, entity: ShardEntity, mask: number): void {
    for (const { index, codec } of this.definition.ownerComponents) {
      const component = (mask & (1 << index)) === 0 ? undefined : entity.$components[index];
      if (component !== undefined) codec.encode(writer, component);
    }
  }

  ownerMask(mask: number): number {
    return mask & this.ownerBits;
  }

  /** A mask over component indexes as one over the bits of their kind on the wire. */
  wireMask(mask: number): number {
    let wire = 0;
    for (const { index, bit } of this.definition.components)
      if ((mask & (1 << index)) !== 0) wire |= 1 << bit;
    return wire;
  }

  /** Public components of a touched entity whose bytes differ from before the tick. */
  private changedMask(entity: ShardEntity): number {
    let mask = entity.$touched & entity.$mask & this.publicBits;
    const { publicComponents } = this.definition;
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const index = lowestIndex(rest);
      const now: StructValue | undefined = entity.$components[index];
      const before = entity.$before[index];
      if (
        now !== undefined &&
        before !== undefined &&
        publicComponents[index]?.codec.same(before, now)
      )
        mask &= ~(1 << index);
    }
    return mask;
  }

  private droppedMask(entity: ShardEntity): number {
    return entity.$removed & ~entity.$mask & this.publicBits;
  }

  private topicOf(entity: ShardEntity): number {
    if (!entity.alive) return NO_TOPIC;
    return entity.$cell !== NO_TOPIC ? entity.$cell : entity.$channel;
  }

  private enter(topic: Topic, entity: ShardEntity): void {
    let index = topic.firstFree;
    while (topic.members[index] !== undefined) index += 1;
    topic.members[index] = entity;
    topic.firstFree = index + 1;
    topic.count += 1;
    entity.$index = index;
    topic.enters.push(entity);
  }

  private touch(id: number, tick: number): Topic {
    const topic = this.get(id);
    if (topic.lastTick !== tick) {
      this.changed.push(topic);
      topic.previousTick = topic.lastTick;
      topic.lastTick = tick;
    }
    return topic;
  }

  private forget(topic: Topic): void {
    if (topic.followers.size > 0 || topic.count > 0) return;
    // One that was forgotten before may have been made anew meanwhile.
    if (this.topics.get(topic.id) === topic) this.topics.delete(topic.id);
  }
}

function follow(topic: Topic, peer: number): void {
  topic.followers.set(peer, (topic.followers.get(peer) ?? 0) + 1);
}

function writeSectionHead(writer: ByteWriter, previous: number, count: number): void {
  writer.u8(Math.min(previous, 15) | (Math.min(count, 15) << 4));
  if (previous >= 15) writer.varint(previous);
  if (count >= 15) writer.varint(count);
}
