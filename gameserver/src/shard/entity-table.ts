import type { CompiledDefinition, Position, StructValue } from "@atlasnet/world";
import { lowestIndex } from "./bits.ts";
import type { ComponentState } from "./component.ts";
import {
  type EntityClasses,
  type EntityOwner,
  entityClasses,
  NO_TOPIC,
  type ShardEntity,
} from "./entity.ts";
import type { SessionState } from "./session-state.ts";
import type { UndoLog } from "./undo-log.ts";

/** Most entities of one shard. */
export const MAX_ENTITIES = 1_000_000;

/** What the table needs to know of sessions. */
export interface SessionLookup {
  sessionById(id: number): SessionState | undefined;
  playerOf(session: SessionState): unknown;
}

/**
 * The entities of a shard.
 *
 * 1. Iteration is in order of id: the same on every replica.
 * 2. Every change lands in `dirty` before the end of the tick, for the delta and the topics.
 * 3. `$cell` follows every write to a position at once, so that `near` never misses anyone.
 */
export class EntityTable implements EntityOwner {
  readonly definition: CompiledDefinition;
  private readonly undo: UndoLog;
  private readonly sessions: SessionLookup;
  private readonly classes: EntityClasses;
  private readonly indexByName = new Map<string, number>();
  private readonly positionIndex: number;

  private byId = new Map<number, ShardEntity>();
  private inCell = new Map<number, Set<ShardEntity>>();
  private ownedBy = new Map<number, Set<ShardEntity>>();
  private queries = new Map<number, readonly ShardEntity[]>();
  private unsorted = false;
  /** No entity has a higher id. */
  private highest = 0;

  /** Entities changed since the last `clearChanges`, each once or more; `$dirty` says which count. */
  readonly dirty: ShardEntity[] = [];
  /** Told of an entity before its first change in a tick; those that it does not know yet included. */
  readonly watchers = new Set<(entity: ShardEntity) => void>();
  /** Told where a followed entity stands from here on, before `$topic` and `$index` say so. */
  onPlace: ((entity: ShardEntity, topic: number, index: number) => void) | undefined;
  nextId = 1;

  constructor(definition: CompiledDefinition, undo: UndoLog, sessions: SessionLookup) {
    this.definition = definition;
    this.undo = undo;
    this.sessions = sessions;
    this.classes = entityClasses(definition);
    for (const { name, index } of definition.components) this.indexByName.set(name, index);
    const position = definition.data.space?.component;
    this.positionIndex = position === undefined ? -1 : this.componentIndex(position);
  }

  get size(): number {
    return this.byId.size;
  }

  get(id: number): ShardEntity | undefined {
    return this.byId.get(id);
  }

  all(): Iterable<ShardEntity> {
    this.sort();
    return this.byId.values();
  }

  componentIndex(name: string): number {
    const index = this.indexByName.get(name);
    if (index === undefined) {
      const known = [...this.indexByName.keys()].join(", ");
      throw new TypeError(`no component "${name}" in the definition. Components: ${known}.`);
    }
    return index;
  }

  channelName(channel: number): string | undefined {
    return this.definition.data.channels[channel]?.name;
  }

  sessionById(id: number): SessionState | undefined {
    return this.sessions.sessionById(id);
  }

  playerOf(session: SessionState): unknown {
    return this.sessions.playerOf(session);
  }

  spawn(components: { readonly [name: string]: StructValue }): ShardEntity {
    if (this.byId.size >= MAX_ENTITIES)
      throw new RangeError(`the world has ${MAX_ENTITIES} entities, the most a shard may have`);
    const id = this.nextId;
    this.undo.push(() => {
      this.nextId = id;
      const entity = this.byId.get(id);
      if (entity !== undefined) this.drop(entity);
    });
    this.nextId = id + 1;
    this.highest = id;
    const entity = this.insert(id);
    entity.$spawned = true;
    for (const name in components) this.addComponent(entity, name, components[name] ?? {});
    return entity;
  }

  /** Puts an entity in without an undo entry: restore and replicas. */
  insert(id: number): ShardEntity {
    const entity = new this.classes.entity(this, id, this.classes.components.length);
    if (id < this.highest) this.unsorted = true;
    else this.highest = id;
    this.byId.set(id, entity);
    this.changed(entity);
    return entity;
  }

  despawn(entity: ShardEntity): void {
    if (!entity.alive) return;
    this.undo.push(() => {
      entity.alive = true;
      this.byId.set(entity.id, entity);
      this.unsorted = true;
      this.enterCell(entity);
      this.enterOwner(entity);
      this.queries.clear();
    });
    this.changed(entity);
    this.drop(entity);
  }

  /** Takes an entity out without an undo entry. */
  drop(entity: ShardEntity): void {
    entity.alive = false;
    this.byId.delete(entity.id);
    this.inCell.get(entity.$cell)?.delete(entity);
    this.ownedBy.get(entity.$owner)?.delete(entity);
    this.queries.clear();
  }

