import { ByteReader, DecodeError } from "./bytes.ts";
import type { CompiledDefinition } from "./definition.ts";
import { EntityView, type MirrorChanges, type MirrorEntity } from "./entity-view.ts";
import { readPrivateRecords } from "./private-records.ts";
import { SubscribedTopics } from "./subscribed-topics.ts";
import { TopicUpdates } from "./topic-updates.ts";

export type { MirrorChanges, MirrorEntity } from "./entity-view.ts";
export { MAX_SLOTS } from "./subscribed-topics.ts";

/** Flags of a state message. */
export const StateFlag = { slots: 1, private: 2, dilation: 4, ownAll: 8 } as const;
const ALL_FLAGS = 15;
/** Largest section in an updates message. */
const MAX_SECTION_BYTES = 16 * 1024 * 1024;

/**
 * The mirror of everything a player sees, fed with whole state messages (docs/protocol.md, section 7)
 * and, over an unreliable path, with updates of single topics (11.4).
 *
 * 1. `entities` holds what is in at least one subscribed topic, and the player's own entities.
 * 2. An entity keeps its object from `added` to `removed`, also while it moves between topics; its
 *    components are overwritten in place.
 * 3. Order of records within a section does not matter, an index may be reused in it.
 */
export class WorldMirror {
  readonly entities: ReadonlyMap<number, MirrorEntity>;
  /** The player's own entities, in the order they became its own. */
  readonly own: ReadonlySet<MirrorEntity>;
  /** The highest tick heard of since the last reset; 0 before the first. */
  tick = 0;
  /** Speed of the world's time: 1 is real time. */
  dilation = 1;

  private readonly definition: CompiledDefinition;
  private readonly reader = new ByteReader(new Uint8Array(0));
  private readonly view: EntityView;
  private readonly topics: SubscribedTopics;
  private readonly updates: TopicUpdates;
  /** State messages come in order, whatever updates do: none is of a tick below this one. */
  private earliest = 0;
  /** From `reset` to the next state message: until then everything stays in view. */
  private awaitsState = false;

  constructor(definition: CompiledDefinition) {
    this.definition = definition;
    this.view = new EntityView(definition);
    this.topics = new SubscribedTopics(definition.publicComponents, this.view);
    this.updates = new TopicUpdates(this.topics, this.view);
    this.entities = this.view.entities;
    this.own = this.view.own;
  }

  /**
   * Applies one state message.
   * @throws DecodeError for bytes that no server writes. The mirror is then half-way between two
   * states: `reset` it and get a new welcome.
   */
  apply(packed: Uint8Array): MirrorChanges {
    const { reader, view, topics } = this;
    view.beginChanges();
    reader.reset(packed);
    const tick = reader.varint();
    if (tick < this.earliest) throw new DecodeError(`tick ${tick} after tick ${this.earliest}`);
    this.tick = Math.max(this.tick, tick);
    this.earliest = tick;
    const flags = reader.varint();
    if (flags > ALL_FLAGS) throw new DecodeError(`state flags ${flags}`);
    if (flags & StateFlag.slots) topics.readSlots(reader);
    if (flags & StateFlag.ownAll) view.disownAll();
    if (flags & StateFlag.private)
      readPrivateRecords(reader, this.definition.ownerComponents, view);
    if (flags & StateFlag.dilation) this.dilation = reader.varint() / 1000;
    topics.readSections(reader, tick);
    reader.end();
    this.updates.review();
    this.awaitsState = false;
    view.settle(topics.holdMoved);
    return view.changes;
  }

  /**
   * Applies an updates message, in whatever order these come. What cannot be applied yet is kept,
   * copied; when that becomes too much or too old, it is a gap. `now`: ms of a clock that does not go
   * back.
   * @throws DecodeError as `apply` does.
   */
  applyUpdates(packed: Uint8Array, now: number): MirrorChanges {
    const { reader, view, topics, updates } = this;
    view.beginChanges();
    reader.reset(packed);
    const tick = reader.varint();
    this.tick = Math.max(this.tick, tick);
    while (reader.remaining > 0) {
      const topic = reader.varint();
      const origin = reader.varint();
      updates.take({ topic, origin, tick, section: reader.block(MAX_SECTION_BYTES) }, now);
    }
    updates.sweep(now);
    if (!this.awaitsState) view.settle(topics.holdMoved);
    return view.changes;
  }

  /** True when an update was kept for too long: the caller sends `resync`. `now` as above. */
  sweep(now: number): boolean {
    this.view.beginChanges();
    this.updates.sweep(now);
    return this.view.changes.gap;
  }

  /** The tick whose values an entity's public components have; undefined when it has none. */
  tickOf(id: number): number | undefined {
    const tick = this.view.known(id)?.tick ?? -1;
    return tick < 0 ? undefined : tick;
  }

  /**
   * A new welcome came: topics, slots and ownership are forgotten. Entities stay in view until the next
   * state message, which carries full state; those it does not confirm are then removed.
   */
  reset(): void {
    this.topics.reset();
    this.updates.reset();
    this.view.releaseAll();
    this.awaitsState = true;
    this.tick = 0;
    this.earliest = 0;
    this.dilation = 1;
  }
}
