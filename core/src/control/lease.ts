import type { Clock } from "../ports/clock.ts";

/**
 * Part of a lease's length by which clocks of two machines may differ over that length, either way: far
 * above what crystals and time daemons do (0.05 %).
 */
export const LEASE_DRIFT = 0.01;

/** Why a node may not act. */
export type Sealed =
  /** It never held a lease. */
  | "new"
  /** The lease ran out without a renewal. */
  | "expired"
  /** The event loop stood still for longer than allowed. */
  | "stall"
  /** The wall clock and the monotonic one went apart: the machine slept, or somebody set its clock. */
  | "clock-jump"
  /** The control plane holds this node for lost, or proposes so. Only a new registration helps. */
  | "lost";

export interface LeaseOptions {
  /** Longest time between two calls of `check` or `mayAct`; above it the lease is sealed. */
  readonly maxStallMs: number;
  /** Most that the wall clock may go apart from the monotonic one between two calls. */
  readonly maxJumpMs: number;
}

export const DEFAULT_LEASE_OPTIONS: LeaseOptions = { maxStallMs: 1000, maxJumpMs: 250 };

/** Renewals that are not answered and may yet be; older ones are given up. */
const MAX_UNANSWERED = 16;

/**
 * A node's permission to act, on its own clock.
 *
 * 1. A granted renewal holds from the moment it was *sent*: the leader counts from when it came, later.
 * 2. A stall or a jump of the clock seals before anything else; only a renewal sent afterwards unseals.
 * 3. "lost" stays until `registered`.
 * 4. It ends as soon as one of the two clocks says so: while a machine sleeps only the wall clock goes on, and
 *    sleeps too short to be noticed by themselves must not make it longer than the leader thinks.
 * 5. `mayAct` is asked for each batch at its release, and never answers from a timer: a timer may be late.
 */
export class Lease {
  private readonly options: LeaseOptions;
  private readonly clock: Clock;
  /** Called once for each time it is sealed, before `mayAct` answers. */
  private readonly onSealed: (reason: Sealed) => void;
  /** By the monotonic clock and by the wall clock. */
  private until = Number.NEGATIVE_INFINITY;
  private wallUntil = Number.NEGATIVE_INFINITY;
  private reason: Sealed | undefined = "new";
  private number = 0;
  /** When they were sent, by both clocks. */
  private readonly unanswered = new Map<number, { readonly now: number; readonly wall: number }>();
  private lastNow: number;
  private lastOffset: number;

  constructor(
    options: LeaseOptions,
    { clock, onSealed }: { clock: Clock; onSealed: (reason: Sealed) => void },
  ) {
    this.options = options;
    this.clock = clock;
    this.onSealed = onSealed;
    this.lastNow = clock.now();
    this.lastOffset = clock.wallTime() - this.lastNow;
  }

  /** Undefined while the node may act. Says what held at the last look; `check` looks. */
  get sealed(): Sealed | undefined {
    return this.reason;
  }

  /** The number of a renewal that is sent now. */
  renewing(): number {
    this.check();
    this.number += 1;
    this.unanswered.set(this.number, { now: this.lastNow, wall: this.lastNow + this.lastOffset });
    for (const oldest of this.unanswered.keys()) {
      if (this.unanswered.size <= MAX_UNANSWERED) break;
      this.unanswered.delete(oldest);
    }
    return this.number;
  }

  /** The leader granted renewal `number` for `leaseMs`. Answers that come twice or late do no harm. */
  granted(number: number, leaseMs: number): void {
    this.check();
    const sentAt = this.unanswered.get(number);
    if (sentAt === undefined || this.reason === "lost") return;
    for (const older of [...this.unanswered.keys()])
      if (older <= number) this.unanswered.delete(older);
    // Numbers go up, so this one was sent after those granted before.
    const length = leaseMs * (1 - LEASE_DRIFT);
    const [until, wallUntil] = [sentAt.now + length, sentAt.wall + length];
    if (until <= this.lastNow || wallUntil <= this.lastNow + this.lastOffset) return;
    this.until = until;
    this.wallUntil = wallUntil;
    this.reason = undefined;
  }

  /** The control plane holds this node for lost. */
  lost(): void {
    this.seal("lost");
  }

  /** The node has a new registration: renewals sent from now on count. */
  registered(): void {
    this.unanswered.clear();
    this.until = Number.NEGATIVE_INFINITY;
    this.reason = "new";
  }

  /** To be asked before anything goes out. */
  mayAct(): boolean {
    this.check();
    return this.reason === undefined;
  }

  /** Milliseconds the node may still act if nothing happens; 0 when it may not. */
  left(): number {
    if (!this.mayAct()) return 0;
    return Math.min(this.until, this.wallUntil - this.lastOffset) - this.lastNow;
  }

  /** Looks at the clocks; to be called often, several times within `maxStallMs`. */
  check(): void {
    const now = this.clock.now();
    const offset = this.clock.wallTime() - now;
    const stalled = now - this.lastNow > this.options.maxStallMs;
    const jumped = Math.abs(offset - this.lastOffset) > this.options.maxJumpMs;
    this.lastNow = now;
    this.lastOffset = offset;
    if (jumped) this.seal("clock-jump");
    else if (stalled) this.seal("stall");
    else if (this.reason !== undefined) return;
    else if (now >= this.until || now + offset >= this.wallUntil) this.seal("expired");
  }

  private seal(reason: Sealed): void {
    // Renewals sent before it are of a time that is not known any more.
    if (reason !== "expired") this.unanswered.clear();
    if (this.reason === "lost") return;
    const acted = this.reason === undefined;
    this.until = Number.NEGATIVE_INFINITY;
    this.reason = acted || reason === "lost" ? reason : this.reason;
    if (acted) this.onSealed(reason);
  }
}
