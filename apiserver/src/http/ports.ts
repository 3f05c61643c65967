import type { LogLevel } from "@atlasnet/core";

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
}

/** The level of this process's log. */
export interface LogLevelPort {
  get(): LogLevel;
  set(level: LogLevel): void;
}
