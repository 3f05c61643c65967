import type { ControlStore, Revision } from "./control-store.ts";
import type { Sealed } from "./lease.ts";
import type { NodeState } from "./records.ts";
import type { AsleepSlice, MigrationProgress, ShardProblem } from "./remote/renewal.ts";

/**
 * A node's tie to the control plane: its registration, its lease, and the control store. Behind it stand the
 * links to the apiservers of a cluster, and the apiserver in the same process of a monolith.
 */
export interface ControlPlane {
  readonly node: string;
  /**
   * Requests go to any apiserver that can be reached, retries with ids of their own; a watch goes on at
   * another apiserver where it was. What a node may change is bounded: see docs/operations.md, *Nodes and
   * apiservers*.
   */
  readonly store: ControlStore;
  /** Undefined until the first one, and between a loss and the next one. */
  readonly registration: NodeRegistration | undefined;
  /**
   * Registers with the state `starting` and keeps the lease from then on. Resolves with the first
   * registration; it waits for as long as no apiserver answers, or another boot holds this node's name.
   * @throws an error that says what to do when waiting cannot help (refused certificate, wrong cluster).
   *
   * `load`, `problems` (of shards that could not be opened here), `migrations` (that this node takes part in) and
   * `asleep` (the next part of its shards that sleep) are asked for with each renewal.
   */
  start(
    events: ControlPlaneEvents,
    load: () => NodeLoad,
    problems?: () => Iterable<ShardProblem>,
    migrations?: () => Iterable<MigrationProgress>,
    asleep?: () => AsleepSlice | undefined,
  ): Promise<void>;
  /**
   * Something of what renewals tell has changed that somebody waits to see: one is sent soon. It may be called as
   * often as there is news: no more than MAX_HURRIED_PER_SECOND renewals a second come of it. Nothing happens
   * without a registration.
   */
  hurry(): void;
  /** Asked before every batch that lets something out (design rule 5.1). Never from a timer's memory. */
  mayAct(): boolean;
  /** Says how this node is; resolves once that is decided. @throws ControlError */
  setState(state: Exclude<NodeState, "lost" | "starting">): Promise<void>;
  /** Renews no more and closes the links. Says nothing to anybody: `setState("stopped")` comes before. */
  stop(): Promise<void>;
}

export interface NodeRegistration {
  /** New with every registration. Ownership names it. */
  readonly boot: string;
  /** Of the store that it is registered in; a restore from a backup begins another. */
  readonly generation: number;
  /** Of the transaction that registered it. */
  readonly revision: Revision;
}

/** None of them is called from within a call of the control plane. */
export interface ControlPlaneEvents {
  /** Registered, for the first time or anew: what an earlier boot owned is not owned by this one. */
  registered(registration: NodeRegistration): void;
  /** From now on nothing may be let out. */
  sealed(reason: Sealed): void;
  /** The lease holds (again). */
  unsealed(): void;
  /**
   * The control plane gave everything away that this registration owned, or began a new generation: close
   * it, without letting anything out. A new registration follows once the promise resolves.
   */
  lost(): Promise<void>;
}

/** What a node says about itself with each renewal. Kept in the leader's memory only. */
export interface NodeLoad {
  readonly sessions: number;
  readonly memoryBytes: number;
  /** Share of the busiest world thread's time that ticks take, 0 to 1. */
  readonly busy: number;
  /** The longest tick of the last second, in ms. */
  readonly tickMs: number;
  /** Sent and received over links and to players in the last second. */
  readonly bytesPerSecond: number;
}
