import type {
  ChannelsOf,
  ClientMessagesOf,
  ComponentsOf,
  Definition,
  InputsOf,
  JoinOf,
  ServerMessagesOf,
  WorldSpec,
} from "./definition.ts";

/**
 * What a world module is written against: behaviour beside a definition.
 *
 * Every handler is synchronous and changes the world only through what it is handed. The same state
 * and the same events give the same next state, so time, randomness and ids come from the context.
 */

/** JSON-like data: what key-value entries, timers and requests carry. At most 64 KiB encoded. */
export type Plain =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly Plain[]
  | { readonly [key: string]: Plain };

/** A thing in the world. Components are read and written in place: `entity.position.x += 1`. */
export interface EntityBase<S extends WorldSpec> {
  /** Unique across all shards of a world, never used again. */
  readonly id: number;
  /** False once it was despawned. */
  readonly alive: boolean;
  /** Whose it is: that player alone sees its owner components. */
  owner: Player<S> | undefined;
  /** The channel it is seen in while it has no position. */
  channel: ChannelsOf<S> | undefined;
  has(component: keyof ComponentsOf<S>): boolean;
  /** Adds a component, or sets all of its fields; fields not given get their defaults. */
  add<K extends keyof ComponentsOf<S>>(
    component: K,
    value?: Partial<ComponentsOf<S>[K]>,
  ): ComponentsOf<S>[K];
  remove(component: keyof ComponentsOf<S>): void;
  despawn(): void;
}

/** An entity known to have the components K; others may be undefined. */
export type Entity<S extends WorldSpec, K extends keyof ComponentsOf<S> = never> = EntityBase<S> & {
  readonly [P in K]: ComponentsOf<S>[P];
} & {
  readonly [P in Exclude<keyof ComponentsOf<S>, K>]?: ComponentsOf<S>[P];
};

/** A player's session in the world: it outlives connections. */
export interface Player<S extends WorldSpec = WorldSpec> {
  /** The session's number, unique in the world. */
  readonly id: number;
  readonly account: string;
  /** Display name of the ticket, or of the guest; may be empty. */
  readonly name: string;
  /** What the ticket carries for the world (its `data` claim). */
  readonly data: Plain;
  /** False while the connection is lost and the grace period runs. */
  readonly connected: boolean;
  /** The entity the player looks out from; setting it also makes the player its owner. */
  entity: Entity<S> | undefined;
  /** Sends a reliable message: delivered once, in order, also across reconnects. */
  send<M extends keyof ServerMessagesOf<S>>(message: M, payload: ServerMessagesOf<S>[M]): void;
  subscribe(channel: ChannelsOf<S>): void;
  unsubscribe(channel: ChannelsOf<S>): void;
  /** Ends the session; the client is closed with `kicked` and this reason. */
  kick(reason?: string): void;
  /** Asks the client to leave for another world. */
  transfer(world: string): void;
}

/** Random numbers from the world's own state: equal after a restore or on a replica. */
export interface WorldRandom {
  /** From 0 up to, not including, 1. */
  float(): number;
  /** An integer from min to max, both included. */
  int(min: number, max: number): number;
  pick<T>(items: readonly T[]): T;
}

export interface KeyValue {
  get(key: string): Plain | undefined;
  set(key: string, value: Plain): void;
  delete(key: string): void;
  keys(): Iterable<string>;
}

