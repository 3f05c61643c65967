import {
  type Clock,
  ControlError,
  type ControlStore,
  type Logger,
  type Timer,
} from "@atlasnet/core";
import type { Proposed } from "../placement/intents.ts";
import type { Outcome, PlacementPlanner } from "../placement/planner.ts";

export interface PlacementLoopDependencies {
  readonly store: Pick<ControlStore, "txn">;
  readonly planner: PlacementPlanner;
  readonly clock: Clock;
  readonly logger: Logger;
  /** False: the view has a gap, and nothing is decided. */
  readonly canStep: () => boolean;
}

/** Sleeps are no longer: what was counted on may not come. */
const MAX_SLEEP_MS = 60_000;
/** Failed transactions have a line in the log this often at most. */
const LINE_EVERY_MS = 10_000;
/** The store says that it was not applied, and will not be. */
const DECIDED: ReadonlySet<string> = new Set([
  "bad-request",
  "too-large",
  "quota",
  "no-lease",
  "busy",
  "unauthorized",
]);

/** Has the planner step whenever there may be something to do, one step a turn, and proposes what it says. */
export class PlacementLoop {
  private readonly dependencies: PlacementLoopDependencies;
  private term: number | undefined;
  private timer: Timer | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private lineAt = Number.NEGATIVE_INFINITY;
  private readonly counts = { done: 0, failed: 0, unknown: 0 };
  private readonly migrations = { begun: 0, aborted: 0 };
  private steps = 0;
  private stepMs = 0;
  private longestStepMs = 0;

  constructor(dependencies: PlacementLoopDependencies) {
    this.dependencies = dependencies;
  }

  /** Transactions by their outcome, migrations that it began and aborted, and steps, since the start; the longest step since it was asked last. */
  get figures() {
    const { counts, migrations, steps, stepMs } = this;
    return { transactions: counts, migrations, steps, stepMs };
  }

  /** The longest step since the last call, in ms. */
  takeLongestStepMs(): number {
    const longest = this.longestStepMs;
    this.longestStepMs = 0;
    return longest;
  }

  lead(term: number): void {
    this.follow();
    const { planner, clock } = this.dependencies;
    this.term = term;
    planner.lead(term, clock.now());
    this.wake();
  }

  /** Idempotent. */
  follow(): void {
    if (this.term === undefined) return;
    this.term = undefined;
    this.timer?.cancel();
    this.timer = undefined;
    this.timerAt = Number.POSITIVE_INFINITY;
    const { planner, clock } = this.dependencies;
    planner.resign(clock.now());
  }

  /** Something has changed. */
  wake(): void {
    this.sleep(0);
  }

  private sleep(ms: number): void {
    if (this.term === undefined) return;
    const { clock } = this.dependencies;
    const at = clock.now() + ms;
    if (at >= this.timerAt) return;
    this.timer?.cancel();
    this.timerAt = at;
    this.timer = clock.setTimer(ms, () => {
      this.timerAt = Number.POSITIVE_INFINITY;
      this.step();
    });
  }

  private step(): void {
    const { planner, clock, canStep } = this.dependencies;
    const { term } = this;
    if (term === undefined || !canStep()) return;
    const begun = clock.now();
    const { intents, more, wakeAt } = planner.step(begun, clock.wallTime());
    // Nothing may come between a loss that is decided and its proposal.
    for (const proposed of planner.transactions(intents)) this.propose(proposed, term);
    const now = clock.now();
    this.steps += 1;
    this.stepMs += now - begun;
    this.longestStepMs = Math.max(this.longestStepMs, now - begun);
    this.sleep(more ? 0 : Math.min(Math.max(1, wakeAt - now), MAX_SLEEP_MS));
  }

  private propose(proposed: Proposed, term: number): void {
    const { store, logger, clock } = this.dependencies;
    for (const intent of proposed.intents) {
      if (intent.type === "lost")
        logger.warn("The lease of a node has run out; what it ran goes to others.", {
          lost: intent.node,
          boot: intent.record.boot,
          leaseMs: intent.record.leaseMs,
        });
      else if (intent.type === "migrate")
        logger.info("A world is to move while it runs.", {
          shard: intent.shard,
          to: intent.node,
          reason: intent.reason,
        });
      else if (intent.type === "mirror")
        logger.info("A world is to have a mirror.", { shard: intent.shard, mirror: intent.node });
      else if (intent.type === "dismiss")
        logger.info("A mirror is asked to withdraw.", {
          shard: intent.shard,
          mirror: intent.mirror,
        });
      else if (intent.type === "abandon")
        logger.warn("A mirror is given up; the world goes on without it.", {
          shard: intent.shard,
          mirror: intent.mirror,
          problem: intent.problem,
        });
      else if (intent.type === "abort")
        logger.warn("A migration is aborted; the world goes on where it was, if that node lives.", {
          shard: intent.shard,
          migration: intent.migration,
          problem: intent.problem,
        });
    }
    store.txn(proposed.txn).then(
      ({ succeeded }) => this.settled(proposed, succeeded ? "done" : "failed", term),
      (error: unknown) => {
        if (clock.now() >= this.lineAt + LINE_EVERY_MS) {
          this.lineAt = clock.now();
          logger.warn("Placement could not write what it decided; it goes on.", { error });
        }
        const decided = error instanceof ControlError && DECIDED.has(error.code);
        this.settled(proposed, decided ? "failed" : "unknown", term);
      },
    );
  }

  private settled(proposed: Proposed, outcome: Outcome, term: number): void {
    this.counts[outcome] += 1;
    for (const { type } of outcome === "done" ? proposed.intents : []) {
      if (type === "migrate") this.migrations.begun += 1;
      else if (type === "abort") this.migrations.aborted += 1;
    }
    if (term !== this.term) return;
    const { planner, clock } = this.dependencies;
    planner.settled(proposed, outcome, clock.now());
    this.wake();
  }
}
