import type { RaftSettings } from "../core/options.ts";

const MIB = 1024 * 1024;

export interface RunnerOptions {
  /** Time of one tick, in ms; the core's timeouts are counted in ticks. */
  readonly tickMs: number;
  /** A proposal or read that is not answered after this is given up (`unknown`). */
  readonly requestTimeoutMs: number;
  /** Proposals that wait here for their commit; the next are refused (`busy`). */
  readonly maxWaitingProposals: number;
  /** A follower hears this much later that something is committed, unless an append tells it sooner. */
  readonly commitNoticeMs: number;
  /** A checkpoint is made after so many entries, or so many bytes in the log, whichever comes first. */
  readonly checkpointEntries: number;
  readonly checkpointBytes: number;
  /** How fast a checkpoint is written, so that syncs of the log do not wait for it. */
  readonly checkpointBytesPerSecond: number;
  /** After a checkpoint that could not be written. */
  readonly checkpointRetryMs: number;
}

export const DEFAULT_RUNNER_OPTIONS: RunnerOptions = {
  tickMs: 25,
  requestTimeoutMs: 1800,
  maxWaitingProposals: 20_000,
  commitNoticeMs: 5,
  checkpointEntries: 100_000,
  checkpointBytes: 64 * MIB,
  checkpointBytesPerSecond: 64 * MIB,
  checkpointRetryMs: 30_000,
};

/**
 * The core's settings for the defaults above: elections after 250 to 475 ms without a leader, heartbeats
 * every 50 ms. What may wait for a quorum fits into one save of the log.
 */
export const DEFAULT_CORE_SETTINGS: Omit<RaftSettings, "id"> = {
  electionTicks: 10,
  heartbeatTicks: 2,
  maxUncommittedBytes: 32 * MIB,
};

/** The loop gives way to others after so long, in ms. */
export const MAX_LOOP_MS = 10;

/** @throws RangeError for a value that cannot work. */
export function resolveRunnerOptions(settings: Partial<RunnerOptions>): RunnerOptions {
  const options = { ...DEFAULT_RUNNER_OPTIONS, ...settings };
  for (const [name, value] of Object.entries(options))
    if (!(value > 0)) throw new RangeError(`raft ${name}: more than 0 is needed, not ${value}`);
  return options;
}
