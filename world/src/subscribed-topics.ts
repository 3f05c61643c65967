import { type ByteReader, DecodeError } from "./bytes.ts";
import type { CompiledComponent } from "./definition.ts";
import { clearComponents, type EntityView, type Tracked } from "./entity-view.ts";
import { type ComponentTarget, readSection, type SectionSink } from "./section.ts";
import { Subscription } from "./subscription.ts";

/** Most slots a server may give one client: its mask stays at 128 bytes. */
export const MAX_SLOTS = 1024;

/**
 * The topics a player is subscribed to, by slot, and the sections of state messages about them
 * (docs/protocol.md, 7.1 and 7.2).
 *
 * 1. A topic is in at most one slot; `slots` is as long as the highest slot ever assigned plus 1, which
 *    is what the mask of sections goes by.
 * 2. Each place among a subscription's members, replaced or awaited ones, and among the displaced,
 *    counts once in that entity's memberships.
 * 3. What `replaced` and `displaced` hold is gone when a message has been read.
 * 4. Topics may be at different ticks when they come one by one. An entity's components are those of
 *    its newest topic: what another one says of a tick before it entered there is read past.
 */
export class SubscribedTopics {
  private readonly components: readonly CompiledComponent[];
  private readonly view: EntityView;
  private slots: (Subscription | undefined)[] = [];
  private readonly byTopic = new Map<number, Subscription>();
  /** State messages with sections since the welcome. */
  origins = 0;

  // The message being read, and its section.
  private tick = 0;
  private current = new Subscription(-1);
  private ignored = false;
  private full = false;
  /** Entities whose index was taken by another before their own leave record came. */
  private readonly displaced = new Map<number, Tracked>();
  private readonly sink: SectionSink = {
    begin: (previous) => this.begin(previous),
    enter: (index, id, mask) => this.enter(index, id, mask),
    update: (index) => this.update(index),
    leave: (index, destination) => this.leave(index, destination),
    drop: (index, mask) => this.drop(index, mask),
  };

  /** `components` are the public ones. */
  constructor(components: readonly CompiledComponent[], view: EntityView) {
    this.components = components;
    this.view = view;
  }

  /** Forgets all subscriptions, for a view whose entities were released already. */
  reset(): void {
    this.slots = [];
    this.byTopic.clear();
    this.displaced.clear();
    this.origins = 0;
  }

  get(topic: number): Subscription | undefined {
    return this.byTopic.get(topic);
  }

  /** @throws DecodeError */
  readSlots(reader: ByteReader): void {
    const { slots, byTopic } = this;
    const ended = new Map<number, Subscription>();
    for (let left = reader.varint(); left > 0; left--) {
      const slot = reader.varint();
      const topic = reader.varint() - 1;
      if (slot >= MAX_SLOTS) throw new DecodeError(`slot ${slot} of ${MAX_SLOTS}`);
      const old = slots[slot];
      if (old !== undefined) {
        byTopic.delete(old.topic);
        ended.set(old.topic, old);
      }
      if (topic < 0) {
        if (old !== undefined) slots[slot] = undefined;
        continue;
      }
      // No holes, so that the array's length stays the highest slot ever assigned plus 1.
      while (slots.length < slot) slots.push(undefined);
      if (byTopic.has(topic)) throw new DecodeError(`topic ${topic} in two slots`);
      // A topic that only changes its slot keeps what it has until its full state has been read.
      const subscription = ended.get(topic) ?? new Subscription(topic);
      ended.delete(topic);
      subscription.tick = -1;
      byTopic.set(topic, subscription);
      slots[slot] = subscription;
    }
    for (const subscription of ended.values()) {
      this.releaseAll(subscription.members);
      this.releaseAwaited(subscription, Number.POSITIVE_INFINITY);
    }
  }

  /** Reads the sections of a message about this tick. @throws DecodeError */
  readSections(reader: ByteReader, tick: number): void {
    const { slots } = this;
    this.tick = tick;
    const mask = reader.raw(Math.ceil(slots.length / 8));
    if (mask.some((bits) => bits !== 0)) this.origins += 1;
    for (let at = 0; at < mask.length; at++) {
      for (let bits = mask[at] ?? 0; bits !== 0; bits &= bits - 1) {
        const slot = at * 8 + 31 - Math.clz32(bits & -bits);
        const subscription = slots[slot];
        if (subscription === undefined) throw new DecodeError(`section of free slot ${slot}`);
        this.readOne(reader, subscription);
        if (this.full) subscription.origin = this.origins;
      }
    }
  }

