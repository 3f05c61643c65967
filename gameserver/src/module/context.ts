import {
  clipText,
  MAX_NAME_BYTES,
  MAX_PAYLOAD_BYTES,
  PlainError,
  textBytes,
  toPlain,
} from "@atlasnet/core";
import type {
  CompiledDefinition,
  CompiledStruct,
  Plain,
  Position,
  StructValue,
} from "@atlasnet/world";
import { ByteWriter } from "@atlasnet/world";
import type { ShardEntity } from "../shard/entity.ts";
import type { SessionState } from "../shard/session-state.ts";
import { checkName, type Store } from "../shard/store.ts";

/**
 * What world code holds in its hands (`WorldContext` of @atlasnet/world), over the store. It is typed
 * loosely here: the module's own types come from its definition, the checks from the codecs.
 */
export class ModuleContext {
  private readonly store: Store;
  private readonly messages: Map<string, CompiledStruct>;
  private readonly scratch = new ByteWriter();
  readonly config: Plain;
  readonly dt: number;
  readonly random: ContextRandom;
  readonly kv: ContextKeyValue;

  constructor(store: Store, config: Plain) {
    const { definition } = store;
    this.store = store;
    this.config = config;
    this.dt = 1 / definition.data.tickRate;
    this.messages = new Map(definition.serverMessages.map((m) => [m.name, m]));
    this.random = new ContextRandom(store);
    this.kv = new ContextKeyValue(store);
    store.sessions.makePlayer = (session) => new ModulePlayer(session, store, this);
  }

  get tick(): number {
    return this.store.tick;
  }

  get time(): number {
    return this.store.tick / this.definition.data.tickRate;
  }

  get definition(): CompiledDefinition {
    return this.store.definition;
  }

  get players(): Iterable<ModulePlayer> {
    return [...this.store.sessions.all()].map((session) => this.playerOf(session));
  }

  get playerCount(): number {
    return this.store.sessions.size;
  }

  player(id: number): ModulePlayer | undefined {
    const session = this.store.sessions.sessionById(id);
    return session === undefined ? undefined : this.playerOf(session);
  }

  playerOf(session: SessionState): ModulePlayer {
    const player = this.store.sessions.playerOf(session);
    if (!(player instanceof ModulePlayer)) throw new Error("a session without its player object");
    return player;
  }

  spawn(components: { readonly [name: string]: StructValue }): ShardEntity {
    return this.store.entities.spawn(components);
  }

  entity(id: number): ShardEntity | undefined {
    return this.store.entities.get(id);
  }

  get entityCount(): number {
    return this.store.entities.size;
  }

  *query(...components: readonly string[]): Iterable<ShardEntity> {
    let mask = 0;
    for (const name of components) mask |= 1 << this.store.entities.componentIndex(name);
    // The list is as of now: an entity that lost a component or died meanwhile is left out.
    for (const entity of this.store.entities.withMask(mask))
      if (entity.alive && (entity.$mask & mask) === mask) yield entity;
  }

  near(at: Position, radius: number): Iterable<ShardEntity> {
    return this.store.entities.near(at, radius);
  }

  broadcast(message: string, payload: StructValue): void {
    const { index, bytes } = this.encode(message, payload);
    for (const session of [...this.store.sessions.all()])
      this.store.sessions.send(session, index, bytes);
  }

  encode(message: string, payload: StructValue): { index: number; bytes: Uint8Array } {
    const struct = this.messages.get(message);
    if (struct === undefined) {
      const known = [...this.messages.keys()].join(", ") || "none";
      throw new TypeError(`no server message "${message}". Server messages: ${known}.`);
    }
    this.scratch.reset();
    struct.codec.encode(this.scratch, struct.codec.check(payload, message));
    if (this.scratch.length > MAX_PAYLOAD_BYTES)
      throw new RangeError(
        `message "${message}" takes ${this.scratch.length} bytes, at most ${MAX_PAYLOAD_BYTES}`,
      );
    return { index: struct.index, bytes: this.scratch.finish() };
  }

  after(ticks: number, name: string, data: Plain = null): number {
    return this.store.addTimer(ticks, name, toPlain(data));
  }

