import type { SimClock } from "@atlasnet/core/sim";
import { Actors } from "./checkers/actors.ts";
import { History } from "./checkers/history.ts";
import { Losses } from "./checkers/losses.ts";
import { Moves } from "./checkers/moves.ts";
import { RaftWatch } from "./checkers/raft-watch.ts";
import { Violations } from "./checkers/violations.ts";
import { CLAIM_MS } from "./placement-pace.ts";

/** All checkers of a run, and what they share. They know true time and everything that was committed. */
export class Books {
  readonly violations: Violations;
  readonly history: History;
  readonly raft: RaftWatch;
  readonly actors: Actors;
  readonly losses: Losses;
  readonly moves: Moves;
  /** Migrations, by their ids, whose source has sealed: what the link to the target would say. */
  readonly seals = new Set<string>();
  private order = 0;
  /** A sum of what happened in which order: the same for the same run. */
  private trace = 0x811c9dc5;

  constructor(sim: SimClock) {
    const now = () => sim.now();
    this.violations = new Violations(now);
    this.history = new History(this.violations, (change) => {
      this.losses.changed(change);
      this.moves.changed(change);
      this.note(change.key, change.revision, now());
    });
    this.raft = new RaftWatch(this.violations);
    this.actors = new Actors(this.history, this.violations);
    this.losses = new Losses(this.violations, now);
    this.moves = new Moves(this.history, this.violations, { claimMs: CLAIM_MS, now });
  }

  /** A place in the order of all events. */
  moment(): number {
    this.order += 1;
    return this.order;
  }

  note(...what: readonly (string | number)[]): void {
    const text = what.join(" ");
    for (let at = 0; at < text.length; at++)
      this.trace = Math.imul(this.trace ^ text.charCodeAt(at), 0x01000193);
  }

  get traceHash(): string {
    return (this.trace >>> 0).toString(16).padStart(8, "0");
  }
}
