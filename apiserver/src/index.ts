/** The control plane. */

export type { LeaderInfo, NodeLoad } from "@atlasnet/core";
export { usualFailover } from "./http/world-changes.ts";
export type { Renewals } from "./leader/lease-keeper.ts";
export {
  type Explanation,
  explainWorld,
  MAX_EXPLAINED_NODES,
  type NodeProblem,
  nodeProblemText,
  type WorldState,
} from "./placement/explain.ts";
export type { Intent, Proposed } from "./placement/intents.ts";
export { type Outcome, PlacementPlanner, type Step } from "./placement/planner.ts";
export type { BadRecord } from "./placement/record-reader.ts";
export {
  type BalanceSettings,
  DEFAULT_PLACEMENT,
  type PlacementSettings,
} from "./placement/settings.ts";
export { CHANGES_AT_ONCE, ClusterView } from "./placement/view.ts";
export {
  type ApiserverProcess,
  createApiserverProcess,
} from "./process.ts";
export { AtlasRaft } from "./raft/shell/atlas-raft.ts";
export { GroupClient } from "./raft/shell/group-client.ts";
export { type GroupLog, openGroupLog } from "./raft/shell/group-log.ts";
export { GroupReplicatedLog } from "./raft/shell/group-log-port.ts";
export { LinkTransport } from "./raft/shell/link-transport.ts";
export { PeerCalls } from "./raft/shell/peer-calls.ts";
export { PeerLinks } from "./raft/shell/peer-links.ts";
export type { GroupMachine, RunnerDependencies, RunnerEvents } from "./raft/shell/ports.ts";
export { RaftError, type RaftErrorCode } from "./raft/shell/raft-error.ts";
export { RaftRunner, type RaftRunnerOptions } from "./raft/shell/raft-runner.ts";
export { DEFAULT_CORE_SETTINGS, type RunnerOptions } from "./raft/shell/runner-options.ts";
export {
  type ApiserverService,
  type ApiserverServiceDependencies,
  type ApiserverServiceOptions,
  createApiserverService,
} from "./service.ts";
export { CheckpointDecoder, CheckpointError } from "./store/checkpoint-decoder.ts";
export { encodeCheckpoint } from "./store/checkpoint-encoder.ts";
export { type Command, CommandError, decodeCommand, encodeCommand } from "./store/commands.ts";
export {
  type LeaseHolder,
  LeaseTable,
  type Received,
  type Renewal,
  type RenewalAnswer,
} from "./store/lease-table.ts";
export {
  DEFAULT_QUOTA_BYTES,
  type HistoryLimits,
  MAX_QUOTA_BYTES,
  MAX_RESTORE_ITEMS,
} from "./store/limits.ts";
export { LocalLog } from "./store/local-log.ts";
export type {
  LogConsumer,
  Proposed as LogProposed,
  ReadIndex,
  ReplicatedLog,
} from "./store/replicated-log.ts";
export {
  DEFAULT_REQUEST_TIMEOUT_MS,
  ReplicatedStore,
  type ReplicatedStoreDependencies,
  type ReplicatedStoreOptions,
  type TakenIn,
} from "./store/replicated-store.ts";
export type { FrozenState, LogEntry } from "./store/state-machine.ts";
export type { HubWatch, WatchEvent } from "./store/watch-hub.ts";
export type { CheckpointReader } from "./wal/checkpoint-reader.ts";
export type { CheckpointWriter, StoredCheckpoint } from "./wal/checkpoint-writer.ts";
export { type NodeLog, type NodeLogDependencies, openNodeLog } from "./wal/open-node-log.ts";
export type { Save, Stored, WalDependencies, WalFigures, WalOptions } from "./wal/wal-options.ts";
export { WriteAheadLog } from "./wal/write-ahead-log.ts";
