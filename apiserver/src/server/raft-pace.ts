import type { RaftSettings } from "../raft/core/options.ts";
import { DEFAULT_CORE_SETTINGS, type RunnerOptions } from "../raft/shell/runner-options.ts";

/** Of one heartbeat, so that it is sent about when it should be. */
const TICKS_PER_HEARTBEAT = 2;

/** Times of the settings as ticks of the core. */
export function raftPace({
  electionMs,
  heartbeatMs,
}: {
  readonly electionMs: number;
  readonly heartbeatMs: number;
}): { readonly core: Omit<RaftSettings, "id">; readonly runner: Partial<RunnerOptions> } {
  const tickMs = heartbeatMs / TICKS_PER_HEARTBEAT;
  return {
    core: {
      ...DEFAULT_CORE_SETTINGS,
      heartbeatTicks: TICKS_PER_HEARTBEAT,
      electionTicks: Math.max(TICKS_PER_HEARTBEAT + 1, Math.round(electionMs / tickMs)),
    },
    runner: { tickMs },
  };
}
