import { ByteReader, ByteWriter, type Plain } from "@atlasnet/world";
import { Ascending } from "./ascending.ts";
import type { ShardEntity } from "./entity.ts";
import type { SessionState } from "./session-state.ts";
import { byId, type StateCodec } from "./state-codec.ts";
import type { StateDigest } from "./state-digest.ts";
import type { Store } from "./store.ts";
import type { RequestState, Table, TimerState } from "./tables.ts";

export interface CopyPiece {
  data: Uint8Array;
  /** The copy is whole with it. */
  last: boolean;
}

/** All there is to copy, in the order of a snapshot. */
interface Held {
  readonly entities: readonly ShardEntity[];
  readonly keys: Ascending<string, Plain>;
  readonly sessions: readonly SessionState[];
  readonly timers: Ascending<number, TimerState>;
  readonly requests: Ascending<number, RequestState>;
}

function hold({ entities, kv, sessions, timers, requests }: Store): Held {
  return {
    entities: [...entities.all()],
    keys: ascending(kv),
    // The outbox is changed in place; everything else of a session is replaced.
    sessions: byId(sessions.all()).map((session) => ({ ...session, outbox: [...session.outbox] })),
    timers: ascending(timers),
    requests: ascending(requests),
  };
}

function ascending<K extends number | string, V>(table: Table<K, V>): Ascending<K, V> {
  return new Ascending([...table.keys()], [...table.values()]);
}

/**
 * The state as it was when the copy was begun, read a piece at a time while ticks go on. The pieces together are
 * the snapshot of that moment, byte for byte.
 *
 * 1. What is replaced when it changes (values, timers, requests) is held by reference; of sessions there is a
 *    shallow copy. Beginning costs a pointer or an object for each item, and encodes nothing.
 * 2. An entity is changed in place, so it is encoded before its first change if it was not read by then. A tick
 *    pays for the entities it changes, each once per copy.
 *
 * So a copy holds at most one state's worth of memory besides the state.
 */
export class StateCopy {
  /** The tick whose end it shows. */
  readonly tick: number;
  private readonly codec: StateCodec;
  private readonly store: Store;
  private readonly digest: StateDigest;
  private readonly onEnd: () => void;
  private readonly writer = new ByteWriter();
  /** Entities as they were, which were changed before they were read: blocks, and where each begins. */
  private keptBytes = new ByteWriter();
  private readonly kept = new Map<number, number>();
  private keeper = new ByteWriter();
  private keeping = false;
  /** Entities up to this one were read. */
  private readUpTo = 0;
  /** Entities from this one on are not in the copy. */
  private readonly newFrom: number;
  private readonly items: Iterator<undefined>;
  private encoded = false;
  private ended = false;
  private readonly beforeChange = (entity: ShardEntity): void => this.keep(entity);

  /** Between ticks. `digest` takes in what is read; `onEnd` is called once. */
  constructor(codec: StateCodec, store: Store, digest: StateDigest, onEnd: () => void) {
    this.codec = codec;
    this.store = store;
    this.digest = digest;
    this.onEnd = onEnd;
    this.tick = store.tick;
    this.newFrom = store.entities.nextId;
    codec.writeHead(this.writer, store);
    this.items = this.write(hold(store));
    store.entities.watchers.add(this.beforeChange);
    // Of these the table tells no more in this tick.
    for (const entity of store.entities.dirty) if (entity.alive) this.keep(entity);
  }

  /** True when the last piece was read. */
  get isWhole(): boolean {
    return this.encoded && this.writer.length === 0;
  }

  /**
   * The next piece, between ticks: `maxBytes` (above 0) long but for the last one, which says so.
   * @throws TypeError after the last piece and after `end`.
   */
  read(maxBytes: number): CopyPiece {
    if (this.ended || this.isWhole) throw new TypeError("the copy was read, or ended, before");
    const { writer } = this;
    while (writer.length < maxBytes && !this.encoded) {
      if (this.items.next().done !== true) continue;
      this.encoded = true;
      this.digest.isWhole = true;
      this.store.entities.watchers.delete(this.beforeChange);
    }
    const written = writer.view8();
    const data = written.slice(0, maxBytes);
    const rest = written.slice(maxBytes);
    writer.reset();
    writer.raw(rest);
    return { data, last: this.isWhole };
  }

  /** Lets go of everything; also of a copy that was not read to its end. May be called twice. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.store.entities.watchers.delete(this.beforeChange);
    this.kept.clear();
    this.keptBytes = new ByteWriter();
    this.writer.reset();
    this.onEnd();
  }

  private keptAt(at: number): Uint8Array {
    const reader = new ByteReader(this.keptBytes.view8());
    reader.offset = at;
    return reader.block(reader.remaining);
  }

  private keep(entity: ShardEntity): void {
    const { id } = entity;
    if (id <= this.readUpTo || id >= this.newFrom || this.kept.has(id)) return;
    // World code may be cut off in here: what was being written cannot be trusted then, the writer included.
    if (this.keeping) this.keeper = new ByteWriter();
    this.keeping = true;
    const { keeper, keptBytes } = this;
    keeper.reset();
    this.codec.writeEntity(keeper, entity);
    const at = keptBytes.length;
    keptBytes.block(keeper.view8());
    // Last, and in one step: an interruption before it leaves the entity as it was, and the next change comes here.
    this.kept.set(id, at);
    this.keeping = false;
  }

  /** Writes one item per step. */
  private *write(held: Held): Generator<undefined> {
    const { codec, digest, kept, writer } = this;
    const written = (from: number) => writer.view8().subarray(from);
    for (const entity of held.entities) {
      const from = writer.length;
      const at = kept.get(entity.id);
      if (at === undefined) codec.writeEntity(writer, entity);
      else writer.raw(this.keptAt(at));
      this.readUpTo = entity.id;
      kept.delete(entity.id);
      digest.coverEntity(entity.id, written(from));
      yield;
    }
    for (let item = held.keys.next(); item !== undefined; item = held.keys.next()) {
      const from = writer.length;
      codec.writeKey(writer, ...item);
      digest.coverKey(item[0], written(from));
      yield;
    }
    for (const session of held.sessions) {
      codec.writeSession(writer, session);
      digest.coverSession(session.id);
      yield;
    }
    for (let item = held.timers.next(); item !== undefined; item = held.timers.next()) {
      const from = writer.length;
      codec.writeTimer(writer, ...item);
      digest.coverTimer(item[0], written(from));
      yield;
    }
    for (let item = held.requests.next(); item !== undefined; item = held.requests.next()) {
      const from = writer.length;
      codec.writeRequest(writer, ...item);
      digest.coverRequest(item[0], written(from));
      yield;
    }
    codec.writeEnd(writer);
  }
}
