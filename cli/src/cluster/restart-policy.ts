/** When a process that died is started again. */
export interface RestartPolicy {
  /** Wait before the first restart, doubled with each further one of the window, up to the longest. */
  readonly firstWaitMs: number;
  readonly longestWaitMs: number;
  /** Restarts within the window; a process that dies once more stays down. 0: never. */
  readonly maxRestarts: number;
  readonly windowMs: number;
}

export const DEFAULT_RESTARTS: RestartPolicy = {
  firstWaitMs: 500,
  longestWaitMs: 8_000,
  maxRestarts: 5,
  windowMs: 60_000,
};

export type RestartDecision =
  | {
      readonly restart: true;
      readonly waitMs: number /** Which one of the window. */;
      readonly count: number;
    }
  | { readonly restart: false };

/** The restarts of one process. Times are milliseconds of any clock that does not go back. */
export class RestartHistory {
  private readonly policy: RestartPolicy;
  private times: readonly number[] = [];
  /** All of them, for people. */
  total = 0;

  constructor(policy: RestartPolicy) {
    this.policy = policy;
  }

  /** Called when the process died; a yes counts as a restart. */
  died(now: number): RestartDecision {
    const { firstWaitMs, longestWaitMs, maxRestarts, windowMs } = this.policy;
    this.times = this.times.filter((time) => now - time < windowMs);
    const before = this.times.length;
    if (before >= maxRestarts) return { restart: false };
    this.times = [...this.times, now];
    this.total += 1;
    const waitMs = Math.min(longestWaitMs, firstWaitMs * 2 ** before);
    return { restart: true, waitMs, count: before + 1 };
  }
}
