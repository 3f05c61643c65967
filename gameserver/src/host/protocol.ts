import type { ToProxy, ToShard } from "@atlasnet/core";
import type { DefinitionData, Plain, Response } from "@atlasnet/world";
import type { Ownership } from "../durability/plan-run.ts";
import type { WrittenSnapshot } from "../durability/storage-options.ts";
import type { Fault, TraceReport } from "../shard/shard.ts";
import type { StateHash } from "../shard/state-digest.ts";
import type { SleptState, WakingState } from "../sleep/slept-state.ts";
import type { RecordedState } from "../snapshots/snapshot-choice.ts";

/** Messages between a gameserver's main thread and its world threads. */

/** The copy, by its number, of who had the state from which a shard goes on: others count from 1. */
export const KEPT_COPY = 0;

export type Durability = "mirror" | "journal" | "snapshot" | "none";

/** Everything a thread needs to run a world. */
export interface WorldSettings {
  world: string;
  shard: string;
  /** File of the module, resolved. */
  file: string;
  /** Grows when the file is to be loaded anew. */
  generation: number;
  config: Plain;
  durability: Durability;
  /** Start empty and put an existing state aside. */
  fresh: boolean;
  graceSeconds: number;
  maxSessions: number;
  outboxMessages: number;
  outboxBytes: number;
  /** Seed of a world that never was. */
  seed: number;
  /** The highest epoch known of the shard: a world that keeps nothing goes on above it. */
  lastEpoch: number;
  /** Given by a control plane; absent without one: epochs are then the node's own. */
  ownership?: Ownership | undefined;
  /**
   * What others did since the files here were written is given up, for good. Where they may have, and the files here
   * count, opening fails with "state-disputed" until then.
   */
  othersGivenUp?: true | undefined;
  /** The newest snapshot that all nodes reach. Where it counts, opening fails with "state-elsewhere" … */
  recorded?: RecordedState | undefined;
  /** … until it was fetched into the shard's folder. `exact`: nobody acted for the shard since. */
  fetched?: { readonly exact: boolean } | undefined;
  /** Without anybody there for so long, its memory is wanted back, in ms; absent or 0: never. */
  sleepAfterMs?: number | undefined;
  /** It wakes: opening fails with "not-as-it-slept" unless it is in exactly this state. */
  waking?: WakingState | undefined;
}

export interface ThreadSettings {
  /** Undefined: nothing is kept. */
  dataDir: string | undefined;
  /** 0: no limit. */
  tickLimitMs: number;
  snapshotIntervalMs: number;
  keepSnapshots: number;
  journalSyncMs: number;
  /** Refuse the clock, Math.random and timers inside worlds. */
  development: boolean;
}

export type ToThread =
  | { type: "open"; settings: WorldSettings }
  /**
   * `handedOver`: another node goes on with its state, which need not be saved here. `keep`: it is followed here from then
   * on, from where it was sealed; the answer says so.
   */
  | { type: "close"; shard: string; handedOver: boolean; keep?: ReplicaSourceFacts }
  /** Saves it and frees its memory, unless somebody is there by now; answered by "asleep" or "stays-awake". */
  | { type: "sleep"; shard: string }
  /** Would "swap" succeed? Nothing changes; answered by "fits". */
  | { type: "try-module"; shard: string; file: string; generation: number }
  | { type: "swap"; shard: string; file: string; generation: number; ownership?: Ownership }
  /** Too much of what it said waits for its mirror: it makes no tick, until it may again. */
  | { type: "hold-shard"; shard: string; held: boolean }
  /** Nothing may leave this process for now: no world ticks, but those that act without a lease. */
  | { type: "seal"; sealed: boolean }
  /** From here on it ticks although sealed, or does not any more. */
  | { type: "act-unleased"; shard: string; holds: boolean }
  | { type: "messages"; shard: string; peer: number; messages: ToShard[] }
  | { type: "disconnect"; peer: number }
  | { type: "response"; shard: string; response: Response }
  // A shard that is followed elsewhere. `copy` numbers copies of this process; several may be under way.
  /** Answered by "copy-begun"; from its tick on, every tick's delta is told. */
  | { type: "copy"; shard: string; copy: number }
  /** Answered by "copy-piece", in order; what is before `offset` need not be kept any more. */
  | { type: "read-copy"; shard: string; copy: number; offset: number; maxBytes: number }
  | { type: "end-copy"; shard: string; copy: number }
  /**
   * No tick from here on; answered by "sealed" behind all that the last tick let out, or "failed" during "seal". What comes in meanwhile waits:
   * it is handled after "unseal-shard", and gone with the shard if it is closed.
   */
  | { type: "seal-shard"; shard: string }
  /** It goes on as if no time had passed. */
  | { type: "unseal-shard"; shard: string }
  // A shard that is followed here.
  /** Loads the module and waits for a state; answered by "replica-open" or "failed" during "replica". */
  | { type: "replica"; settings: WorldSettings; state: ReplicaState; source: ReplicaSourceFacts }
  | { type: "replica-piece"; shard: string; offset: number; data: Uint8Array; last: boolean }
  | {
      type: "replica-delta";
      shard: string;
      previous: number;
      tick: number;
      data: Uint8Array;
      /** Whether its `replica-at` is to give the state's hash. */
      hashed: boolean;
    }
  /**
   * Keeps a copy of the state on this node's disk, for the first moments after a switch, and tries a module that is
   * another than the source's; answered by "replica-kept". Only when the whole copy was taken in.
   */
  | { type: "keep-replica"; shard: string }
  /**
   * It is this node's now, and ticks `dueMs` from now for the first time; answered by "opened". `followed`: somebody has
   * its state, and is told of every tick from the first one on, as of copy 0.
   */
  | { type: "promote"; shard: string; ownership: Ownership; dueMs: number; followed?: boolean }
  /** Nothing of it is left, neither in memory nor on the disk; answered by "closed". */
  | { type: "drop-replica"; shard: string };

