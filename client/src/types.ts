import type {
  ClientMessagesOf,
  ComponentsOf,
  InputsOf,
  JoinOf,
  ServerMessagesOf,
  StructValue,
  WorldSpec,
} from "@atlasnet/world";
import type { EndCode } from "./session-events.ts";
import type { SessionObserver } from "./session-observer.ts";
import type { TrafficStats } from "./traffic.ts";
import type { TransportName } from "./transport.ts";

/** Stands for the spec of a world that was joined without its definition: names are checked at run time. */
export interface Untyped {
  readonly untyped: true;
}

export type AnySpec = WorldSpec | Untyped;

type UntypedStructs = { [name: string]: StructValue };

/** What a client of a world sends and gets, by name. */
export type Inputs<S> = S extends Untyped ? UntypedStructs : InputsOf<S>;
export type Outgoing<S> = S extends Untyped ? UntypedStructs : ClientMessagesOf<S>;
export type Incoming<S> = S extends Untyped ? UntypedStructs : ServerMessagesOf<S>;
export type JoinParams<S> = S extends Untyped ? StructValue : JoinOf<S>;

/**
 * An entity in view. Components are properties like the server's entities have, undefined when it does
 * not have them; they are read-only here and overwritten in place as state comes in.
 */
export type ViewEntity<S> = {
  readonly id: number;
  /** True when it is this player's own: its owner components are there, too. */
  readonly own: boolean;
} & (S extends Untyped
  ? { readonly [component: string]: unknown }
  : { readonly [K in keyof ComponentsOf<S>]?: Readonly<ComponentsOf<S>[K]> });

/** Ends a subscription of an `on…` method. */
export type Unsubscribe = () => void;

/** Why a world was closed for this client. `retry`: joining again later may work. */
export interface Closed {
  readonly code: EndCode;
  readonly reason: string;
  readonly retry: boolean;
}

/** For people: `dev-error` comes while `atlasnet dev` runs and the world failed; an empty text clears it. */
export interface Notice {
  readonly kind: string;
  readonly text: string;
}

/** Rejects `join`: why the client is not in. */
export class JoinError extends Error {
  readonly code: EndCode;
  readonly reason: string;
  /** True when trying again later may work. */
  readonly retry: boolean;

  constructor(world: string, { code, reason, retry }: Closed) {
    super(`cannot join ${world}: ${code} (${reason})`);
    this.name = "JoinError";
    this.code = code;
    this.reason = reason;
    this.retry = retry;
  }
}

export interface Logger {
  /** Something a developer should see, such as a listener that threw. */
  warn(message: string, facts?: unknown): void;
}

export interface JoinOptions<S> {
  /** The world's name on the server. */
  world: string;
  /** Says who the player is; without one it is a guest, where guests are allowed. */
  ticket?: string;
  /** What the world's `join` gets. Fields not given have their defaults. */
  params?: Partial<JoinParams<S>>;
  /** "auto" (the default) returns to the session that the storage knows; "never" always joins anew. */
  resume?: "auto" | "never";
  /** Join anew when the session is lost (`onRollback` tells). Default true. */
  rejoin?: boolean;
  /** How long to try before `join` rejects, in ms. Default 10,000. */
  timeoutMs?: number;
  /** For tools, as recorders of histories: is shown every step of the session. Costs nothing when absent. */
  observe?: SessionObserver;
}

/** A point of the world's space. */
export interface Point {
  x: number;
  y: number;
  z: number;
}

/**
 * A world as a player sees it, from `join` to `leave`. Lost connections mend themselves; only `onClose`
 * is the end. Every `on…` method returns a function that ends the subscription.
 */
export interface ClientWorld<S = Untyped> {
  readonly name: string;
  readonly account: string;
  /** The session's number: the player's `id` in the world. */
  readonly session: number;
  /** Everything in view, by id. */
  readonly entities: ReadonlyMap<number, ViewEntity<S>>;
  /** The player's own entity; the first if there are several. */
  readonly own: ViewEntity<S> | undefined;
  /** The newest tick heard of. */
  readonly tick: number;
  readonly tickRate: number;
  /** Speed of the world's time: below 1 when the server cannot keep up. */
  readonly dilation: number;
  /** Round trip in ms; undefined until it was measured. */
  readonly rtt: number | undefined;
  /** True while the connection stands. */
  readonly connected: boolean;
  /** What carries messages now, or did last. With `transport: "auto"` it may change. */
  readonly transport: TransportName;
  /** What the connections to this world carried since `join`; the same object, kept up to date. */
  readonly stats: TrafficStats;

  /**
   * Sends a reliable message: it arrives once and in order, also across lost connections.
   * @throws FieldError when a value does not fit, QueueFullError when too many wait.
   */
  send<M extends keyof Outgoing<S> & string>(message: M, payload: Outgoing<S>[M]): void;
  /** Sends an input: the newest counts, one that is lost is not repeated. @throws FieldError */
  input<M extends keyof Inputs<S> & string>(input: M, payload: Inputs<S>[M]): void;

  onMessage<M extends keyof Incoming<S> & string>(
    message: M,
    listener: (payload: Incoming<S>[M]) => void,
  ): Unsubscribe;
  onAdd(listener: (entity: ViewEntity<S>) => void): Unsubscribe;
  onChange(listener: (entity: ViewEntity<S>) => void): Unsubscribe;
  onRemove(listener: (entity: ViewEntity<S>) => void): Unsubscribe;
  /** After every state message, its changes told. */
  onTick(listener: (tick: number) => void): Unsubscribe;

  /**
   * Where an entity is to be drawn: interpolated, a little behind the newest state; undefined without a
   * position. `now` is the time on the clock of `performance.now()`, by default the present; "newest"
   * asks for the newest position known, as one may want for the own entity.
   */
  position(entity: ViewEntity<S>, now?: number | "newest"): Point | undefined;

  onDrop(listener: (reason: string) => void): Unsubscribe;
  onResume(listener: () => void): Unsubscribe;
  /** The world went back in time, or the session was lost and joined anew. */
  onRollback(listener: () => void): Unsubscribe;
  onClose(listener: (closed: Closed) => void): Unsubscribe;
  /** The world asks this client to leave and join another world. */
  onTransfer(listener: (world: string) => void): Unsubscribe;
  onNotice(listener: (notice: Notice) => void): Unsubscribe;

  /** Leaves the world; resolves when the server knows, or cannot be reached. */
  leave(): Promise<void>;
}
