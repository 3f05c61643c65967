import type { LogLevel, ModuleSource, NodeLoad } from "@atlasnet/core";
import type { ReportedMigration, ShardFailure } from "../leader/leader-role.ts";
import type { PlannedWeights, Target } from "../leader/move-advice.ts";
import type { RebalancePlan } from "../placement/rebalance-plan.ts";

/**
 * What the HTTP API shows of an apiserver besides the control store. What is not wired is answered with 501.
 */

export interface MemberStatus {
  readonly node: string;
  /** Learners get the log and do not vote. */
  readonly voter: boolean;
  /** host:port of its links, where it is known. */
  readonly address?: string | undefined;
  /** Whether the leader has heard of it lately; undefined where that is not known. */
  readonly reachable?: boolean | undefined;
}

/** The apiservers as this one sees them. */
export interface ClusterPort {
  members(): readonly MemberStatus[];
}

/** An apiserver as a member of the group, or one that is to become one. */
export interface MemberView {
  readonly node: string;
  /** `joining`: its address is known, and it is no member yet. Learners get the log and do not vote. */
  readonly state: "joining" | "learner" | "voter";
  readonly leads: boolean;
  /** host:port of its links. */
  readonly address?: string | undefined;
  /** Whether the leader has heard of it lately. */
  readonly reachable?: boolean | undefined;
  /** Entries of the leader's log that are not known to be on its disk. */
  readonly lag?: number | undefined;
  /** What it has of a checkpoint that is on its way to it. */
  readonly checkpointBytes?: number | undefined;
  /** What it says of itself; absent when it does not answer. */
  readonly term?: number | undefined;
  readonly commit?: number | undefined;
  readonly applied?: number | undefined;
  /** Bytes of its log on its disk. */
  readonly logBytes?: number | undefined;
}

export interface GroupView {
  /** Who answers. */
  readonly node: string;
  readonly leader?: string | undefined;
  /** Of the leader, and of the one who answers while there is none. */
  readonly term: number;
  readonly commit: number;
  readonly lastIndex: number;
  readonly checkpointIndex: number;
  /** A change of the members is not committed yet. */
  readonly changing: boolean;
  readonly transferTo?: string | undefined;
  readonly members: readonly MemberView[];
}

/** The group that the apiservers form. Each request may be sent again. */
export interface RaftPort {
  view(): Promise<GroupView>;
  /**
   * Adds a member as a learner, and makes it a voter once it has caught up; for a moment that is waited for, then
   * it is a learner still and is asked for again. @throws ApiError, ControlError
   */
  add(node: string, address: string): Promise<MemberView>;
  /** @throws ApiError "not-found", "last-voter", "below-quorum"; ControlError */
  remove(node: string): Promise<void>;
  /** Who leads then. Without a name: whoever can soonest. @throws ApiError, ControlError */
  transfer(to: string | undefined): Promise<string>;
}

/** Backup of the control state, as bytes that only the apiserver reads. */
export interface BackupPort {
  /** @throws ControlError */
  save(): Promise<AsyncIterable<Uint8Array>>;
  /** Begins a new generation. Nothing is changed unless all of it arrived and is whole. @throws ControlError */
  restore(bytes: AsyncIterable<Uint8Array>): Promise<{ readonly revision: number }>;
}

/** Why a world is nowhere, from whoever places worlds. */
export interface PlacementPort {
  /** Sentences; undefined where this apiserver does not place, and only the records are known. */
  problems(world: string): readonly string[] | undefined;
  /** What gameservers could not open, as they said last. Never rejects. */
  failures(): Promise<readonly ShardFailure[]>;
  /** Those of the shards that sleep, as their gameservers said last. Never rejects. */
  asleep(shards: readonly string[]): Promise<ReadonlySet<string>>;
}

/** Where worlds may be moved to, and how their migrations come along. */
export interface MovePort {
  /**
   * The best node for a shard besides its owner, as this apiserver sees it. `module`: what it is to run there; absent:
   * what its world names.
   */
  target(shard: string, planned: PlannedWeights, module?: ModuleSource): Target;
  /** Why a shard cannot go to a node, to be read behind its name; undefined: it can. */
  refusal(
    shard: string,
    node: string,
    planned: PlannedWeights,
    module?: ModuleSource,
  ): string | undefined;
  /** Why no more worlds may set out at present, as a sentence; undefined: they may. */
  crowded(): string | undefined;
  /** As nodes said last. Never rejects. */
  reports(): Promise<readonly ReportedMigration[]>;
}

/** What would be moved for balance, from whoever places worlds. */
export interface RebalancePort {
  /** Undefined: nobody leads, or the leader does not say. Never rejects. */
  plan(): Promise<RebalancePlan | undefined>;
}

/** How nodes are loaded, from whoever hears their renewals. */
export interface LoadPort {
  /** By node; one that is not in it has not renewed, or nobody knows. Never rejects. */
  loads(): Promise<ReadonlyMap<string, NodeLoad>>;
}

/** The level of this process's log. */
export interface LogLevelPort {
  get(): LogLevel;
  set(level: LogLevel): void;
}
