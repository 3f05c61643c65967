import type { HistoryRecord } from "../record.ts";
import { ClientCheck, type HistoryFigures } from "./client-check.ts";
import { NO_GAP, type TickGap } from "./tick-intervals.ts";
import type { Violation } from "./violation.ts";

/** Violations that are told one by one; the others are counted. */
export const MAX_VIOLATIONS_TOLD = 10;
/** Clients whose gaps are told: those with the largest. */
export const MAX_GAPS_TOLD = 10;

export interface ClientGap extends TickGap {
  readonly client: string;
}

/** What became of checking. Plain data: it travels between processes, and into files. */
export interface HistoryVerdict {
  /** No rule was broken, in what was recorded. */
  readonly ok: boolean;
  /** Nothing is missing in the history, and all that was acknowledged is proved by accounts of the world. */
  readonly complete: boolean;
  readonly violations: number;
  /** The first of them, in the order of the history. */
  readonly told: readonly Violation[];
  readonly clients: number;
  readonly figures: HistoryFigures;
  /** The longest that clients waited from one tick to the next, the worst first. */
  readonly gaps: readonly ClientGap[];
}

/**
 * Proves over any run that messages came once and in order: hand it every record as it is made, or from a file, then
 * `finish`. It keeps at most half a MB for each client.
 */
export class HistoryChecker {
  private readonly checks = new Map<string, ClientCheck>();
  private readonly told: Violation[] = [];
  private violations = 0;
  private readonly onViolation: ((violation: Violation) => void) | undefined;

  /** `onViolation` hears of each at once, as of the first in a simulation that then stops. */
  constructor({ onViolation }: { onViolation?: (violation: Violation) => void } = {}) {
    this.onViolation = onViolation;
  }

  /** A field, so that it can be handed on as a sink. */
  readonly take = (record: HistoryRecord): void => {
    let check = this.checks.get(record.client);
    if (check === undefined) {
      check = new ClientCheck(record, { onViolation: (violation) => this.violated(violation) });
      this.checks.set(record.client, check);
    }
    check.take(record);
  };

  client(name: string): ClientCheck | undefined {
    return this.checks.get(name);
  }

  /** The longest that any client waited for a tick between two times on the clients' clocks, in ms. */
  largestGap(from: number, to: number): ClientGap | undefined {
    let largest: ClientGap | undefined;
    for (const [client, { ticks }] of this.checks) {
      const gap = ticks.largestBetween(from, to);
      if (gap.ms > (largest?.ms ?? 0)) largest = { ...gap, client };
    }
    return largest;
  }

  /** The history is over. */
  finish(): HistoryVerdict {
    for (const check of this.checks.values()) check.finish();
    return this.verdict();
  }

  /** What was found so far. */
  verdict(): HistoryVerdict {
    const figures = sumOf([...this.checks.values()].map((check) => check.figures));
    const gaps = [...this.checks].map(([client, { gap }]) => ({ client, ...gap }));
    return {
      ok: this.violations === 0,
      complete: isComplete(figures),
      violations: this.violations,
      told: [...this.told],
      clients: this.checks.size,
      figures,
      gaps: worst(gaps),
    };
  }

  private violated(violation: Violation): void {
    this.violations += 1;
    if (this.told.length < MAX_VIOLATIONS_TOLD) this.told.push(violation);
    this.onViolation?.(violation);
  }
}

/** Checks a history that is there as a whole. */
export function checkHistory(records: Iterable<HistoryRecord>): HistoryVerdict {
  const checker = new HistoryChecker();
  for (const record of records) checker.take(record);
  return checker.finish();
}

/** One verdict of those of several processes, each with clients of its own. */
export function mergedVerdict(verdicts: readonly HistoryVerdict[]): HistoryVerdict {
  const figures = sumOf(verdicts.map((verdict) => verdict.figures));
  return {
    ok: verdicts.every(({ ok }) => ok),
    complete: isComplete(figures),
    violations: verdicts.reduce((sum, verdict) => sum + verdict.violations, 0),
    told: verdicts.flatMap(({ told }) => told).slice(0, MAX_VIOLATIONS_TOLD),
    clients: verdicts.reduce((sum, { clients }) => sum + clients, 0),
    figures,
    gaps: worst(verdicts.flatMap(({ gaps }) => gaps)),
  };
}

function isComplete({
  holes,
  accounts,
  unproved,
  unacknowledged,
  unsent,
}: HistoryFigures): boolean {
  return holes === 0 && accounts > 0 && unproved + unacknowledged + unsent === 0;
}

function worst(gaps: readonly ClientGap[]): ClientGap[] {
  return gaps
    .filter(({ ms }) => ms > NO_GAP.ms)
    .sort((a, b) => b.ms - a.ms)
    .slice(0, MAX_GAPS_TOLD);
}

const NONE: HistoryFigures = {
  ...{ queued: 0, sent: 0, resends: 0, acknowledged: 0, undone: 0, lostWithSession: 0 },
  ...{ unacknowledged: 0, unsent: 0, unproved: 0, received: 0, repeats: 0, early: 0, delivered: 0 },
  ...{ sessions: 0, streams: 0, welcomes: 0, drops: 0, rollbacks: 0, ticks: 0, accounts: 0 },
  holes: 0,
};

function sumOf(all: readonly HistoryFigures[]): HistoryFigures {
  const sum = { ...NONE };
  let name: keyof HistoryFigures;
  for (const figures of all) for (name in NONE) sum[name] += figures[name];
  return sum;
}
