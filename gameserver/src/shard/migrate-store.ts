import {
  ByteReader,
  ByteWriter,
  type CompiledDefinition,
  DecodeError,
  FieldError,
  type StructValue,
} from "@atlasnet/world";
import type { ShardEntity } from "./entity.ts";
import type { OutboxMessage, SessionState } from "./session-state.ts";
import { bytesOf } from "./session-table.ts";
import type { Store } from "./store.ts";

/** An entity's components in the new form, or undefined to leave the entity behind. */
export type MigrateEntity = (entity: {
  id: number;
  components: { [name: string]: StructValue };
}) => { [name: string]: StructValue } | undefined;

/**
 * Fills an empty store with the state of another that has an older definition: entities by way of
 * `migrate`, everything that has a name by its name. A session whose unread messages have no form in
 * the new definition is left behind with its entity.
 */
export function migrateStore(old: Store, next: Store, migrate: MigrateEntity): void {
  next.tick = old.tick;
  next.timeline = old.timeline;
  next.random.load(old.random.save());
  next.nextTimerId = old.nextTimerId;
  next.nextRequestId = old.nextRequestId;
  next.sessions.nextId = old.sessions.nextId;
  for (const key of old.kv.keys()) next.kv.load(key, old.kv.get(key));
  for (const timer of old.timers.values()) next.timers.load(timer.id, timer);
  for (const request of old.requests.values()) next.requests.load(request.id, request);
  const lost = new Set<number>();
  for (const session of old.sessions.all()) {
    const carried = carrySession(session, old.definition, next.definition);
    if (carried === undefined) lost.add(session.entity);
    else next.sessions.insert(carried);
  }
  for (const entity of old.entities.all())
    if (!lost.has(entity.id)) carryEntity(entity, old.definition, next, migrate);
  next.entities.nextId = old.entities.nextId;
}

function carryEntity(
  entity: ShardEntity,
  definition: CompiledDefinition,
  next: Store,
  migrate: MigrateEntity,
): void {
  const components: { [name: string]: StructValue } = {};
  for (const { name, index } of definition.components) {
    const component = entity.$components[index];
    if (component !== undefined) components[name] = component.$copy();
  }
  const migrated = migrate({ id: entity.id, components });
  if (migrated === undefined) return;
  const carried = next.entities.insert(entity.id);
  for (const { name, index, codec } of next.definition.components) {
    const values = migrated[name];
    if (values !== undefined) next.entities.set(carried, index, codec.check(values, name));
  }
  const owner = next.sessions.sessionById(entity.$owner);
  if (owner !== undefined) next.entities.moveOwner(carried, owner.id);
  const channel = definition.data.channels[entity.$channel]?.name;
  carried.$channel = next.definition.data.channels.findIndex((c) => c.name === channel);
}

function carrySession(
  session: SessionState,
  old: CompiledDefinition,
  next: CompiledDefinition,
): SessionState | undefined {
  const outbox: OutboxMessage[] = [];
  for (const message of session.outbox) {
    const carried = carryMessage(message, old, next);
    if (carried === undefined) return undefined;
    outbox.push(carried);
  }
  const channels = new Set<number>();
  for (const channel of session.channels) {
    const name = old.data.channels[channel]?.name;
    const index = next.data.channels.findIndex((c) => c.name === name);
    if (index >= 0) channels.add(index);
  }
  return { ...session, outbox, outboxBytes: bytesOf(outbox), channels };
}

function carryMessage(
  message: OutboxMessage,
  old: CompiledDefinition,
  next: CompiledDefinition,
): OutboxMessage | undefined {
  const before = old.serverMessages[message.index];
  const after = next.serverMessages.find((m) => m.name === before?.name);
  if (before === undefined || after === undefined) return undefined;
  const known = new Set(after.codec.fields.map(([name]) => name));
  try {
    const value = before.codec.decode(new ByteReader(message.payload));
    const kept = Object.fromEntries(Object.entries(value).filter(([name]) => known.has(name)));
    const writer = new ByteWriter();
    after.codec.encode(writer, after.codec.check(kept, after.name));
    return { seq: message.seq, index: after.index, payload: writer.finish() };
  } catch (error) {
    if (error instanceof FieldError || error instanceof DecodeError) return undefined;
    throw error;
  }
}
