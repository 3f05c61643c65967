export interface SeedFailure {
  readonly seed: number;
  readonly error: Error;
}

/** What happened in a run, counted. */
export interface Figures {
  readonly [what: string]: number;
}

export interface SeedsReport {
  readonly seeds: number;
  readonly failures: readonly SeedFailure[];
  /** Sums over the seeds that did not fail. */
  readonly totals: Figures;
}

export interface SeedsOptions {
  readonly first: number;
  readonly count: number;
  /** Stop at so many failures; 1 when left out. */
  readonly maxFailures?: number;
  /** Called after each seed. */
  readonly onSeed?: (seed: number, failure: SeedFailure | undefined) => void;
}

/** Runs one simulation after another; `run` fails when a rule was broken. */
export async function runEachSeed(
  { first, count, maxFailures = 1, onSeed }: SeedsOptions,
  run: (seed: number) => Figures | Promise<Figures>,
): Promise<SeedsReport> {
  const failures: SeedFailure[] = [];
  const totals: { [what: string]: number } = {};
  let seeds = 0;
  for (let seed = first; seed < first + count; seed++) {
    seeds++;
    let failure: SeedFailure | undefined;
    try {
      for (const [what, times] of Object.entries(await run(seed)))
        totals[what] = (totals[what] ?? 0) + times;
    } catch (error) {
      failure = { seed, error: error instanceof Error ? error : new Error(String(error)) };
      failures.push(failure);
    }
    onSeed?.(seed, failure);
    if (failures.length >= maxFailures) break;
  }
  return { seeds, failures, totals };
}
