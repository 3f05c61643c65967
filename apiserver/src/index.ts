/** The control plane. */
export type { LeaderInfo } from "@atlasnet/core";
export type { NodeLoad } from "./placement/entries.ts";
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
export {
  type BalanceSettings,
  DEFAULT_PLACEMENT,
  type PlacementSettings,
} from "./placement/settings.ts";
export { type BadRecord, CHANGES_AT_ONCE, ClusterView } from "./placement/view.ts";
export type { CheckpointReader } from "./wal/checkpoint-reader.ts";
export type { CheckpointWriter, StoredCheckpoint } from "./wal/checkpoint-writer.ts";
export { type NodeLog, type NodeLogDependencies, openNodeLog } from "./wal/open-node-log.ts";
export type { Save, Stored, WalDependencies, WalFigures, WalOptions } from "./wal/wal-options.ts";
export { WriteAheadLog } from "./wal/write-ahead-log.ts";
