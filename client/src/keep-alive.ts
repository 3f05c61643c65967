import { NEVER } from "./deadline.ts";
import type { ClientMessage } from "./messages.ts";

/** Longest time between pings; a third of the server's idle timeout when that is shorter. */
const PING_MS = 5_000;
/** A server that says nothing for this long is asked with a ping. One that is at play says more. */
const QUIET_MS = 1_500;
/** The first pings come close together: a page that is still starting answers the very first one late. */
const QUICK_PINGS = 3;
const QUICK_PING_MS = 250;
/** A connection is taken for dead when nothing at all comes for so long after a ping; longer on slow paths. */
const ANSWER_MS = 4_000;
const ANSWER_ROUND_TRIPS = 4;
const MAX_ANSWER_MS = 10_000;
/** A timer that is later than this says that the client itself was held up, and has not read yet. */
const LATE_MS = 500;

/**
 * Keeps a connection from looking dead to the server, notices when the server looks dead, and measures
 * the round trip on the way. From `start` to `stop` a ping is always due; otherwise nothing is.
 *
 * A server that vanished without a word is noticed QUIET_MS + ANSWER_MS after its last one: in 5.5 s. A
 * process that was killed is noticed sooner by its connection, as the machine says so.
 */
export class KeepAlive {
  /** Round trip time in ms; undefined until it was measured. */
  rtt: number | undefined;
  private readonly transmit: (message: ClientMessage) => void;
  private pingMs = PING_MS;
  private quickPings = 0;
  private pingAt = NEVER;
  private quietAt = NEVER;
  /** When the answer to a ping has to be there; NEVER while none is out. */
  private answerBy = NEVER;
  /** There was more time once, for the client's own delay. */
  private extended = false;

  constructor(transmit: (message: ClientMessage) => void) {
    this.transmit = transmit;
  }

  get wakeAt(): number {
    return Math.min(this.pingAt, this.quietAt, this.answerBy);
  }

  /** A welcome came; `idleTimeoutMs` is its limit, 0 for none. */
  start(idleTimeoutMs: number, now: number): void {
    this.pingMs = Math.min(PING_MS, idleTimeoutMs / 3 || PING_MS);
    this.quickPings = QUICK_PINGS;
    this.pingAt = now;
    this.heard(now);
  }

  stop(): void {
    this.pingAt = NEVER;
    this.quietAt = NEVER;
    this.answerBy = NEVER;
  }

  /** Something arrived. */
  heard(now: number): void {
    this.quietAt = now + QUIET_MS;
    this.answerBy = NEVER;
    this.extended = false;
  }

  /** Nothing came for so long that there is nobody; to be asked when it is due, before `wake`. */
  isSilent(now: number): boolean {
    if (this.answerBy > now) return false;
    if (now - this.answerBy <= LATE_MS || this.extended) return true;
    // The page was hidden or busy: the answer may be there, and only wait to be read.
    this.extended = true;
    this.answerBy = now + LATE_MS;
    return false;
  }

  /** The answer to the ping of time `t`. Of the quick pings the best counts; later ones are averaged. */
  pong(t: number, now: number): void {
    const sample = now - t;
    if (sample < 0) return;
    if (this.rtt === undefined) this.rtt = sample;
    else if (this.quickPings > 0) this.rtt = Math.min(this.rtt, sample);
    else this.rtt += (sample - this.rtt) / 4;
  }

  /** Does what is due. */
  wake(now: number): void {
    if (this.pingAt > now && this.quietAt > now) return;
    this.pingAt = now + (this.quickPings > 0 ? QUICK_PING_MS : this.pingMs);
    this.quickPings = Math.max(0, this.quickPings - 1);
    this.quietAt = NEVER;
    if (this.answerBy === NEVER) this.answerBy = now + this.answerMs;
    this.transmit({ type: "ping", t: Math.floor(now) });
  }

  private get answerMs(): number {
    const slow = (this.rtt ?? 0) * ANSWER_ROUND_TRIPS;
    return Math.min(MAX_ANSWER_MS, Math.max(ANSWER_MS, slow));
  }
}