  cancel(timer: number): void {
    this.store.timers.delete(timer);
  }

  request(service: string, payload: Plain): number {
    return this.store.addRequest(service, toPlain(payload));
  }

  log(message: string, facts: { readonly [key: string]: Plain } = {}): void {
    const kept: { [key: string]: Plain } = {};
    for (const [key, value] of Object.entries(facts)) kept[key] = logged(value);
    this.store.log(String(message).slice(0, 1_000), kept);
  }
}

/** Most bytes of one fact of a log line. */
const MAX_FACT_BYTES = 4_096;

/** A log line must not fail for what it is about: what is not plain data is shown as text. */
function logged(value: unknown): Plain {
  try {
    return toPlain(value, MAX_FACT_BYTES);
  } catch (error) {
    if (!(error instanceof PlainError)) throw error;
    return clipText(String(value), 200);
  }
}

class ContextRandom {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  float(): number {
    return this.store.random.float();
  }

  int(min: number, max: number): number {
    if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || min > max)
      throw new RangeError(`random.int(${min}, ${max}): two integers, the lower first`);
    return min + Math.floor(this.store.random.float() * (max - min + 1));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.store.random.float() * items.length)];
    if (item === undefined) throw new RangeError("random.pick needs at least one item");
    return item;
  }
}

class ContextKeyValue {
  private readonly store: Store;

  constructor(store: Store) {
    this.store = store;
  }

  get(key: string): Plain | undefined {
    return this.store.kv.get(key);
  }

  set(key: string, value: Plain): void {
    checkName("a key", key);
    this.store.kv.set(key, toPlain(value));
  }

  delete(key: string): void {
    this.store.kv.delete(key);
  }

  /** In order of the text, so that a restored world sees the same order. */
  keys(): Iterable<string> {
    return [...this.store.kv.keys()].sort();
  }
}

/** A session as world code sees it (`Player` of @atlasnet/world). */
export class ModulePlayer {
  private readonly session: SessionState;
  private readonly store: Store;
  private readonly context: ModuleContext;

  constructor(session: SessionState, store: Store, context: ModuleContext) {
    this.session = session;
    this.store = store;
    this.context = context;
  }

  get id(): number {
    return this.session.id;
  }

  get account(): string {
    return this.session.account;
  }

  get name(): string {
    return this.session.name;
  }

  get data(): Plain {
    return this.session.data;
  }

  get connected(): boolean {
    return this.session.connected;
  }

  get entity(): ShardEntity | undefined {
    return this.store.entities.get(this.session.entity);
  }

  set entity(entity: ShardEntity | undefined) {
    if (entity !== undefined) this.store.entities.setOwner(entity, this.session);
    this.store.sessions.setEntity(this.session, entity?.id ?? 0);
  }

  send(message: string, payload: StructValue): void {
    const { index, bytes } = this.context.encode(message, payload);
    this.store.sessions.send(this.session, index, bytes);
  }

  subscribe(channel: string): void {
    this.store.sessions.setChannel(this.session, this.channelIndex(channel), true);
  }

  unsubscribe(channel: string): void {
    this.store.sessions.setChannel(this.session, this.channelIndex(channel), false);
  }

  kick(reason = "removed by the world"): void {
    this.store.effects.push({
      type: "kick",
      session: this.session.id,
      reason: String(reason).slice(0, 200),
    });
  }

  transfer(world: string): void {
    if (typeof world !== "string" || world === "" || textBytes(world) > MAX_NAME_BYTES)
      throw new RangeError(`transfer(world): a world's name, 1 to ${MAX_NAME_BYTES} bytes`);
    this.store.effects.push({ type: "transfer", session: this.session.id, world });
  }

  private channelIndex(name: string): number {
    const channels = this.store.definition.data.channels;
    const index = channels.findIndex((channel) => channel.name === name);
    if (index < 0) {
      const known = channels.map((channel) => channel.name).join(", ") || "none";
      throw new TypeError(`no channel "${name}" in the definition. Channels: ${known}.`);
    }
    return index;
  }
}
