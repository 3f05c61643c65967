import { decodePlain, encodePlain } from "@atlasnet/core";
import {
  ByteReader,
  ByteWriter,
  type CompiledDefinition,
  compileStruct,
  DecodeError,
  type StructCodec,
} from "@atlasnet/world";
import { lowestIndex } from "./bits.ts";
import type { ShardEntity } from "./entity.ts";
import { MAX_ENTITIES } from "./entity-table.ts";
import type { SessionState } from "./session-state.ts";
import { bytesOf } from "./session-table.ts";
import type { Store } from "./store.ts";
import type { RequestState, TimerState } from "./tables.ts";

/**
 * The state of a shard as bytes. A *delta* lists what one tick changed; a *snapshot* is the delta that
 * makes everything out of an empty store. Both are the tick number and a run of operations, each
 * giving absolute values, so that applying one twice does no harm. Numbers keep their full precision.
 *
 * The order of a snapshot's operations is fixed (ids and keys ascending): equal states have equal
 * bytes, and the state hash is the hash of these bytes.
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

const MAX_TEXT = 1_024;
/** Of a stream, as clients send it. */
const STREAM_BYTES = 8;
const MAX_PLAIN = 65_536;
const MAX_PAYLOAD = 65_536;
const MAX_INPUTS = 256 * 1024 * 1024;

export class StateCodec {
  private readonly exact: readonly StructCodec[];

  constructor(definition: CompiledDefinition) {
    this.exact = definition.data.components.map((c) => compileStruct(c.fields, { exact: true }));
  }

  /** Writes what the current tick changed, and the inputs that led to it (for replay and audit). */
  writeDelta(writer: ByteWriter, store: Store, inputs: Uint8Array): void {
    writer.varint(store.tick);
    this.writeGlobals(writer, store);
    for (const entity of store.entities.dirty) {
      if (!entity.$dirty) continue;
      if (!entity.alive) {
        if (!entity.$spawned) this.writeId(writer, Op.despawned, entity.id);
        continue;
      }
      if (entity.$spawned || entity.$metaChanged) this.writeEntity(writer, entity);
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
    for (const key of store.kv.touched) this.writeKey(writer, store, key);
    for (const [id, change] of store.sessions.changes) {
      const session = store.sessions.sessionById(id);
      if (session === undefined) this.writeId(writer, Op.sessionEnd, id);
      else if (change.full) this.writeSession(writer, session);
      else {
        this.writeCounters(writer, session);
        for (const m of session.outbox) {
          if (m.seq <= change.outSeqBefore) continue;
          this.writeId(writer, Op.sessionOutbox, id);
          writeOutboxMessage(writer, m);
        }
      }
    }
    for (const id of store.timers.touched) this.writeTimer(writer, id, store.timers.get(id));
    for (const id of store.requests.touched) this.writeRequest(writer, id, store.requests.get(id));
    if (inputs.length > 0) {
      writer.u8(Op.inputs);
      writer.block(inputs);
    }
    writer.u8(Op.end);
  }

  /** Writes the whole state. */
  writeSnapshot(writer: ByteWriter, store: Store): void {
    writer.varint(store.tick);
    this.writeGlobals(writer, store);
    for (const entity of store.entities.all()) {
      this.writeEntity(writer, entity);
      this.writeTopic(writer, entity);
    }
    for (const key of [...store.kv.keys()].sort()) this.writeKey(writer, store, key);
    for (const session of byId(store.sessions.all())) this.writeSession(writer, session);
    for (const timer of byId(store.timers.values())) this.writeTimer(writer, timer.id, timer);
    for (const request of byId(store.requests.values()))
      this.writeRequest(writer, request.id, request);
    writer.u8(Op.end);
  }

  /**
   * Applies a delta or a snapshot.
   * @throws DecodeError for bytes that no writer of this format wrote.
   */
  apply(bytes: Uint8Array, store: Store): void {
    const reader = new ByteReader(bytes);
    store.tick = reader.varint();
    for (let op = reader.u8(); op !== Op.end; op = reader.u8()) this.applyOp(op, reader, store);
    reader.end();
    // A follower has no changes of its own; without this it would remember all it ever took in.
    store.clearChanges();
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
        this.readComponents(reader, store, entity);
        return;
      }
      case Op.dropped: {
        const entity = entityOf(store, reader.varint());
        const mask = reader.varint();
        for (let i = 0; i < this.exact.length; i++)
          if ((mask & (1 << i)) !== 0) store.entities.unset(entity, i);
        return;
      }
      case Op.despawned: {
        const entity = store.entities.get(reader.varint());
        if (entity !== undefined) store.entities.drop(entity);
        return;
      }
      case Op.topic: {
        const entity = entityOf(store, reader.varint());
        entity.$topic = reader.varint() - 1;
        entity.$index = reader.varint();
        if (entity.$index >= MAX_ENTITIES) throw new DecodeError(`topic index ${entity.$index}`);
        return;
      }
      case Op.kvSet:
        return store.kv.load(reader.text(MAX_TEXT), readPlain(reader));
      case Op.kvDelete:
        return store.kv.load(reader.text(MAX_TEXT), undefined);
      case Op.session:
        return readSession(reader, store);
      case Op.sessionCounters:
        return readCounters(reader, sessionOf(store, reader.varint()));
      case Op.sessionOutbox: {
        const session = sessionOf(store, reader.varint());
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
        return store.timers.load(reader.varint(), undefined);
      case Op.request:
        return readRequest(reader, store);
      case Op.requestEnd:
        return store.requests.load(reader.varint(), undefined);
      case Op.inputs:
        reader.block(MAX_INPUTS);
        return;
      default:
        throw new DecodeError(`unknown state operation ${op}`);
    }
  }

