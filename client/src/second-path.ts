import { NEVER } from "./deadline.ts";

/** After a failure UDP is left alone for this long, then for twice the time, up to the cap. */
const FIRST_PAUSE_MS = 30_000;
const MAX_PAUSE_MS = 600_000;
/** A path that held for this long was a good one: what ends it later is no failure of UDP. */
const STABLE_MS = 60_000;

/** Where a server takes UDP, as its welcome says. */
export interface UdpAddress {
  port: number;
  /** The server's public key, 32 bytes. */
  key: Uint8Array;
}

/**
 * UDP beside the transport of the URL: when it is tried, and whether the session runs over it. Pure.
 *
 * 1. It is tried only while the session is in the world over the transport of the URL.
 * 2. After a failure it is tried again only after a growing pause, however often the session reconnects.
 *    A failure is a handshake without an answer, a move without a welcome, and a path that broke soon.
 */
export class SecondPath {
  /** When to try, in ms; NEVER while there is no reason to. */
  probeAt = NEVER;
  private readonly wanted: boolean;
  private state: "apart" | "probing" | "moving" | "in-use" = "apart";
  private address: UdpAddress | undefined;
  private failures = 0;
  private notBefore = Number.NEGATIVE_INFINITY;
  private inUseSince = 0;

  constructor(wanted: boolean) {
    this.wanted = wanted;
  }

  /** The handshake of a try is under way. */
  get probing(): boolean {
    return this.state === "probing";
  }

  /** The session said hello over UDP and waits for the welcome. */
  get moving(): boolean {
    return this.state === "moving";
  }

  /** The session's connection is this path, welcomed or not yet. */
  get taken(): boolean {
    return this.state === "moving" || this.state === "in-use";
  }

  /** There was a welcome, over either transport. */
  welcomed(address: UdpAddress | undefined, now: number): void {
    if (this.state === "moving") {
      this.state = "in-use";
      this.inUseSince = now;
    }
    if (!this.wanted || this.state !== "apart") return;
    this.address = address;
    this.probeAt = address === undefined ? NEVER : Math.max(now, this.notBefore);
  }

  /** Where to try, when it is time to; from then on it is `probing`. */
  begin(now: number): UdpAddress | undefined {
    if (this.probeAt > now) return undefined;
    this.probeAt = NEVER;
    this.state = "probing";
    return this.address;
  }

  /** The handshake is done: the session moves. */
  answered(): void {
    this.state = "moving";
  }

  /** The handshake came to nothing. */
  unanswered(now: number): void {
    if (this.state !== "probing") return;
    this.state = "apart";
    this.failed(now);
    this.probeAt = this.notBefore;
  }

  /** The session's connection is gone; `told` when the server said why. A try under way is given up. */
  lost(told: boolean, now: number): void {
    const broke = this.state === "in-use" && !told && now - this.inUseSince < STABLE_MS;
    if (broke || this.state === "moving") this.failed(now);
    else if (this.state === "in-use") this.failures = 0;
    this.stop();
  }

  /** There is no session to carry. */
  stop(): void {
    this.state = "apart";
    this.probeAt = NEVER;
  }

  private failed(now: number): void {
    this.notBefore =
      now + Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(this.failures, 16));
    this.failures += 1;
  }
}
