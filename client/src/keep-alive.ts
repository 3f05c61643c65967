import { NEVER } from "./deadline.ts";
import type { ClientMessage } from "./messages.ts";

/** Longest time between pings; a third of the server's idle timeout when that is shorter. */
const PING_MS = 5_000;
/** The first pings come close together: a page that is still starting answers the very first one late. */
const QUICK_PINGS = 3;
const QUICK_PING_MS = 250;
/** A connection is taken for dead after this many ping intervals without a word. */
const SILENT_INTERVALS = 3;

/**
 * Keeps a connection from looking dead to the server, notices when the server looks dead, and measures
 * the round trip on the way. From `start` to `stop` a ping is always due; otherwise nothing is.
 */
export class KeepAlive {
  /** Round trip time in ms; undefined until it was measured. */
  rtt: number | undefined;
  private readonly transmit: (message: ClientMessage) => void;
  private pingMs = PING_MS;
  private quickPings = 0;
  private pingAt = NEVER;
  private silentAt = NEVER;

  constructor(transmit: (message: ClientMessage) => void) {
    this.transmit = transmit;
  }

  get wakeAt(): number {
    return Math.min(this.pingAt, this.silentAt);
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
    this.silentAt = NEVER;
  }

  /** Something arrived. */
  heard(now: number): void {
    this.silentAt = now + SILENT_INTERVALS * this.pingMs;
  }

  isSilent(now: number): boolean {
    return this.silentAt <= now;
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
    if (this.pingAt > now) return;
    this.pingAt = now + (this.quickPings > 0 ? QUICK_PING_MS : this.pingMs);
    this.quickPings = Math.max(0, this.quickPings - 1);
    this.transmit({ type: "ping", t: Math.floor(now) });
  }
}
