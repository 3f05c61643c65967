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
export { type BadRecord, ClusterView } from "./placement/view.ts";