  /**
   * Reads a section that came by itself, of a topic that is subscribed. The reader stands at its begin
   * and reads nothing else. @throws DecodeError
   */
  readUpdate(reader: ByteReader, { topic, tick }: { topic: number; tick: number }): void {
    const subscription = this.byTopic.get(topic);
    if (subscription === undefined) return;
    this.tick = tick;
    this.readOne(reader, subscription);
    reader.end();
  }

  private readOne(reader: ByteReader, subscription: Subscription): void {
    this.current = subscription;
    this.ignored = false;
    readSection(reader, this.components, this.sink);
    this.endSection(subscription);
  }

  /**
   * Holds an entity that is in no topic when it moved to one that has not seen it come yet. This is asked
   * when it would leave the view, not when its leave record is read: between the two its destination may
   * become subscribed, as of an earlier tick.
   */
  readonly holdMoved = (tracked: Tracked): boolean => {
    const { destination, leftAt, enteredAt } = tracked;
    // Where it went then does not matter when it has been seen elsewhere since.
    if (destination === undefined || leftAt < enteredAt) return false;
    const subscription = this.byTopic.get(destination);
    if (subscription === undefined || subscription.tick >= leftAt) return false;
    subscription.awaited.push({ tracked, tick: leftAt });
    tracked.memberships += 1;
    return true;
  };

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
    this.view.changes.gap = true;
  }

  private endSection(subscription: Subscription): void {
    if (this.full) this.releaseAll(subscription.replaced);
    this.releaseAll(this.displaced);
    if (this.ignored) return;
    subscription.tick = this.tick;
    this.releaseAwaited(subscription, this.tick);
  }

  private enter(index: number, id: number, mask: number): ComponentTarget {
    const { view, tick } = this;
    if (this.ignored) return view.scratch;
    const { members } = this.current;
    const old = members.get(index);
    // The first one displaced is the one from before this section.
    if (old !== undefined) {
      if (this.displaced.has(index)) view.release(old);
      else this.displaced.set(index, old);
    }
    const tracked = view.track(id);
    members.set(index, tracked);
    tracked.memberships += 1;
    if (tick < tracked.enteredAt) return view.scratch;
    tracked.enteredAt = tick;
    this.write(tracked);
    clearComponents(this.components, ~mask, tracked.entity);
    return tracked.entity;
  }

  private update(index: number): ComponentTarget {
    const tracked = this.memberAt(index);
    if (tracked === undefined || this.tick < tracked.enteredAt) return this.view.scratch;
    this.write(tracked);
    return tracked.entity;
  }

  /** Its components get the values of this tick. */
  private write(tracked: Tracked): void {
    tracked.tick = this.tick;
    this.view.change(tracked);
  }

  private leave(index: number, destination: number | undefined): void {
    let tracked = this.displaced.get(index);
    if (tracked !== undefined) this.displaced.delete(index);
    else {
      tracked = this.memberAt(index);
      if (tracked === undefined) return;
      this.current.members.delete(index);
    }
    this.view.release(tracked);
    if (this.tick < tracked.leftAt) return;
    tracked.leftAt = this.tick;
    tracked.destination = destination;
  }

  private drop(index: number, mask: number): void {
    const tracked = this.memberAt(index);
    if (tracked === undefined || this.tick < tracked.enteredAt) return;
    this.write(tracked);
    clearComponents(this.components, mask, tracked.entity);
  }

  /** A record about an index that nobody entered tells of something missed. */
  private memberAt(index: number): Tracked | undefined {
    if (this.ignored) return undefined;
    const tracked = this.current.members.get(index);
    if (tracked === undefined) this.miss();
    return tracked;
  }

  private releaseAll(members: Map<number, Tracked>): void {
    if (members.size === 0) return;
    for (const tracked of members.values()) this.view.release(tracked);
    members.clear();
  }

  /** What moved here at `tick` or before is a member by now, or has gone on. */
  private releaseAwaited(subscription: Subscription, tick: number): void {
    const { awaited } = subscription;
    if (awaited.length === 0) return;
    let left = 0;
    for (const one of awaited) {
      if (one.tick <= tick) this.view.release(one.tracked);
      else awaited[left++] = one;
    }
    awaited.length = left;
  }
}
