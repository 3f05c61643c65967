import untyped from "@markwylde/liferaft";

/** What of `@markwylde/liferaft` 1.4.0 we use and replace. */
export interface LifeRaftNode {
  readonly address: string;
  /** One of the class's STOPPED, LEADER, CANDIDATE, FOLLOWER, CHILD. */
  readonly state: number;
  /** Address of the leader, or empty. */
  readonly leader: string;
  readonly term: number;
  /** The other nodes, as children of this one. */
  readonly nodes: readonly LifeRaftNode[];
  /** Null after `end`. */
  readonly timers: TickTock | null;

  on(event: string, listener: (...facts: never[]) => void): this;
  once(event: string, listener: (...facts: never[]) => void): this;
  off(event: string, listener: (...facts: never[]) => void): this;
  emit(event: string, ...facts: unknown[]): boolean;
  listenerCount(event: string): number;
  /** Sets properties and tells `term change`, `leader change`, `state change`, in the order of the keys. */
  change(changed: { readonly term: number; readonly leader: string; readonly state: number }): this;
  join(address: string, write: Write): LifeRaftNode | undefined;
  leave(address: string): LifeRaftNode | undefined;
  /** To the node of an address, or to those of a state. */
  message(to: string | number, packet: unknown, done?: () => void): this;
  clone(options: LifeRaftOptions): LifeRaftNode;
  end(): boolean;

  // The package's own protocol:
  _initialize(options: LifeRaftOptions): void;
  heartbeat(duration?: number): this;
  promote(): Promise<this>;
  packet(type: string, data?: unknown): Promise<unknown>;
  appendPacket(entry: unknown): Promise<unknown>;
  command(command: unknown): Promise<unknown>;
  commitEntries(entries: readonly unknown[]): Promise<void>;
}

export type Write = (packet: unknown, done: (error?: Error, answer?: unknown) => void) => void;

/** tick-tock: timers with names. */
export interface TickTock {
  setTimeout(name: string, fn: () => void, ms: number): void;
  clear(...names: readonly string[]): void;
}

export interface LifeRaftOptions {
  readonly address: string;
  readonly state?: number;
  readonly write?: Write;
  /** The package's log class; none of ours. */
  readonly Log?: unknown;
  /** Given to the log class. */
  readonly adapter?: () => unknown;
  /** In ms. */
  readonly heartbeat?: number;
  readonly "election min"?: number;
  readonly "election max"?: number;
}

export interface LifeRaftClass {
  new (options: LifeRaftOptions): LifeRaftNode;
  readonly STOPPED: number;
  readonly LEADER: number;
  readonly CANDIDATE: number;
  readonly FOLLOWER: number;
  readonly CHILD: number;
  readonly states: readonly string[];
}

/** The package as it is. */
export const LifeRaft: LifeRaftClass = untyped as LifeRaftClass;
