import { encodePlain } from "@atlasnet/core";
import {
  ByteReader,
  type ByteWriter,
  type CompiledDefinition,
  compileStruct,
  DecodeError,
  type Plain,
  type StructCodec,
} from "@atlasnet/world";
import { lowestIndex } from "./bits.ts";
import type { ShardEntity } from "./entity.ts";
import { MAX_ENTITIES } from "./entity-table.ts";
import {
  MAX_TEXT,
  readCounters,
  readOutboxMessage,
  readPlain,
  readSession,
  writeCounters,
  writeOutboxMessage,
  writeSession,
} from "./session-codec.ts";
import type { OutboxMessage, SessionState } from "./session-state.ts";
import type { Store } from "./store.ts";
import type { RequestState, TimerState } from "./tables.ts";

/**
 * The state of a shard as bytes. A *delta* lists what one tick changed; a *snapshot* is the delta that
 * makes everything out of an empty store. Both are the tick number and a run of operations, each
 * giving absolute values, so that applying one twice does no harm. Numbers keep their full precision.
 *
 * A snapshot is its head and its items: entities, key-value pairs, sessions, timers, requests. Their
 * order is fixed (ids and keys ascending): equal states have equal bytes, and the state hash is the hash
 * of these bytes.
 */
const Op = {
  end: 0,
  random: 1,
  counters: 2,
  entity: 3,
  components: 4,
  dropped: 5,
  despawned: 6,
  topic: 7,
  kvSet: 8,
  kvDelete: 9,
  session: 10,
  sessionCounters: 11,
  sessionOutbox: 12,
  sessionEnd: 13,
  timer: 14,
  timerEnd: 15,
  request: 16,
  requestEnd: 17,
  inputs: 18,
} as const;

const MAX_INPUTS = 256 * 1024 * 1024;

export class StateCodec {
  private readonly exact: readonly StructCodec[];

  constructor(definition: CompiledDefinition) {
    this.exact = definition.data.components.map((c) => compileStruct(c.fields, { exact: true }));
  }

  /** Writes what the current tick changed, and the inputs that led to it (for replay and audit). */
  writeDelta(writer: ByteWriter, store: Store, inputs: Uint8Array): void {
    this.writeHead(writer, store);
    for (const entity of store.entities.dirty) {
      if (!entity.$dirty) continue;
      if (!entity.alive) {
        if (!entity.$spawned) this.writeId(writer, Op.despawned, entity.id);
        continue;
      }
      if (entity.$spawned || entity.$metaChanged) this.writeBody(writer, entity);
      else {
        const dropped = entity.$removed & ~entity.$mask;
        if (dropped !== 0) {
          this.writeId(writer, Op.dropped, entity.id);
          writer.varint(dropped);
        }
        const changed = entity.$touched & entity.$mask;
        if (changed !== 0) this.writeComponents(writer, entity, changed);
      }
      if (entity.$topicChanged) this.writeTopic(writer, entity);
    }
    for (const key of store.kv.touched) this.writeKey(writer, key, store.kv.get(key));
    for (const [id, change] of store.sessions.changes) {
      const session = store.sessions.sessionById(id);
      if (session === undefined) this.writeId(writer, Op.sessionEnd, id);
      else if (change.full) this.writeSession(writer, session);
      else {
        writer.u8(Op.sessionCounters);
        writeCounters(writer, session);
        for (const m of session.outbox)
          if (m.seq > change.outSeqBefore) this.writeUnread(writer, session, m);
      }
    }
    for (const id of store.timers.touched) this.writeTimer(writer, id, store.timers.get(id));
    for (const id of store.requests.touched) this.writeRequest(writer, id, store.requests.get(id));
    if (inputs.length > 0) {
      writer.u8(Op.inputs);
      writer.block(inputs);
    }
    this.writeEnd(writer);
  }

  /** Writes the whole state. */
  writeSnapshot(writer: ByteWriter, store: Store): void {
    this.writeHead(writer, store);
    for (const entity of store.entities.all()) this.writeEntity(writer, entity);
    for (const key of [...store.kv.keys()].sort()) this.writeKey(writer, key, store.kv.get(key));
    for (const session of byId(store.sessions.all())) this.writeSession(writer, session);
    for (const timer of byId(store.timers.values())) this.writeTimer(writer, timer.id, timer);
    for (const request of byId(store.requests.values()))
      this.writeRequest(writer, request.id, request);
    this.writeEnd(writer);
  }

