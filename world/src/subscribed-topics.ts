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
 * 3. What `replaced`, `displaced` and `moved` hold is gone when a message has been read.
 */
export class SubscribedTopics {
  private readonly components: readonly CompiledComponent[];
  private readonly view: EntityView;
  private slots: (Subscription | undefined)[] = [];
  private readonly byTopic = new Map<number, Subscription>();

  // The message being read, and its section.
  private tick = 0;
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
  }

  /** @throws DecodeError */
  readSlots(reader: ByteReader): void {
    const { slots, byTopic } = this;
    for (let left = reader.varint(); left > 0; left--) {
      const slot = reader.varint();
      const topic = reader.varint() - 1;
      if (slot >= MAX_SLOTS) throw new DecodeError(`slot ${slot} of ${MAX_SLOTS}`);
      const old = slots[slot];
      if (old !== undefined) {
        byTopic.delete(old.topic);
        this.releaseAll(old.members);
        this.releaseAwaited(old);
      }
      if (topic < 0) {
        if (old !== undefined) slots[slot] = undefined;
        continue;
      }
      // No holes, so that the array's length stays the highest slot ever assigned plus 1.
      while (slots.length < slot) slots.push(undefined);
      if (byTopic.has(topic)) throw new DecodeError(`topic ${topic} in two slots`);
      const subscription = new Subscription(topic);
      byTopic.set(topic, subscription);
      slots[slot] = subscription;
    }
  }

  /** Reads the sections of a message about this tick. @throws DecodeError */
  readSections(reader: ByteReader, tick: number): void {
    const { slots } = this;
    this.tick = tick;
    this.moved.length = 0;
    const mask = reader.raw(Math.ceil(slots.length / 8));
    for (let at = 0; at < mask.length; at++) {
      for (let bits = mask[at] ?? 0; bits !== 0; bits &= bits - 1) {
        const slot = at * 8 + 31 - Math.clz32(bits & -bits);
        const subscription = slots[slot];
        if (subscription === undefined) throw new DecodeError(`section of free slot ${slot}`);
        this.current = subscription;
        this.ignored = false;
        readSection(reader, this.components, this.sink);
        this.endSection(subscription);
      }
    }
  }

  /** After the last section: keeps what moved into a topic whose members are not known. */
  holdMoved(): void {
    for (const { tracked, destination } of this.moved) {
      if (tracked.memberships > 0) continue;
      const subscription = this.byTopic.get(destination);
      if (subscription === undefined || !subscription.waitsForFull) continue;
      subscription.awaited.push(tracked);
      tracked.memberships += 1;
    }
    this.moved.length = 0;
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
    this.view.changes.gap = true;
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
    const { view } = this;
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
    view.change(tracked);
    clearComponents(this.components, ~mask, tracked.entity);
    return tracked.entity;
  }

  private update(index: number): ComponentTarget {
    const tracked = this.memberAt(index);
    if (tracked === undefined) return this.view.scratch;
    this.view.change(tracked);
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
    this.view.release(tracked);
    if (destination !== undefined) this.moved.push({ tracked, destination });
  }

  private drop(index: number, mask: number): void {
    const tracked = this.memberAt(index);
    if (tracked === undefined) return;
    this.view.change(tracked);
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

  private releaseAwaited(subscription: Subscription): void {
    for (const tracked of subscription.awaited) this.view.release(tracked);
    subscription.awaited.length = 0;
  }
}