export interface WorldContext<S extends WorldSpec = WorldSpec> {
  /** The tick being made. */
  readonly tick: number;
  /** Seconds of world time: tick / tickRate. */
  readonly time: number;
  /** Seconds of one tick. */
  readonly dt: number;
  /** The world's `config` of the configuration. */
  readonly config: Plain;
  readonly random: WorldRandom;
  readonly kv: KeyValue;
  readonly players: Iterable<Player<S>>;
  readonly playerCount: number;
  player(id: number): Player<S> | undefined;
  spawn<K extends keyof ComponentsOf<S> = never>(
    components: {
      [P in K]: Partial<ComponentsOf<S>[P]>;
    },
  ): Entity<S, K>;
  entity(id: number): Entity<S> | undefined;
  readonly entityCount: number;
  /** Entities that have all these components, in order of id. Safe against changes while iterating. */
  query<K extends keyof ComponentsOf<S>>(...components: readonly K[]): Iterable<Entity<S, K>>;
  /** Entities whose position is within `radius` of a point, in order of id. */
  near(at: { x: number; y: number; z?: number }, radius: number): Iterable<Entity<S>>;
  /** Sends a reliable message to every player. */
  broadcast<M extends keyof ServerMessagesOf<S>>(message: M, payload: ServerMessagesOf<S>[M]): void;
  /** Calls the timer handler `name` after this many ticks (at least 1). Returns an id for `cancel`. */
  after(ticks: number, name: string, data?: Plain): number;
  cancel(timer: number): void;
  /** Asks a service outside of the world; the answer comes to `response` at a later tick. */
  request(service: string, payload: Plain): number;
  /** A line in the server's log, with the world and tick. */
  log(message: string, facts?: { readonly [key: string]: Plain }): void;
}

export type Response =
  | { id: number; ok: true; value: Plain }
  | { id: number; ok: false; code: string };

/** How a player left: by itself, after the grace period, or kicked. */
export type LeaveReason = "left" | "grace-expired" | "kicked";

/** An entity of an older version of the module, for `upgrade`. */
export interface OldEntity {
  readonly id: number;
  readonly components: { [name: string]: { [field: string]: unknown } };
}

export interface Behaviour<S extends WorldSpec = WorldSpec> {
  /** The world is made: once in its life, not at a restore. */
  create?(ctx: WorldContext<S>): void;
  /** A player is in. Throw `new JoinRefused(reason)` to keep it out. */
  join?(ctx: WorldContext<S>, player: Player<S>, params: JoinOf<S>): void;
  /** A player is out; its entity is despawned afterwards. */
  leave?(ctx: WorldContext<S>, player: Player<S>, reason: LeaveReason): void;
  /** The connection was lost; the grace period runs. */
  drop?(ctx: WorldContext<S>, player: Player<S>): void;
  /** The player came back within the grace period. */
  resume?(ctx: WorldContext<S>, player: Player<S>): void;
  input?: {
    readonly [K in keyof InputsOf<S>]?: (
      ctx: WorldContext<S>,
      player: Player<S>,
      input: InputsOf<S>[K],
    ) => void;
  };
  message?: {
    readonly [K in keyof ClientMessagesOf<S>]?: (
      ctx: WorldContext<S>,
      player: Player<S>,
      message: ClientMessagesOf<S>[K],
    ) => void;
  };
  timer?: { readonly [name: string]: (ctx: WorldContext<S>, data: Plain) => void };
  response?(ctx: WorldContext<S>, response: Response): void;
  /** Every tick, after the events. A world without it costs nothing while nothing happens. */
  tick?(ctx: WorldContext<S>): void;
  /**
   * Brings an entity of an older definition into today's form, where a field changed its type. Fields
   * that kept name and type need no care. Returns the components, or undefined to drop the entity.
   */
  upgrade?(old: OldEntity, oldVersion: number): OldEntity["components"] | undefined;
}

/** A definition with its behaviour: what a world module exports as `world`. */
export interface World<S extends WorldSpec = WorldSpec> {
  readonly definition: Definition<S>;
  readonly behaviour: Behaviour<S>;
}

export function implementWorld<S extends WorldSpec>(
  definition: Definition<S>,
  behaviour: Behaviour<S>,
): World<S> {
  return { definition, behaviour };
}

/** Thrown by `join` to keep a player out; the client is closed with `join-refused`. */
export class JoinRefused extends Error {
  readonly code = "join-refused";
  constructor(reason: string) {
    super(reason);
    this.name = "JoinRefused";
  }
}
