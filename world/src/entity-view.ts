import { ByteWriter, sameBytes } from "./bytes.ts";
import type { StructValue } from "./codec.ts";
import type { CompiledComponent, CompiledDefinition } from "./definition.ts";
import type { ComponentTarget } from "./section.ts";

/** An entity in view: components are properties, `undefined` when it does not have them. */
export interface MirrorEntity {
  readonly id: number;
  /** True when it is this player's own. */
  readonly own: boolean;
  readonly [component: string]: unknown;
}

/** What one state message changed. The object and its lists are used again by the next `apply`. */
export interface MirrorChanges {
  readonly added: MirrorEntity[];
  readonly changed: MirrorEntity[];
  readonly removed: MirrorEntity[];
  /** Something was missed: the caller sends `resync`. Reported once per gap. */
  gap: boolean;
}

/** The same entity as the mirror writes it. */
export interface EntityTarget extends ComponentTarget {
  readonly id: number;
  own: boolean;
}

export interface Tracked {
  readonly entity: EntityTarget;
  /** Topics it is in; while it moves between two it is in both. */
  memberships: number;
  /** What the server said last; `entity.own` follows at the end of the message. */
  own: boolean;
  /** In `entities`, so that its `added` has been told. */
  inView: boolean;
  /** Tick of the newest enter record: what other topics say of earlier ticks is older than it. */
  enteredAt: number;
  /** Tick of the newest leave record; −1 before the first. */
  leftAt: number;
  /** The topic that it moved to by then; undefined when it was gone for good. */
  destination: number | undefined;
  /** Tick of the newest record that wrote public components; −1: none did. */
  tick: number;
  changed: boolean;
  touched: boolean;
  /** From a welcome to the full state behind it: what was known of it then, packed. */
  before: Uint8Array | undefined;
}

/**
 * The entities a player sees, and what a state message did to them.
 *
 * 1. While a message is read, topics and ownership only count and mark; `settle` decides at its end
 *    what came into view, changed, and left it. So the order of records does not matter.
 * 2. Whatever's memberships, ownership or components changed is in `touched`, once.
 * 3. Full state behind a welcome writes everything anew: what comes out as it was before has not changed.
 * 4. After `settle` an entity is tracked if and only if it is in view: a member of a topic, or own.
 */
export class EntityView {
  readonly entities = new Map<number, MirrorEntity>();
  /** The player's own entities, in the order they became its own. */
  readonly own = new Set<MirrorEntity>();
  readonly changes: MirrorChanges = { added: [], changed: [], removed: [], gap: false };
  /** Takes what is read only to get past it. */
  readonly scratch: EntityTarget;

  private readonly definition: CompiledDefinition;
  private readonly tracked = new Map<number, Tracked>();
  private readonly touched: Tracked[] = [];
  private readonly writer = new ByteWriter(64);

  constructor(definition: CompiledDefinition) {
    this.definition = definition;
    this.scratch = this.makeEntity(0);
  }

  /** A message begins; the changes of the last one have been told. */
  beginChanges(): void {
    const { changes } = this;
    changes.added.length = 0;
    changes.changed.length = 0;
    changes.removed.length = 0;
    changes.gap = false;
  }

  known(id: number): Tracked | undefined {
    return this.tracked.get(id);
  }

  track(id: number): Tracked {
    let tracked = this.tracked.get(id);
    if (tracked === undefined) {
      tracked = {
        entity: this.makeEntity(id),
        memberships: 0,
        own: false,
        inView: false,
        enteredAt: -1,
        leftAt: -1,
        destination: undefined,
        tick: -1,
        changed: false,
        touched: false,
        before: undefined,
      };
      this.tracked.set(id, tracked);
      this.touch(tracked);
    }
    return tracked;
  }

  private makeEntity(id: number): EntityTarget {
    const entity: EntityTarget = { id, own: false };
    // All entities of a world share one shape.
    for (const { name } of this.definition.components) entity[name] = undefined;
    return entity;
  }

  /** Its components change. */
  change(tracked: Tracked): void {
    tracked.changed = true;
    this.touch(tracked);
  }

  /** It is in one topic less. */
  release(tracked: Tracked): void {
    tracked.memberships -= 1;
    this.touch(tracked);
  }

  disown(tracked: Tracked): void {
    tracked.own = false;
    this.touch(tracked);
  }

  /** What is still the player's own follows in the private records. */
  disownAll(): void {
    for (const { id } of this.own) this.disown(this.track(id));
  }

  /** Nothing holds the entities in view any more, but they stay until the next `settle`. */
  releaseAll(): void {
    for (const tracked of this.tracked.values()) {
      // Of two welcomes without state in between, the first one's is what was told last.
      if (tracked.inView) tracked.before ??= this.packed(tracked.entity);
      tracked.memberships = 0;
      tracked.enteredAt = -1;
      tracked.leftAt = -1;
      tracked.destination = undefined;
      tracked.tick = -1;
      this.disown(tracked);
    }
  }

  private touch(tracked: Tracked): void {
    if (tracked.touched) return;
    tracked.touched = true;
    this.touched.push(tracked);
  }

  /** The message has been read. `holds` may hold what would leave the view, and counts itself in then. */
  settle(holds: (tracked: Tracked) => boolean): void {
    const { added, changed, removed } = this.changes;
    for (const tracked of this.touched) {
      tracked.touched = false;
      const { entity } = tracked;
      if (entity.own !== tracked.own) this.settleOwner(tracked);
      if (tracked.memberships > 0 || tracked.own || holds(tracked)) {
        if (!tracked.inView) {
          tracked.inView = true;
          this.entities.set(entity.id, entity);
          added.push(entity);
        } else if (tracked.changed && !this.isAsBefore(tracked)) changed.push(entity);
      } else {
        this.tracked.delete(entity.id);
        if (tracked.inView) {
          this.entities.delete(entity.id);
          removed.push(entity);
        }
      }
      tracked.changed = false;
      tracked.before = undefined;
    }
    this.touched.length = 0;
  }

  private isAsBefore({ before, entity }: Tracked): boolean {
    return before !== undefined && sameBytes(before, this.packed(entity));
  }

  /** Whose it is, and its components. */
  private packed(entity: EntityTarget): Uint8Array {
    const { writer } = this;
    writer.reset();
    writer.u8(entity.own ? 1 : 0);
    for (const { name, codec } of this.definition.components) {
      const value = entity[name];
      writer.u8(value === undefined ? 0 : 1);
      if (value !== undefined) codec.encode(writer, value as StructValue);
    }
    return writer.finish();
  }

  private settleOwner(tracked: Tracked): void {
    const { entity, own } = tracked;
    entity.own = own;
    tracked.changed = true;
    if (own) this.own.add(entity);
    else {
      this.own.delete(entity);
      clearComponents(this.definition.ownerComponents, ~0, entity);
    }
  }
}

/** Takes the components in `mask` away. */
export function clearComponents(
  components: readonly CompiledComponent[],
  mask: number,
  target: ComponentTarget,
): void {
  for (const { name, bit } of components) if ((mask >>> bit) & 1) target[name] = undefined;
}