  /** Puts a followed entity where subscribers know it. */
  place(entity: ShardEntity, topic: number, index: number): void {
    this.changed(entity);
    this.onPlace?.(entity, topic, index);
    entity.$topic = topic;
    entity.$index = index;
  }

  /** Takes a followed entity out. */
  dropFollowed(entity: ShardEntity): void {
    this.place(entity, NO_TOPIC, 0);
    this.drop(entity);
  }

  addComponent(entity: ShardEntity, name: string, value: StructValue): ComponentState {
    mustLive(entity);
    const index = this.componentIndex(name);
    const full = this.checked(index, value, name);
    const existing = entity.$components[index];
    if (existing !== undefined) {
      this.touch(entity, existing);
      existing.$load(full);
      if (index === this.positionIndex) this.moved(entity);
      return existing;
    }
    const removed = entity.$removed;
    this.undo.push(() => {
      this.unset(entity, index);
      entity.$removed = removed;
    });
    entity.$touched |= 1 << index;
    this.changed(entity);
    return this.set(entity, index, full);
  }

  removeComponent(entity: ShardEntity, name: string): void {
    const index = this.componentIndex(name);
    const component = entity.$components[index];
    if (component === undefined) return;
    mustLive(entity);
    const removed = entity.$removed;
    // The very object comes back: older undo entries are about it.
    this.undo.push(() => {
      this.attach(entity, component);
      entity.$removed = removed;
    });
    this.changed(entity);
    this.unset(entity, index);
  }

  /** Sets a component's values without checks, change marks or undo. */
  set(entity: ShardEntity, index: number, values: StructValue): ComponentState {
    const existing = entity.$components[index];
    if (existing !== undefined) {
      existing.$load(values);
      if (index === this.positionIndex) this.moved(entity);
      return existing;
    }
    const type = this.classes.components[index];
    if (type === undefined) throw new RangeError(`no component ${index}`);
    const component = new type(entity, values);
    this.attach(entity, component);
    return component;
  }

  private attach(entity: ShardEntity, component: ComponentState): void {
    const index = component.$index;
    entity.$components[index] = component;
    entity.$mask |= 1 << index;
    entity.$removed &= ~(1 << index);
    if (index === this.positionIndex) this.enterCell(entity);
    this.queries.clear();
  }

  /** Takes a component off without change marks or undo. */
  unset(entity: ShardEntity, index: number): void {
    entity.$components[index] = undefined;
    entity.$mask &= ~(1 << index);
    entity.$removed |= 1 << index;
    if (index === this.positionIndex) {
      this.inCell.get(entity.$cell)?.delete(entity);
      entity.$cell = NO_TOPIC;
    }
    this.queries.clear();
  }

  setOwner(entity: ShardEntity, session: SessionState | undefined): void {
    const before = entity.$owner;
    const after = session?.id ?? 0;
    if (before === after) return;
    mustLive(entity);
    this.undo.push(() => this.moveOwner(entity, before));
    entity.$metaChanged = true;
    this.changed(entity);
    this.moveOwner(entity, after);
  }

  setChannel(entity: ShardEntity, name: string | undefined): void {
    const before = entity.$channel;
    const channels = this.definition.data.channels;
    const after = name === undefined ? -1 : channels.findIndex((c) => c.name === name);
    if (name !== undefined && after < 0) {
      const known = channels.map((c) => c.name).join(", ") || "none";
      throw new TypeError(`no channel "${name}" in the definition. Channels: ${known}.`);
    }
    mustLive(entity);
    this.undo.push(() => {
      entity.$channel = before;
    });
    entity.$metaChanged = true;
    this.changed(entity);
    entity.$channel = after;
  }

  moveOwner(entity: ShardEntity, owner: number): void {
    this.ownedBy.get(entity.$owner)?.delete(entity);
    entity.$owner = owner;
    this.enterOwner(entity);
  }

  /** Entities owned by a session, in order of id. */
  ownedBySession(session: number): readonly ShardEntity[] {
    return [...(this.ownedBy.get(session) ?? [])].sort((a, b) => a.id - b.id);
  }

  touch(entity: ShardEntity, component: ComponentState): void {
    if (component.$mark === this.undo.mark) return;
    const values = component.$copy();
    this.undo.push(() => {
      component.$load(values);
      if (component.$index === this.positionIndex) this.moved(entity);
    });
    component.$mark = this.undo.mark;
    // Writes to what is no longer in the world are of no interest, unless they are taken back with its end.
    if (!entity.alive) return;
    const bit = 1 << component.$index;
    if ((entity.$touched & bit) === 0) {
      entity.$before[component.$index] = values;
      entity.$touched |= bit;
    }
    if (!entity.$dirty) this.changed(entity);
  }

