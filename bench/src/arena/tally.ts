import { Histogram } from "../lib/statistics.ts";

/** What arrived at one client within the window. */
export interface ClientTally {
  messages: number;
  bytes: number;
  /** When its last state message came; 0 before the first. */
  lastAt: number;
}

/** What the generator counts within a window. */
export class Tally {
  readonly gaps = new Histogram();
  sent = 0;
  sentBytes = 0;
  firstTick = 0;
  lastTick = 0;

  reset(): void {
    this.gaps.reset();
    this.sent = 0;
    this.sentBytes = 0;
    this.firstTick = 0;
    this.lastTick = 0;
  }
}