  /**
   * Applies a delta or a snapshot.
   * @throws DecodeError for bytes that no writer of this format wrote.
   */
  apply(bytes: Uint8Array, store: Store): void {
    const reader = new ByteReader(bytes);
    this.readHead(reader, store);
    while (this.readOperation(reader, store));
    reader.end();
    // A follower has no changes of its own; without this it would remember all it ever took in.
    store.clearChanges();
  }

  /** Reads what a delta or a snapshot begins with. @throws DecodeError */
  readHead(reader: ByteReader, store: Store): void {
    store.tick = reader.varint();
  }

  /**
   * Applies the next operation; false when it was the end. The store notes what it changed, until
   * `clearChanges`. One that fails may have been applied in part.
   * @throws DecodeError
   */
  readOperation(reader: ByteReader, store: Store): boolean {
    const op = reader.u8();
    if (op === Op.end) return false;
    this.applyOp(op, reader, store);
    return true;
  }

  private applyOp(op: number, reader: ByteReader, store: Store): void {
    switch (op) {
      case Op.random:
        store.random.load([reader.u32(), reader.u32(), reader.u32(), reader.u32()]);
        return;
      case Op.counters:
        store.entities.nextId = reader.varint();
        store.sessions.nextId = reader.varint();
        store.nextTimerId = reader.varint();
        store.nextRequestId = reader.varint();
        store.timeline = reader.varint();
        return;
      case Op.entity:
        return this.readEntity(reader, store);
      case Op.components: {
        const entity = entityOf(store, reader.varint());
        store.entities.changed(entity);
        this.readComponents(reader, store, entity);
        return;
      }
      case Op.dropped: {
        const entity = entityOf(store, reader.varint());
        store.entities.changed(entity);
        const mask = reader.varint();
        for (let i = 0; i < this.exact.length; i++)
          if ((mask & (1 << i)) !== 0) store.entities.unset(entity, i);
        return;
      }
      case Op.despawned: {
        const entity = store.entities.get(reader.varint());
        if (entity !== undefined) store.entities.dropFollowed(entity);
        return;
      }
      case Op.topic: {
        const entity = entityOf(store, reader.varint());
        const topic = reader.varint() - 1;
        const index = reader.varint();
        if (index >= MAX_ENTITIES) throw new DecodeError(`topic index ${index}`);
        store.entities.place(entity, topic, index);
        return;
      }
      case Op.kvSet:
        return store.kv.follow(reader.text(MAX_TEXT), readPlain(reader));
      case Op.kvDelete:
        return store.kv.follow(reader.text(MAX_TEXT), undefined);
      case Op.session:
        return followSession(reader, store);
      case Op.sessionCounters:
        return readCounters(reader, changedSession(store, reader.varint()));
      case Op.sessionOutbox: {
        const session = changedSession(store, reader.varint());
        const message = readOutboxMessage(reader);
        session.outbox.push(message);
        session.outSeq = message.seq;
        session.outboxBytes += message.payload.length;
        return;
      }
      case Op.sessionEnd: {
        const session = store.sessions.sessionById(reader.varint());
        if (session !== undefined) store.sessions.remove(session);
        return;
      }
      case Op.timer:
        return readTimer(reader, store);
      case Op.timerEnd:
        return store.timers.follow(reader.varint(), undefined);
      case Op.request:
        return readRequest(reader, store);
      case Op.requestEnd:
        return store.requests.follow(reader.varint(), undefined);
      case Op.inputs:
        reader.block(MAX_INPUTS);
        return;
      default:
        throw new DecodeError(`unknown state operation ${op}`);
    }
  }

  /** The tick, and what is there once: random generator, counters, timeline. */
  writeHead(writer: ByteWriter, store: Store): void {
    writer.varint(store.tick);
    writer.u8(Op.random);
    for (const word of store.random.save()) writer.u32(word);
    writer.u8(Op.counters);
    writer.varint(store.entities.nextId);
    writer.varint(store.sessions.nextId);
    writer.varint(store.nextTimerId);
    writer.varint(store.nextRequestId);
    writer.varint(store.timeline);
  }

  writeEnd(writer: ByteWriter): void {
    writer.u8(Op.end);
  }

  private writeId(writer: ByteWriter, op: number, id: number): void {
    writer.u8(op);
    writer.varint(id);
  }

  /** The whole of an entity. */
  writeEntity(writer: ByteWriter, entity: ShardEntity): void {
    this.writeBody(writer, entity);
    this.writeTopic(writer, entity);
  }