  private writeGlobals(writer: ByteWriter, store: Store): void {
    writer.u8(Op.random);
    for (const word of store.random.save()) writer.u32(word);
    writer.u8(Op.counters);
    writer.varint(store.entities.nextId);
    writer.varint(store.sessions.nextId);
    writer.varint(store.nextTimerId);
    writer.varint(store.nextRequestId);
    writer.varint(store.timeline);
  }

  private writeId(writer: ByteWriter, op: number, id: number): void {
    writer.u8(op);
    writer.varint(id);
  }

  private writeEntity(writer: ByteWriter, entity: ShardEntity): void {
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

  private writeKey(writer: ByteWriter, store: Store, key: string): void {
    const value = store.kv.get(key);
    writer.u8(value === undefined ? Op.kvDelete : Op.kvSet);
    writer.text(key);
    if (value !== undefined) writer.block(encodePlain(value));
  }

  private writeSession(writer: ByteWriter, session: SessionState): void {
    this.writeId(writer, Op.session, session.id);
    writer.text(session.account);
    writer.text(session.name);
    writer.block(encodePlain(session.data));
    writer.block(streamAndJoin(session));
    writer.varint(session.epoch);
    writer.varint(session.attempt);
    writer.u8(session.connected ? 1 : 0);
    writer.varint(session.graceEnd);
    writer.varint(session.sharedSeq);
    writer.varint(session.entity);
    writer.varint(session.channels.size);
    for (const channel of [...session.channels].sort((a, b) => a - b)) writer.varint(channel);
    writeNumbers(writer, session);
    writer.varint(session.outbox.length);
    for (const message of session.outbox) writeOutboxMessage(writer, message);
  }

  private writeCounters(writer: ByteWriter, session: SessionState): void {
    this.writeId(writer, Op.sessionCounters, session.id);
    writeNumbers(writer, session);
  }

  private writeTimer(writer: ByteWriter, id: number, timer: TimerState | undefined): void {
    this.writeId(writer, timer === undefined ? Op.timerEnd : Op.timer, id);
    if (timer === undefined) return;
    writer.varint(timer.due);
    writer.text(timer.name);
    writer.block(encodePlain(timer.data));
  }

  private writeRequest(writer: ByteWriter, id: number, request: RequestState | undefined): void {
    this.writeId(writer, request === undefined ? Op.requestEnd : Op.request, id);
    if (request === undefined) return;
    writer.text(request.service);
    writer.block(encodePlain(request.payload));
  }
}

function byId<T extends { readonly id: number }>(items: Iterable<T>): T[] {
  return [...items].sort((a, b) => a.id - b.id);
}

function entityOf(store: Store, id: number): ShardEntity {
  const entity = store.entities.get(id);
  if (entity === undefined) throw new DecodeError(`the state has no entity ${id}`);
  return entity;
}

function sessionOf(store: Store, id: number): SessionState {
  const session = store.sessions.sessionById(id);
  if (session === undefined) throw new DecodeError(`the state has no session ${id}`);
  return session;
}

function readPlain(reader: ByteReader) {
  const decoded = decodePlain(reader.block(MAX_PLAIN));
  if (!decoded.ok) throw new DecodeError(decoded.problem);
  return decoded.value;
}

function writeNumbers(writer: ByteWriter, session: SessionState): void {
  writer.varint(session.appliedSeq);
  writer.varint(session.lastInput);
  writer.varint(session.outSeq);
  writer.varint(session.ackedSeq);
}

function readCounters(reader: ByteReader, session: SessionState): void {
  session.appliedSeq = reader.varint();
  session.lastInput = reader.varint();
  session.outSeq = reader.varint();
  session.ackedSeq = reader.varint();
  session.outbox = session.outbox.filter((m) => m.seq > session.ackedSeq);
  session.outboxBytes = bytesOf(session.outbox);
}

function writeOutboxMessage(
  writer: ByteWriter,
  message: { seq: number; index: number; payload: Uint8Array },
): void {
  writer.varint(message.seq);
  writer.varint(message.index);
  writer.block(message.payload);
}

function readOutboxMessage(reader: ByteReader) {
  return {
    seq: reader.varint(),
    index: reader.varint(),
    payload: reader.block(MAX_PAYLOAD).slice(),
  };
}

/** The number is left out where it is 0, which it nearly always is. */
function streamAndJoin({ stream, join }: SessionState): Uint8Array {
  if (join === 0) return stream;
  const writer = new ByteWriter();
  writer.raw(stream);
  writer.varint(join);
  return writer.finish();
}

function readStreamAndJoin(block: Uint8Array): { stream: Uint8Array; join: number } {
  const stream = block.slice(0, STREAM_BYTES);
  if (block.length <= STREAM_BYTES) return { stream, join: 0 };
  return { stream, join: new ByteReader(block.subarray(STREAM_BYTES)).varint() };
}

function readSession(reader: ByteReader, store: Store): void {
  const id = reader.varint();
  const account = reader.text(MAX_TEXT);
  const session: SessionState = {
    id,
    account,
    name: reader.text(MAX_TEXT),
    data: readPlain(reader),
    ...readStreamAndJoin(reader.block(64)),
    epoch: reader.varint(),
    attempt: reader.varint(),
    connected: reader.u8() === 1,
    graceEnd: reader.varint(),
    sharedSeq: reader.varint(),
    entity: reader.varint(),
    channels: new Set<number>(),
    appliedSeq: 0,
    lastInput: 0,
    outSeq: 0,
    ackedSeq: 0,
    outbox: [],
    outboxBytes: 0,
  };
  const channels = reader.varint();
  if (channels > 1_000) throw new DecodeError(`${channels} channels`);
  for (let i = 0; i < channels; i++) session.channels.add(reader.varint());
  readCounters(reader, session);
  const count = reader.varint();
  for (let i = 0; i < count; i++) session.outbox.push(readOutboxMessage(reader));
  session.outboxBytes = bytesOf(session.outbox);
  const known = store.sessions.sessionById(id);
  if (known === undefined) store.sessions.insert(session);
  else Object.assign(known, session);
}

function readTimer(reader: ByteReader, store: Store): void {
  const id = reader.varint();
  const due = reader.varint();
  const name = reader.text(MAX_TEXT);
  store.timers.load(id, { id, due, name, data: readPlain(reader) });
}

function readRequest(reader: ByteReader, store: Store): void {
  const id = reader.varint();
  const service = reader.text(MAX_TEXT);
  store.requests.load(id, { id, service, payload: readPlain(reader) });
}
