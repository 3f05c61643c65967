import { ByteReader, DecodeError } from "./bytes.ts";
import type { CompiledComponent, CompiledDefinition } from "./definition.ts";
import {
  type ComponentTarget,
  checkMask,
  RecordOp,
  readComponents,
  readSection,
  type SectionSink,
} from "./section.ts";
import { type EntityTarget, Subscription, type Tracked } from "./subscription.ts";

/** An entity in view: components are properties, `undefined` when it does not have them. */
export interface MirrorEntity {
  readonly id: number;
  /** True when it is this player's own. */
  readonly own: boolean;
  readonly [component: string]: unknown;
}

/** What one state message changed. The object and its lists are used again by the next `apply`. */
export interface MirrorChanges {
  readonly added: MirrorEntity[];
  readonly changed: MirrorEntity[];
  readonly removed: MirrorEntity[];
  /** Something was missed: the caller sends `resync`. Reported once per gap. */
  gap: boolean;
}

/** Most slots a server may give one client: its mask stays at 128 bytes. */
export const MAX_SLOTS = 1024;

/** Flags of a state message. */
export const StateFlag = { slots: 1, private: 2, dilation: 4, ownAll: 8 } as const;
const ALL_FLAGS = 15;

/**
 * The mirror of everything a player sees, fed with whole state messages (docs/protocol.md, section 7).
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
  /** Tick of the last state message. */
  tick = 0;
  /** Speed of the world's time: 1 is real time. */
  dilation = 1;

  private readonly definition: CompiledDefinition;
  private readonly reader = new ByteReader(new Uint8Array(0));
  private readonly inView = new Map<number, MirrorEntity>();
  private readonly owned = new Set<MirrorEntity>();
  private readonly tracked = new Map<number, Tracked>();
  private readonly touched: Tracked[] = [];
  private slots: (Subscription | undefined)[] = [];
  private readonly topics = new Map<number, Subscription>();
  private readonly changes: MirrorChanges = { added: [], changed: [], removed: [], gap: false };
  /** State of ticks below this one is from before a newer message. */
  private earliest = 0;

  // The section being read.
  private current = new Subscription(-1);
  private ignored = false;
  private full = false;
  /** Entities whose index was taken by another before their own leave record came. */
  private readonly displaced = new Map<number, Tracked>();
  private readonly moved: { tracked: Tracked; destination: number }[] = [];
  private readonly sink: SectionSink = {
    begin: (previous) => this.begin(previous),
    enter: (index, id, mask) => this.enter(index, id, mask),
    update: (index) => this.update(index),
    leave: (index, destination) => this.leave(index, destination),
    drop: (index, mask) => this.drop(index, mask),
  };
  /** Takes what is read only to get past it. */
  private readonly scratch: EntityTarget;

  constructor(definition: CompiledDefinition) {
    this.definition = definition;
    this.entities = this.inView;
    this.own = this.owned;
    this.scratch = this.makeEntity(0);
  }

  /**
   * Applies one state message.
   * @throws DecodeError for bytes that no server writes. The mirror is then half-way between two
   * states: `reset` it and get a new welcome.
   */
  apply(packed: Uint8Array): MirrorChanges {
    const { reader, changes } = this;
    changes.added.length = 0;
    changes.changed.length = 0;
    changes.removed.length = 0;
    changes.gap = false;
    this.moved.length = 0;
    reader.reset(packed);
    const tick = reader.varint();
    if (tick < this.earliest) throw new DecodeError(`tick ${tick} after tick ${this.earliest}`);
    this.tick = tick;
    this.earliest = tick;
    const flags = reader.varint();
    if (flags > ALL_FLAGS) throw new DecodeError(`state flags ${flags}`);
    if (flags & StateFlag.slots) this.readSlots();
    if (flags & StateFlag.ownAll) this.disown();
    if (flags & StateFlag.private) this.readPrivate();
    if (flags & StateFlag.dilation) this.dilation = reader.varint() / 1000;
    this.readSections();
    reader.end();
    this.settle();
    return changes;
  }

  /**
   * A new welcome came: topics, slots and ownership are forgotten. Entities stay in view until the next
   * state message, which carries full state; those it does not confirm are then removed.
   */
  reset(): void {
    this.slots = [];
    this.topics.clear();
    this.displaced.clear();
    this.earliest = 0;
    this.dilation = 1;
    for (const tracked of this.tracked.values()) {
      tracked.memberships = 0;
      tracked.own = false;
      this.touch(tracked);
    }
  }

  /** What is still the player's own follows in the private records. */
  private disown(): void {
    for (const { id } of this.owned) {
      const tracked = this.track(id);
      tracked.own = false;
      this.touch(tracked);
    }
  }

  private readSlots(): void {
    const { reader, slots, topics } = this;
    for (let left = reader.varint(); left > 0; left--) {
      const slot = reader.varint();
      const topic = reader.varint() - 1;
      if (slot >= MAX_SLOTS) throw new DecodeError(`slot ${slot} of ${MAX_SLOTS}`);
      const old = slots[slot];
      if (old !== undefined) {
        topics.delete(old.topic);
        this.releaseAll(old.members);
        this.releaseAwaited(old);
      }
      if (topic < 0) {
        if (old !== undefined) slots[slot] = undefined;
        continue;
      }
      // No holes, so that the array's length stays the highest slot ever assigned plus 1.
      while (slots.length < slot) slots.push(undefined);
      if (topics.has(topic)) throw new DecodeError(`topic ${topic} in two slots`);
      const subscription = new Subscription(topic);
      topics.set(topic, subscription);
      slots[slot] = subscription;
    }
  }

  private readSections(): void {
    const { reader, slots } = this;
    const mask = reader.raw(Math.ceil(slots.length / 8));
    for (let at = 0; at < mask.length; at++) {
      for (let bits = mask[at] ?? 0; bits !== 0; bits &= bits - 1) {
        const slot = at * 8 + 31 - Math.clz32(bits & -bits);
        const subscription = slots[slot];
        if (subscription === undefined) throw new DecodeError(`section of free slot ${slot}`);
        this.current = subscription;
        this.ignored = false;
        readSection(reader, this.definition.publicComponents, this.sink);
        this.endSection(subscription);
      }
    }
  }

  private begin(previous: number): void {
    const { current, tick } = this;
    this.full = previous === 0;
    if (this.full) {
      const members = current.members;
      current.members = current.replaced;
      current.replaced = members;
      current.broken = false;
    } else if (previous > tick) {
      throw new DecodeError(`section builds upon tick ${tick - previous}`);
    } else if (current.broken || current.tick < tick - previous) {
      this.miss();
    }
  }

  /** The topic cannot be followed from here; only full state helps. */
  private miss(): void {
    this.ignored = true;
    if (this.current.broken) return;
    this.current.broken = true;
    this.changes.gap = true;
  }

  private endSection(subscription: Subscription): void {
    if (this.full) {
      this.releaseAll(subscription.replaced);
      this.releaseAwaited(subscription);
    }
    this.releaseAll(this.displaced);
    if (!this.ignored) subscription.tick = this.tick;
  }

  private enter(index: number, id: number, mask: number): ComponentTarget {
    if (this.ignored) return this.scratch;
    const { members } = this.current;
    const old = members.get(index);
    // The first one displaced is the one from before this section.
    if (old !== undefined) {
      if (this.displaced.has(index)) this.release(old);
      else this.displaced.set(index, old);
    }
    const tracked = this.track(id);
    members.set(index, tracked);
    tracked.memberships += 1;
    this.change(tracked);
    clearComponents(this.definition.publicComponents, ~mask, tracked.entity);
    return tracked.entity;
  }

  private update(index: number): ComponentTarget {
    const tracked = this.memberAt(index);
    if (tracked === undefined) return this.scratch;
    this.change(tracked);
    return tracked.entity;
  }

  private leave(index: number, destination: number | undefined): void {
    let tracked = this.displaced.get(index);
    if (tracked !== undefined) this.displaced.delete(index);
    else {
      tracked = this.memberAt(index);
      if (tracked === undefined) return;
      this.current.members.delete(index);
    }
    this.release(tracked);
    if (destination !== undefined) this.moved.push({ tracked, destination });
  }

  private drop(index: number, mask: number): void {
    const tracked = this.memberAt(index);
    if (tracked === undefined) return;
    this.change(tracked);
    clearComponents(this.definition.publicComponents, mask, tracked.entity);
  }

  /** A record about an index that nobody entered tells of something missed. */
  private memberAt(index: number): Tracked | undefined {
    if (this.ignored) return undefined;
    const tracked = this.current.members.get(index);
    if (tracked === undefined) this.miss();
    return tracked;
  }

  private readPrivate(): void {
    const { reader } = this;
    const components = this.definition.ownerComponents;
    for (let left = reader.varint(); left > 0; left--) {
      const h = reader.varint();
      const mask = Math.floor(h / 4);
      const id = reader.varint();
      checkMask(mask, components);
      const known = this.tracked.get(id);
      const op = h % 4;
      if (op === RecordOp.enter) {
        const tracked = this.track(id);
        tracked.own = true;
        this.change(tracked);
        clearComponents(components, ~mask, tracked.entity);
        readComponents(reader, components, mask, tracked.entity);
      } else if (known === undefined || !known.own) {
        if (op === RecordOp.update) readComponents(reader, components, mask, this.scratch);
        // Being told twice that it is no longer ours does no harm; the rest builds on what was missed.
        if (op !== RecordOp.leave) this.changes.gap = true;
      } else if (op === RecordOp.update) {
        this.change(known);
        readComponents(reader, components, mask, known.entity);
      } else if (op === RecordOp.drop) {
        this.change(known);
        clearComponents(components, mask, known.entity);
      } else {
        known.own = false;
        this.touch(known);
      }
    }
  }

  /** Decides at the end of a message what came into view, changed, and left it. */
  private settle(): void {
    for (const { tracked, destination } of this.moved) {
      if (tracked.memberships > 0) continue;
      const subscription = this.topics.get(destination);
      if (subscription === undefined || (!subscription.broken && subscription.tick >= 0)) continue;
      subscription.awaited.push(tracked);
      tracked.memberships += 1;
    }
    const { added, changed, removed } = this.changes;
    for (const tracked of this.touched) {
      tracked.touched = false;
      const { entity } = tracked;
      if (entity.own !== tracked.own) this.settleOwner(tracked);
      if (tracked.memberships > 0 || tracked.own) {
        if (!tracked.inView) {
          tracked.inView = true;
          this.inView.set(entity.id, entity);
          added.push(entity);
        } else if (tracked.changed) changed.push(entity);
      } else {
        this.tracked.delete(entity.id);
        if (tracked.inView) {
          this.inView.delete(entity.id);
          removed.push(entity);
        }
      }
      tracked.changed = false;
    }
    this.touched.length = 0;
  }

  private settleOwner(tracked: Tracked): void {
    const { entity, own } = tracked;
    entity.own = own;
    tracked.changed = true;
    if (own) this.owned.add(entity);
    else {
      this.owned.delete(entity);
      clearComponents(this.definition.ownerComponents, ~0, entity);
    }
  }

  private track(id: number): Tracked {
    let tracked = this.tracked.get(id);
    if (tracked === undefined) {
      tracked = {
        entity: this.makeEntity(id),
        memberships: 0,
        own: false,
        inView: false,
        changed: false,
        touched: false,
      };
      this.tracked.set(id, tracked);
      this.touch(tracked);
    }
    return tracked;
  }

  private makeEntity(id: number): EntityTarget {
    const entity: EntityTarget = { id, own: false };
    // All entities of a world share one shape.
    for (const { name } of this.definition.components) entity[name] = undefined;
    return entity;
  }

  private touch(tracked: Tracked): void {
    if (tracked.touched) return;
    tracked.touched = true;
    this.touched.push(tracked);
  }

  private change(tracked: Tracked): void {
    tracked.changed = true;
    this.touch(tracked);
  }

  private release(tracked: Tracked): void {
    tracked.memberships -= 1;
    this.touch(tracked);
  }

  private releaseAll(members: Map<number, Tracked>): void {
    if (members.size === 0) return;
    for (const tracked of members.values()) this.release(tracked);
    members.clear();
  }

  private releaseAwaited(subscription: Subscription): void {
    for (const tracked of subscription.awaited) this.release(tracked);
    subscription.awaited.length = 0;
  }
}

function clearComponents(
  components: readonly CompiledComponent[],
  mask: number,
  target: ComponentTarget,
): void {
  for (const { name, bit } of components) if ((mask >>> bit) & 1) target[name] = undefined;
}
