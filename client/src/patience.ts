import { NEVER } from "./deadline.ts";
import type { EndCode } from "./session-events.ts";

/** From dialing until a connection stands, where another address could answer instead. */
const OPENING_MS = 3_000;
/** From dialing to the welcome, or from the connection to the welcome after the above. */
const HANDSHAKE_MS = 10_000;
/** The same when the session moves to UDP, whose answer was just heard. */
const MOVE_MS = 5_000;
/** How long `leave` waits for the server's goodbye. */
const LEAVE_MS = 2_000;

const waits = { opening: OPENING_MS, handshake: HANDSHAKE_MS, move: MOVE_MS, goodbye: LEAVE_MS };

/**
 * How long a session waits: for the first welcome in all, over all attempts, and for each answer. It is
 * also what the join that takes too long ends with.
 */
export class Patience {
  private readonly options: { urls: readonly string[]; joinTimeoutMs: number };
  private joinBy = NEVER;
  private answerBy = NEVER;
  /** Why the last attempt failed. */
  private lastLoss: { code: EndCode; reason: string } = {
    code: "unreachable",
    reason: "no answer",
  };

  constructor(options: { urls: readonly string[]; joinTimeoutMs: number }) {
    this.options = options;
  }

  get wakeAt(): number {
    return Math.min(this.joinBy, this.answerBy);
  }

  /** The first join begins. */
  join(now: number): void {
    this.joinBy = now + this.options.joinTimeoutMs;
  }

  /** Something was said that has to be answered. */
  await(what: keyof typeof waits, now: number): void {
    this.answerBy = now + waits[what];
  }

  /** There is nothing to wait for on this connection. */
  rest(): void {
    this.answerBy = NEVER;
  }

  /** The session is in the world, or over: the join is, too. */
  settle(): void {
    this.joinBy = NEVER;
    this.answerBy = NEVER;
  }

  lost(code: EndCode, reason: string): void {
    this.lastLoss = { code, reason };
  }

  isUnanswered(now: number): boolean {
    return this.answerBy <= now;
  }

  /** Why the join is over; undefined while there is time. */
  tooLate(now: number): { code: EndCode; reason: string } | undefined {
    if (this.joinBy > now) return undefined;
    const { urls, joinTimeoutMs } = this.options;
    const { code, reason } = this.lastLoss;
    return { code, reason: `${urls.join(", ")}, for ${joinTimeoutMs} ms: ${reason}` };
  }
}