  moved(entity: ShardEntity): void {
    if (!entity.alive) return;
    const cell = this.cellOf(entity);
    if (cell === entity.$cell) return;
    this.inCell.get(entity.$cell)?.delete(entity);
    entity.$cell = cell;
    this.enterCell(entity);
  }

  position(entity: ShardEntity): Position | undefined {
    const component = entity.$components[this.positionIndex];
    // Guarded by the definition: the component has numeric x, y and, in three dimensions, z.
    return component as unknown as Position | undefined;
  }

  /** Entities with all components of the mask, in order of id; a list that no change touches. */
  withMask(mask: number): readonly ShardEntity[] {
    let found = this.queries.get(mask);
    if (found === undefined) {
      const list: ShardEntity[] = [];
      for (const entity of this.all()) if ((entity.$mask & mask) === mask) list.push(entity);
      found = list;
      this.queries.set(mask, found);
    }
    return found;
  }

  /** Entities within a radius of a point, in order of id. */
  near(at: Position, radius: number): ShardEntity[] {
    const grid = this.definition.grid;
    if (grid === undefined) throw new TypeError("near() needs a space in the definition");
    const found: ShardEntity[] = [];
    const low = grid.cellOf(
      grid.topicAt({ x: at.x - radius, y: at.y - radius, z: (at.z ?? 0) - radius }),
    );
    const high = grid.cellOf(
      grid.topicAt({ x: at.x + radius, y: at.y + radius, z: (at.z ?? 0) + radius }),
    );
    for (let z = low[2]; z <= high[2]; z++)
      for (let y = low[1]; y <= high[1]; y++)
        for (let x = low[0]; x <= high[0]; x++)
          for (const entity of this.inCell.get(grid.topic(x, y, z)) ?? []) {
            const p = this.position(entity);
            if (p === undefined) continue;
            const dx = p.x - at.x;
            const dy = p.y - at.y;
            const dz = (p.z ?? 0) - (at.z ?? 0);
            if (dx * dx + dy * dy + dz * dz <= radius * radius) found.push(entity);
          }
    return found.sort((a, b) => a.id - b.id);
  }

  /** Marks an entity as changed in this tick; before it is. */
  changed(entity: ShardEntity): void {
    if (entity.$dirty) return;
    if (this.watchers.size > 0) for (const watcher of this.watchers) watcher(entity);
    this.dirty.push(entity);
    entity.$ownerBefore = entity.$owner;
    entity.$dirty = true;
  }

  /** Forgets the changes of the tick; the next one starts clean. */
  clearChanges(): void {
    for (const entity of this.dirty) {
      entity.$dirty = false;
      entity.$spawned = false;
      entity.$metaChanged = false;
      entity.$topicChanged = false;
      entity.$removed = 0;
      for (let rest = entity.$touched; rest !== 0; rest &= rest - 1)
        entity.$before[lowestIndex(rest)] = undefined;
      entity.$touched = 0;
    }
    this.dirty.length = 0;
  }

  /** Makes every derived index anew; after an interruption nothing derived is trusted. */
  rebuild(): void {
    this.inCell = new Map();
    this.ownedBy = new Map();
    this.queries = new Map();
    this.unsorted = true;
    for (const entity of this.all()) {
      entity.$mask = 0;
      entity.$components.forEach((component, i) => {
        if (component !== undefined) entity.$mask |= 1 << i;
      });
      entity.$cell = this.cellOf(entity);
      this.enterCell(entity);
      this.enterOwner(entity);
    }
  }

  private sort(): void {
    if (!this.unsorted) return;
    this.byId = new Map([...this.byId].sort(([a], [b]) => a - b));
    this.unsorted = false;
  }

  private checked(index: number, value: StructValue, name: string): StructValue {
    const component = this.definition.components[index];
    if (component === undefined) throw new RangeError(`no component ${index}`);
    return component.codec.check(value, name);
  }

  private cellOf(entity: ShardEntity): number {
    const position = this.position(entity);
    const grid = this.definition.grid;
    return position === undefined || grid === undefined ? NO_TOPIC : grid.topicAt(position);
  }

  private enterCell(entity: ShardEntity): void {
    entity.$cell = this.cellOf(entity);
    if (entity.$cell === NO_TOPIC) return;
    let members = this.inCell.get(entity.$cell);
    if (members === undefined) {
      members = new Set();
      this.inCell.set(entity.$cell, members);
    }
    members.add(entity);
  }

  private enterOwner(entity: ShardEntity): void {
    if (entity.$owner === 0) return;
    let owned = this.ownedBy.get(entity.$owner);
    if (owned === undefined) {
      owned = new Set();
      this.ownedBy.set(entity.$owner, owned);
    }
    owned.add(entity);
  }
}

/** @throws TypeError when the entity is no longer in the world. */
function mustLive(entity: ShardEntity): void {
  if (!entity.alive) throw new TypeError(`entity ${entity.id} was despawned`);
}
