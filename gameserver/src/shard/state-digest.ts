import { ByteWriter } from "@atlasnet/world";
import { bytesOfHash, type Hash128, HashSum, hash128 } from "./murmur128.ts";
import type { OutboxMessage, SessionState } from "./session-state.ts";
import type { StateCodec } from "./state-codec.ts";
import type { Store } from "./store.ts";

/**
 * Each tick, so much of the changed entities gets its new hash: 1 in this many, the oldest first. What moves in every
 * tick is hashed in every so manyth, and `value` finds no more to do than that number of ticks changed.
 */
const STALE_TICKS = 4;

/** The parts of a state whose hashes are told beside the whole one's, in this order. */
export const STATE_SECTIONS = [
  "head",
  "entities",
  "keys",
  "sessions",
  "timers",
  "requests",
] as const;
/** Of the hash of a section: it says where states differ, once the whole hash has said that they do. */
const SECTION_BYTES = 8;

export interface StateHash {
  /** Of the whole state: 16 bytes. */
  readonly hash: Uint8Array;
  /** Of each of STATE_SECTIONS, one behind the other: SECTION_BYTES each. */
  readonly sections: Uint8Array;
}

/** The sections in which two states differ, by what `StateHash.sections` says of them. */
export function differingSections(one: Uint8Array, other: Uint8Array): readonly string[] {
  return STATE_SECTIONS.filter((_, section) => {
    for (let i = section * SECTION_BYTES; i < (section + 1) * SECTION_BYTES; i++)
      if (one[i] !== other[i]) return true;
    return false;
  });
}

/**
 * A hash of the whole state that keeps up with it: the sum of one hash per item of its snapshot and one
 * of its head (state-codec.ts). A tick costs no more than what it changed; equal states have equal sums however they
 * came about. Two states that differ have equal sums once in 2^128.
 *
 * A session counts without its unread messages and each of these for itself: they are many when a client
 * is slow, which does not make each of its ticks dearer.
 *
 * It remembers a hash for every item, some 100 bytes each.
 */
export class StateDigest {
  private readonly codec: StateCodec;
  private readonly store: Store;
  private readonly writer = new ByteWriter();
  private readonly entities = new Section<number>();
  private readonly keys = new Section<string>();
  private readonly sessions = new Section<number>();
  private readonly timers = new Section<number>();
  private readonly requests = new Section<number>();
  /** Messages never change once they are numbered. */
  private messages = new WeakMap<OutboxMessage, Hash128>();
  /** Changed entities whose hash is of an earlier tick, in the order they became so. */
  private readonly stale = new Set<number>();
  /** Set by who saw to it that everything was taken in, by `update` or one of the `cover…`. */
  isWhole = false;

  /** Of an empty state: what `store` holds by now is not in it before it was covered. */
  constructor(codec: StateCodec, store: Store) {
    this.codec = codec;
    this.store = store;
  }

  /** Takes in what the store notes as changed; before each `clearChanges`. */
  update(): void {
    const { codec, store, writer } = this;
    for (const { id } of store.entities.dirty) this.stale.add(id);
    this.freshen(Math.ceil(this.stale.size / STALE_TICKS));
    for (const id of store.sessions.changes.keys()) this.noteSession(id);
    for (const key of store.kv.touched) {
      const value = store.kv.get(key);
      writer.reset();
      codec.writeKey(writer, key, value);
      this.keys.note(key, value === undefined ? undefined : this.written());
    }
    for (const id of store.timers.touched) {
      const timer = store.timers.get(id);
      writer.reset();
      codec.writeTimer(writer, id, timer);
      this.timers.note(id, timer === undefined ? undefined : this.written());
    }
    for (const id of store.requests.touched) {
      const request = store.requests.get(id);
      writer.reset();
      codec.writeRequest(writer, id, request);
      this.requests.note(id, request === undefined ? undefined : this.written());
    }
  }

  /**
   * Takes in an item that did not change since it was written as `bytes`, after this digest was begun. An item
   * that did was taken in by `update`, and one that is gone does not count.
   */
  coverEntity(id: number, bytes: Uint8Array): void {
    if (!this.entities.has(id) && this.store.entities.get(id) !== undefined)
      this.entities.note(id, hash128(bytes));
  }

  coverKey(key: string, bytes: Uint8Array): void {
    if (!this.keys.has(key) && this.store.kv.get(key) !== undefined)
      this.keys.note(key, hash128(bytes));
  }

  coverSession(id: number): void {
    if (!this.sessions.has(id)) this.noteSession(id);
  }

  coverTimer(id: number, bytes: Uint8Array): void {
    if (!this.timers.has(id) && this.store.timers.get(id) !== undefined)
      this.timers.note(id, hash128(bytes));
  }

  coverRequest(id: number, bytes: Uint8Array): void {
    if (!this.requests.has(id) && this.store.requests.get(id) !== undefined)
      this.requests.note(id, hash128(bytes));
  }

  /** Takes time for entities that changed in the last ticks (STALE_TICKS). */
  value(): StateHash {
    this.freshen(this.stale.size);
    this.writer.reset();
    this.codec.writeHead(this.writer, this.store);
    const { entities, keys, sessions, timers, requests } = this;
    const all = [this.written(), ...[entities, keys, sessions, timers, requests].map((s) => s.sum)];
    const sum = new HashSum();
    const sections = new Uint8Array(STATE_SECTIONS.length * SECTION_BYTES);
    for (const [at, hash] of all.entries()) {
      sum.add(hash);
      sections.set(bytesOfHash(hash).subarray(0, SECTION_BYTES), at * SECTION_BYTES);
    }
    return { hash: bytesOfHash(sum), sections };
  }

  /** Makes the oldest stale hashes anew. */
  private freshen(most: number): void {
    const { codec, stale, store, writer } = this;
    let left = most;
    for (const id of stale) {
      if (left-- <= 0) return;
      stale.delete(id);
      const entity = store.entities.get(id);
      writer.reset();
      if (entity !== undefined) codec.writeEntity(writer, entity);
      this.entities.note(id, entity === undefined ? undefined : this.written());
    }
  }

  private noteSession(id: number): void {
    const session = this.store.sessions.sessionById(id);
    this.sessions.note(id, session === undefined ? undefined : this.hashOfSession(session));
  }

  private hashOfSession(session: SessionState): Hash128 {
    const { codec, writer, messages } = this;
    writer.reset();
    codec.writeSession(writer, session, []);
    const sum = new HashSum();
    sum.add(this.written());
    for (const message of session.outbox) {
      let hash = messages.get(message);
      if (hash === undefined) {
        writer.reset();
        codec.writeUnread(writer, session, message);
        hash = this.written();
        messages.set(message, hash);
      }
      sum.add(hash);
    }
    return sum;
  }

  private written(): Hash128 {
    return hash128(this.writer.view8());
  }
}

/** The hashes of the items of one kind, and their sum. */
class Section<K> {
  private readonly items = new Map<K, Hash128>();
  readonly sum = new HashSum();

  has(key: K): boolean {
    return this.items.has(key);
  }

  /** Puts an item's hash in the place of the one it had; undefined: there is no such item. */
  note(key: K, hash: Hash128 | undefined): void {
    const { items, sum } = this;
    const before = items.get(key);
    if (before !== undefined) sum.subtract(before);
    if (hash === undefined) items.delete(key);
    else {
      items.set(key, hash);
      sum.add(hash);
    }
  }
}
