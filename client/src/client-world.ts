import {
  ByteReader,
  ByteWriter,
  type CompiledDefinition,
  type CompiledStruct,
  compileDefinition,
  DecodeError,
  type MirrorChanges,
  type MirrorEntity,
  parseDefinition,
  type StructValue,
  WorldMirror,
} from "@atlasnet/world";
import { Interpolator, positionOf } from "./interpolation.ts";
import { Listeners } from "./listeners.ts";
import type { Welcome } from "./messages.ts";
import type { TrafficStats } from "./traffic.ts";
import type { TransportName } from "./transport.ts";
import type { ClientWorld, Closed, Logger, Notice, Point, Unsubscribe, Untyped } from "./types.ts";

/** What a world asks of the connection under it. */
export interface WorldUplink {
  send(index: number, payload: Uint8Array): void;
  input(index: number, payload: Uint8Array): void;
  leave(): Promise<void>;
  readonly connected: boolean;
  readonly rtt: number | undefined;
  readonly stats: TrafficStats;
  readonly transport: TransportName;
  /** Milliseconds, on the clock of `performance.now()`. */
  now(): number;
}

/** The world as the game sees it: the mirror, the listeners, and names instead of numbers. */
export class MirroredWorld implements ClientWorld<Untyped> {
  readonly name: string;
  account = "";
  session = 0;
  tick = 0;
  tickRate = 1;

  private readonly uplink: WorldUplink;
  private readonly logger: Logger;
  /** True when the definition is the server's to say, not the game's. */
  private readonly untyped: boolean;
  private definition: CompiledDefinition | undefined;
  private mirror: WorldMirror | undefined;
  /** The highest tick that the mirror heard of since the welcome. */
  newest = 0;
  /** Only from the first call of `position` on: bots do without. */
  private interpolator: Interpolator | undefined;
  private readonly writer = new ByteWriter(64);
  private readonly messages = new Map<string, Listeners<StructValue>>();
  private readonly added: Listeners<MirrorEntity>;
  private readonly changed: Listeners<MirrorEntity>;
  private readonly removed: Listeners<MirrorEntity>;
  private readonly ticked: Listeners<number>;
  private readonly dropped: Listeners<string>;
  private readonly resumed: Listeners<undefined>;
  private readonly rolledBack: Listeners<undefined>;
  private readonly closed: Listeners<Closed>;
  private readonly transferred: Listeners<string>;
  private readonly noticed: Listeners<Notice>;

  constructor(
    options: { name: string; definition: CompiledDefinition | undefined },
    dependencies: { uplink: WorldUplink; logger: Logger },
  ) {
    const { logger } = dependencies;
    this.name = options.name;
    this.definition = options.definition;
    this.untyped = options.definition === undefined;
    this.uplink = dependencies.uplink;
    this.logger = logger;
    this.added = new Listeners("onAdd", logger);
    this.changed = new Listeners("onChange", logger);
    this.removed = new Listeners("onRemove", logger);
    this.ticked = new Listeners("onTick", logger);
    this.dropped = new Listeners("onDrop", logger);
    this.resumed = new Listeners("onResume", logger);
    this.rolledBack = new Listeners("onRollback", logger);
    this.closed = new Listeners("onClose", logger);
    this.transferred = new Listeners("onTransfer", logger);
    this.noticed = new Listeners("onNotice", logger);
  }

  get entities(): ReadonlyMap<number, MirrorEntity> {
    return this.mirror?.entities ?? NOTHING;
  }

  get own(): MirrorEntity | undefined {
    for (const entity of this.mirror?.own ?? []) return entity;
    return undefined;
  }

  get dilation(): number {
    return this.mirror?.dilation ?? 1;
  }

  get rtt(): number | undefined {
    return this.uplink.rtt;
  }

  get stats(): TrafficStats {
    return this.uplink.stats;
  }

  get transport(): TransportName {
    return this.uplink.transport;
  }

  get connected(): boolean {
    return this.uplink.connected;
  }

  send(message: string, payload: StructValue): void {
    const known = this.known.clientMessages;
    this.uplink.send(...this.encode(known, "client message", message, payload));
  }

  input(input: string, payload: StructValue): void {
    this.uplink.input(...this.encode(this.known.inputs, "input", input, payload));
  }

  private get known(): CompiledDefinition {
    if (this.definition === undefined) throw new Error("the world is not joined yet");
    return this.definition;
  }

  private encode(
    structs: readonly CompiledStruct[],
    what: string,
    name: string,
    payload: StructValue,
  ): [index: number, payload: Uint8Array] {
    const { index, codec } = find(structs, what, name);
    const { writer } = this;
    writer.reset();
    codec.encode(writer, codec.check(payload, name));
    return [index, writer.finish()];
  }

  onMessage(message: string, listener: (payload: StructValue) => void): Unsubscribe {
    find(this.known.serverMessages, "server message", message);
    let listeners = this.messages.get(message);
    if (listeners === undefined) {
      listeners = new Listeners(`the message ${message}`, this.logger);
      this.messages.set(message, listeners);
    }
    return listeners.add(listener);
  }

  onAdd(listener: (entity: MirrorEntity) => void): Unsubscribe {
    return this.added.add(listener);
  }

  onChange(listener: (entity: MirrorEntity) => void): Unsubscribe {
    return this.changed.add(listener);
  }

  onRemove(listener: (entity: MirrorEntity) => void): Unsubscribe {
    return this.removed.add(listener);
  }

  onTick(listener: (tick: number) => void): Unsubscribe {
    return this.ticked.add(listener);
  }

  onDrop(listener: (reason: string) => void): Unsubscribe {
    return this.dropped.add(listener);
  }