/** What the migration's record says of the ownership that a replica is of. */
export interface ReplicaSourceFacts {
  /** The epoch at which the source acts. */
  epoch: number;
  /** `created` of the world's record. */
  world: number;
  /** The module here is another one, which is tried with the state before the switch. */
  otherModule: boolean;
}

/** What a replica begins with. */
export interface ReplicaState {
  /** The tick of the copy. */
  tick: number;
  timeline: number;
  /** The definition that the state is written under. */
  definition: DefinitionData;
}

/** A replica that began as a shard which ran here. */
export interface KeptState extends ReplicaState {
  tickRate: number;
}

export type FromThread =
  | { type: "opened"; shard: string; epoch: number; tickRate: number; definition: string }
  /** `copy`: during "copy", the one that it is about; absent: all copies of the shard. */
  | { type: "failed"; shard: string; during: Attempt; copy?: number; error: ThreadError }
  | { type: "fits"; shard: string }
  | { type: "swapped"; shard: string; epoch: number }
  | { type: "closed"; shard: string; kept?: KeptState }
  /** Nobody has been there for `sleepAfterMs`; said again every second while that is so. */
  | { type: "quiet"; shard: string }
  | { type: "asleep"; shard: string; slept: SleptState }
  | { type: "stays-awake"; shard: string }
  /** One is on the disk. `final`: the shard was stopped at it; the word of it comes before "closed". */
  | { type: "snapshot"; shard: string; snapshot: WrittenSnapshot; final: boolean }
  /** `tick`: the last one that it may tell of. */
  | { type: "out"; shard: string; tick: number; messages: { peer: number; message: ToProxy }[] }
  | {
      type: "request";
      shard: string;
      epoch: number;
      /** That asked. */
      tick: number;
      id: number;
      service: string;
      payload: Plain;
    }
  | { type: "fault"; shard: string; fault: Fault; quarantined: boolean }
  | { type: "log"; level: LogLevel; message: string; facts: { [key: string]: Plain } }
  | { type: "traces"; shard: string; epoch: number; traces: TraceTimes }
  | { type: "stats"; shards: ShardStats[] }
  /** In place of "stats" where nothing runs: a thread says something every second. */
  | { type: "alive" }
  | {
      type: "copy-begun";
      shard: string;
      copy: number;
      tick: number;
      timeline: number;
      tickRate: number;
      definition: DefinitionData;
    }
  /** `last`: the copy is whole with it. */
  | {
      type: "copy-piece";
      shard: string;
      copy: number;
      offset: number;
      data: Uint8Array;
      last: boolean;
    }
  /**
   * Of a shard with a copy under way: what each tick changed, in order, before what the tick lets out; with some, the
   * hash of the state after it.
   */
  | ({
      type: "delta";
      shard: string;
      previous: number;
      tick: number;
      data: Uint8Array;
    } & Partial<StateHash>)
  | ({ type: "sealed"; shard: string; tick: number; dueMs: number } & StateHash)
  | { type: "replica-open"; shard: string }
  /**
   * How far a replica is: bytes of the copy taken in; once it is whole, the tick it is at (0 before), and, but for a delta
   * that was not to be hashed, the hash of that state.
   */
  | ({ type: "replica-at"; shard: string; bytes: number; tick: number } & Partial<StateHash>)
  | { type: "replica-kept"; shard: string; tick: number };

/** What threads say of copies and replicas, to whoever drives them. */
export type ReplicaNews = Extract<
  FromThread,
  {
    type:
      | "copy-begun"
      | "copy-piece"
      | "delta"
      | "sealed"
      | "replica-open"
      | "replica-at"
      | "replica-kept"
      | "failed";
  }
>;

/** What may fail. A replica that fails is gone: nothing is left of it. */
export type Attempt = "open" | "swap" | "close" | "sleep" | "copy" | "seal" | "replica" | "promote";

export type LogLevel = "debug" | "info" | "warn" | "error";

/** What became of traced messages, and when. */
export interface TraceTimes {
  /** `receivedAt` of each: unix ms with fractions, when its world thread got it. */
  reports: readonly TraceReport[];
  /** Unix ms with fractions: the tick that decided is through and handed to the journal. */
  decidedAt: number;
}

/** An error as it crosses threads. */
export interface ThreadError {
  code: string;
  message: string;
  hint: string;
  stack: string;
}

/** What happened to a shard since the last report (about a second). */
export interface ShardStats {
  shard: string;
  tick: number;
  /** Since the last report was due. */
  seconds: number;
  /** Ticks made, the seconds they took together, and the longest, in seconds. */
  ticks: number;
  tickSeconds: number;
  longestTickSeconds: number;
  sessions: number;
  /** Clients and watchers. */
  attachments: number;
  /** Clients only. */
  clients: number;
  entities: number;
  handled: number;
  /** Of the events handled: inputs and messages of clients. */
  applied: number;
  queued: number;
  dropped: number;
  /** Traced messages whose fate was not reported, too many being under way; since the world opened. */
  untraced: number;
  deltaBytes: number;
  dilationPerMille: number;
  /** The world ticks all the time, not only when something happens. */
  steady: boolean;
  quarantined: boolean;
  /** What the disk says; empty while it is well. */
  storageProblem: string;
  journalWaitingBytes: number;
  snapshots: number;
}
