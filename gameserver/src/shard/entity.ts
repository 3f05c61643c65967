import type { CompiledDefinition, StructValue } from "@atlasnet/world";
import { type ComponentClass, type ComponentState, componentClass } from "./component.ts";
import type { SessionState } from "./session-state.ts";

/** What an entity asks of the table that holds it. */
export interface EntityOwner {
  /** Called before the first change of a component; keeps what is needed to undo it. */
  touch(entity: ShardEntity, component: ComponentState): void;
  /** Called after a field of the position changed. */
  moved(entity: ShardEntity): void;
  addComponent(entity: ShardEntity, name: string, value: StructValue): ComponentState;
  removeComponent(entity: ShardEntity, name: string): void;
  despawn(entity: ShardEntity): void;
  setOwner(entity: ShardEntity, session: SessionState | undefined): void;
  setChannel(entity: ShardEntity, name: string | undefined): void;
  componentIndex(name: string): number;
  channelName(channel: number): string | undefined;
  sessionById(id: number): SessionState | undefined;
  playerOf(session: SessionState): unknown;
}

/** No topic: the entity is seen nowhere. */
export const NO_TOPIC = -1;

/**
 * An entity as the store holds it and as world code sees it. Components are reached by name through
 * getters that the store adds for its definition (see `entityClass`).
 */
export class ShardEntity {
  readonly id: number;
  readonly $store: EntityOwner;
  alive = true;
  /** By component index. */
  readonly $components: (ComponentState | undefined)[];
  /** Bit per component index. */
  $mask = 0;
  /** The session that owns it, 0 for none. */
  $owner = 0;
  /** Index of its channel, −1 for none. */
  $channel = -1;
  /** The cell of its position, kept up to date with every write; NO_TOPIC without one. */
  $cell = NO_TOPIC;

  /** Where subscribers know it since the last tick. Part of the state: replicas go on from it. */
  $topic = NO_TOPIC;
  $index = 0;

  // What this tick changed, for the delta and the topics.
  $dirty = false;
  $spawned = false;
  $metaChanged = false;
  $topicChanged = false;
  /** Components written this tick, and their values before it. */
  $touched = 0;
  $before: (StructValue | undefined)[] = [];
  $removed = 0;
  $ownerBefore = 0;
  /** Public components whose bytes on the wire this tick changed. */
  $visible = 0;

  constructor(store: EntityOwner, id: number, componentCount: number) {
    this.$store = store;
    this.id = id;
    this.$components = new Array<ComponentState | undefined>(componentCount).fill(undefined);
  }

  get owner(): unknown {
    const session = this.$store.sessionById(this.$owner);
    return session === undefined ? undefined : this.$store.playerOf(session);
  }

  set owner(player: { readonly id: number } | undefined) {
    const session = player === undefined ? undefined : this.$store.sessionById(player.id);
    this.$store.setOwner(this, session);
  }

  get channel(): string | undefined {
    return this.$store.channelName(this.$channel);
  }

  set channel(name: string | undefined) {
    this.$store.setChannel(this, name);
  }

  has(component: string): boolean {
    return this.$components[this.$store.componentIndex(component)] !== undefined;
  }

  add(component: string, value: StructValue = {}): ComponentState {
    return this.$store.addComponent(this, component, value);
  }

  remove(component: string): void {
    this.$store.removeComponent(this, component);
  }

  despawn(): void {
    this.$store.despawn(this);
  }
}

type EntityClass = new (store: EntityOwner, id: number, count: number) => ShardEntity;

export interface EntityClasses {
  readonly entity: EntityClass;
  /** By component index. */
  readonly components: readonly ComponentClass[];
}

const classesOf = new WeakMap<CompiledDefinition, EntityClasses>();

/** The classes of a definition's entities and components; made once, shared by all its shards. */
export function entityClasses(definition: CompiledDefinition): EntityClasses {
  let classes = classesOf.get(definition);
  if (classes === undefined) {
    const position = definition.data.space?.component;
    classes = {
      entity: entityClass(definition.components.map((c) => c.name)),
      components: definition.components.map((c) => componentClass(c, c.name === position)),
    };
    classesOf.set(definition, classes);
  }
  return classes;
}

/** A class of entities whose components are properties by name. */
function entityClass(names: readonly string[]): EntityClass {
  class DefinedEntity extends ShardEntity {}
  names.forEach((name, index) => {
    Object.defineProperty(DefinedEntity.prototype, name, {
      get(this: ShardEntity) {
        return this.$components[index];
      },
      set() {
        throw new TypeError(
          `entity.${name} cannot be replaced: write its fields, or use entity.add("${name}", {…})`,
        );
      },
    });
  });
  return DefinedEntity;
}
