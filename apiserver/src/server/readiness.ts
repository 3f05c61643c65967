import type { Clock, LeaderInfo } from "@atlasnet/core";
import type { Health } from "@atlasnet/core/node";

export interface ReadinessDependencies {
  readonly clock: Clock;
  leader(): LeaderInfo | undefined;
  /** No leader has reached this apiserver's log yet: it is no help in an election (ADR 14). */
  isNew(): boolean;
  /** Resolves once everything is applied here that was committed at the call. */
  barrier(): Promise<unknown>;
}

/** After a barrier that failed although there is a leader. */
const RETRY_MS = 100;

/**
 * Ready: the group has a leader, and since that is known this node has once had all that was committed. After
 * a time without a leader it has to show so again.
 */
export class Readiness {
  private readonly dependencies: ReadinessDependencies;
  private caughtUp = false;
  private asking = false;
  private stopped = false;
  /** Times that the leader was lost: an answer from before the last one says nothing. */
  private losses = 0;

  constructor(dependencies: ReadinessDependencies) {
    this.dependencies = dependencies;
  }

  /** The leader may be another. */
  changed(): void {
    if (this.dependencies.leader() === undefined) {
      this.losses += 1;
      this.caughtUp = false;
    } else this.ask();
  }

  check(): Health {
    const leader = this.dependencies.leader();
    if (leader === undefined) return { ok: false, reason: this.whyNobodyLeads() };
    if (!this.caughtUp)
      return { ok: false, reason: `this apiserver has not yet all that ${leader.node} has` };
    return { ok: true };
  }

  stop(): void {
    this.stopped = true;
  }

  private whyNobodyLeads(): string {
    const why = "no apiserver leads: most of them have to run and to reach each other";
    if (!this.dependencies.isNew()) return why;
    return `${why}; this one's log is new, so it cannot help those to elect one that have more: start all that ran before`;
  }

  private ask(): void {
    if (this.asking || this.caughtUp || this.stopped) return;
    this.asking = true;
    const { losses } = this;
    const done = (isCaughtUp: boolean) => {
      this.asking = false;
      if (isCaughtUp && losses === this.losses) this.caughtUp = true;
      else this.dependencies.clock.setTimer(RETRY_MS, () => this.changedLater());
    };
    // A barrier that fails has no other news than that; the next one is asked for.
    this.dependencies.barrier().then(
      () => done(true),
      () => done(false),
    );
  }

  private changedLater(): void {
    if (!this.stopped && this.dependencies.leader() !== undefined) this.ask();
  }
}