  onResume(listener: () => void): Unsubscribe {
    return this.resumed.add(listener);
  }

  onRollback(listener: () => void): Unsubscribe {
    return this.rolledBack.add(listener);
  }

  onClose(listener: (closed: Closed) => void): Unsubscribe {
    return this.closed.add(listener);
  }

  onTransfer(listener: (world: string) => void): Unsubscribe {
    return this.transferred.add(listener);
  }

  onNotice(listener: (notice: Notice) => void): Unsubscribe {
    return this.noticed.add(listener);
  }

  leave(): Promise<void> {
    return this.uplink.leave();
  }

  position(entity: MirrorEntity, now: number | "newest" = this.uplink.now()): Point | undefined {
    const { definition, mirror } = this;
    const space = definition?.data.space;
    if (mirror === undefined || space === null || space === undefined) return undefined;
    if (now === "newest") return positionOf(entity, space);
    if (this.interpolator === undefined) {
      this.interpolator = new Interpolator(space, this.tickRate);
      this.interpolator.heard(this.tick, this.uplink.now(), mirror.dilation);
      for (const known of mirror.entities.values()) this.sample(this.interpolator, mirror, known);
    }
    return this.interpolator.at(entity, now);
  }

  // What the connection calls.

  /** @throws DefinitionError when the welcome's definition is not sound. */
  welcome(welcome: Welcome): void {
    if (this.untyped) this.takeDefinition(welcome);
    this.account = welcome.account;
    this.session = welcome.session;
    this.tick = welcome.tick;
    if (this.tickRate !== welcome.tickRate) this.interpolator = undefined;
    this.tickRate = welcome.tickRate;
    this.mirror ??= new WorldMirror(this.known);
    this.mirror.reset();
    this.newest = 0;
  }

  private takeDefinition(welcome: Welcome): void {
    const definition = compileDefinition(parseDefinition(welcome.definition));
    const known = this.definition;
    if (known !== undefined && sameHash(known.hash, definition.hash)) return;
    const gone = this.mirror?.entities ?? NOTHING;
    this.definition = definition;
    this.mirror = new WorldMirror(definition);
    this.interpolator = undefined;
    for (const entity of gone.values()) this.removed.tell(entity);
  }

  /** Applies a state message; true when the mirror missed something. @throws DecodeError */
  state(packed: Uint8Array): boolean {
    const { mirror } = this;
    if (mirror === undefined) return false;
    const changes = mirror.apply(packed);
    this.tell(mirror, changes);
    this.ticked.tell(this.tick);
    return changes.gap;
  }

  /**
   * Applies changes of topics that came by themselves; true when something is missing for too long.
   * @throws DecodeError
   */
  updates(packed: Uint8Array): boolean {
    const { mirror } = this;
    if (mirror === undefined) return false;
    const before = mirror.tick;
    const changes = mirror.applyUpdates(packed, this.uplink.now());
    this.tell(mirror, changes);
    // One tick comes in several packets, and some come late.
    if (mirror.tick > before) this.ticked.tell(this.tick);
    return changes.gap;
  }

  /** True when something of the world's state is missing for too long. */
  sweep(): boolean {
    return this.mirror?.sweep(this.uplink.now()) === true;
  }

  private tell(mirror: WorldMirror, { added, changed, removed }: MirrorChanges): void {
    const { interpolator } = this;
    if (mirror.tick > this.newest)
      interpolator?.heard(mirror.tick, this.uplink.now(), mirror.dilation);
    this.newest = mirror.tick;
    this.tick = Math.max(this.tick, mirror.tick);
    if (interpolator !== undefined) {
      for (const entity of added) this.sample(interpolator, mirror, entity);
      for (const entity of changed) this.sample(interpolator, mirror, entity);
      for (const entity of removed) interpolator.forget(entity);
    }
    tellAll(this.removed, removed);
    tellAll(this.added, added);
    tellAll(this.changed, changed);
  }

  /** What came late is of an earlier tick than the newest. */
  private sample(interpolator: Interpolator, mirror: WorldMirror, entity: MirrorEntity): void {
    interpolator.sample(entity, mirror.tickOf(entity.id) ?? mirror.tick);
  }

  /** @throws DecodeError */
  deliver(index: number, payload: Uint8Array): void {
    const struct = this.known.serverMessages[index];
    if (struct === undefined) throw new DecodeError(`server message ${index} is not defined`);
    const listeners = this.messages.get(struct.name);
    listeners?.tell(struct.codec.decode(new ByteReader(payload)));
  }

  heardTick(tick: number): void {
    this.tick = Math.max(this.tick, tick);
  }

  drop(reason: string): void {
    this.dropped.tell(reason);
  }

  resume(): void {
    this.resumed.tell(undefined);
  }

  rollBack(): void {
    this.interpolator?.clear();
    this.rolledBack.tell(undefined);
  }

  close(closed: Closed): void {
    this.closed.tell(closed);
  }

  transfer(world: string): void {
    this.transferred.tell(world);
  }

  notice(notice: Notice): void {
    this.noticed.tell(notice);
  }
}

const NOTHING: ReadonlyMap<number, MirrorEntity> = new Map();

function tellAll(listeners: Listeners<MirrorEntity>, entities: readonly MirrorEntity[]): void {
  if (listeners.empty) return;
  for (const entity of entities) listeners.tell(entity);
}

function sameHash(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}

function find(structs: readonly CompiledStruct[], what: string, name: string): CompiledStruct {
  const found = structs.find((struct) => struct.name === name);
  if (found !== undefined) return found;
  const names = structs.map((struct) => struct.name).join(", ") || "none";
  throw new TypeError(`this world has no ${what} "${name}"; it has: ${names}`);
}