  private writeBody(writer: ByteWriter, entity: ShardEntity): void {
    this.writeId(writer, Op.entity, entity.id);
    writer.varint(entity.$owner);
    writer.varint(entity.$channel + 1);
    this.writeMasked(writer, entity, entity.$mask);
  }

  private writeComponents(writer: ByteWriter, entity: ShardEntity, mask: number): void {
    this.writeId(writer, Op.components, entity.id);
    this.writeMasked(writer, entity, mask);
  }

  private writeMasked(writer: ByteWriter, entity: ShardEntity, mask: number): void {
    writer.varint(mask);
    for (let rest = mask; rest !== 0; rest &= rest - 1) {
      const i = lowestIndex(rest);
      const component = entity.$components[i];
      if (component !== undefined) this.exact[i]?.encode(writer, component);
    }
  }

  private readEntity(reader: ByteReader, store: Store): void {
    const id = reader.varint();
    const entity = store.entities.get(id) ?? store.entities.insert(id);
    store.entities.changed(entity);
    store.entities.moveOwner(entity, reader.varint());
    entity.$channel = reader.varint() - 1;
    const present = this.readComponents(reader, store, entity);
    for (let i = 0; i < this.exact.length; i++)
      if ((present & (1 << i)) === 0 && entity.$components[i] !== undefined)
        store.entities.unset(entity, i);
  }

  private readComponents(reader: ByteReader, store: Store, entity: ShardEntity): number {
    const mask = reader.varint();
    for (const [i, codec] of this.exact.entries())
      if ((mask & (1 << i)) !== 0) store.entities.set(entity, i, codec.decode(reader));
    return mask;
  }

  private writeTopic(writer: ByteWriter, entity: ShardEntity): void {
    this.writeId(writer, Op.topic, entity.id);
    writer.varint(entity.$topic + 1);
    writer.varint(entity.$index);
  }

  writeKey(writer: ByteWriter, key: string, value: Plain | undefined): void {
    writer.u8(value === undefined ? Op.kvDelete : Op.kvSet);
    writer.text(key);
    if (value !== undefined) writer.block(encodePlain(value));
  }

  /** A session; with all of its unread messages unless told which. */
  writeSession(
    writer: ByteWriter,
    session: SessionState,
    outbox: readonly OutboxMessage[] = session.outbox,
  ): void {
    writer.u8(Op.session);
    writeSession(writer, session, outbox);
  }

  /** One message in a session's outbox. */
  writeUnread(writer: ByteWriter, session: SessionState, message: OutboxMessage): void {
    this.writeId(writer, Op.sessionOutbox, session.id);
    writeOutboxMessage(writer, message);
  }

  writeTimer(writer: ByteWriter, id: number, timer: TimerState | undefined): void {
    this.writeId(writer, timer === undefined ? Op.timerEnd : Op.timer, id);
    if (timer === undefined) return;
    writer.varint(timer.due);
    writer.text(timer.name);
    writer.block(encodePlain(timer.data));
  }

  writeRequest(writer: ByteWriter, id: number, request: RequestState | undefined): void {
    this.writeId(writer, request === undefined ? Op.requestEnd : Op.request, id);
    if (request === undefined) return;
    writer.text(request.service);
    writer.block(encodePlain(request.payload));
  }
}

export function byId<T extends { readonly id: number }>(items: Iterable<T>): T[] {
  return [...items].sort((a, b) => a.id - b.id);
}

function entityOf(store: Store, id: number): ShardEntity {
  const entity = store.entities.get(id);
  if (entity === undefined) throw new DecodeError(`the state has no entity ${id}`);
  return entity;
}

function changedSession(store: Store, id: number): SessionState {
  const session = store.sessions.sessionById(id);
  if (session === undefined) throw new DecodeError(`the state has no session ${id}`);
  store.sessions.changed(session, true);
  return session;
}

function followSession(reader: ByteReader, store: Store): void {
  const session = readSession(reader);
  const known = store.sessions.sessionById(session.id);
  if (known === undefined) store.sessions.insert(session);
  else Object.assign(known, session);
  store.sessions.changed(known ?? session, true);
}

function readTimer(reader: ByteReader, store: Store): void {
  const id = reader.varint();
  const due = reader.varint();
  const name = reader.text(MAX_TEXT);
  store.followTimer({ id, due, name, data: readPlain(reader) });
}

function readRequest(reader: ByteReader, store: Store): void {
  const id = reader.varint();
  const service = reader.text(MAX_TEXT);
  store.requests.follow(id, { id, service, payload: readPlain(reader) });
}
