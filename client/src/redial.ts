import { Backoff } from "./backoff.ts";
import { NEVER } from "./deadline.ts";
import { Endpoints } from "./endpoints.ts";
import type { Welcome } from "./messages.ts";
import { SecondPath } from "./second-path.ts";

/** Longest pause before a hasty attempt. */
const HASTE_MS = 100;

/**
 * Where and when the next connection is tried. When a connection that was good breaks, that is the same
 * address once more and then each other one, in haste; from then on one after the other, with a growing
 * pause. A server that says why it closes is not asked again before all others.
 */
export class Redial {
  /** When to dial, in ms; NEVER while nobody waits. */
  retryAt = NEVER;
  readonly path: SecondPath;
  private readonly endpoints: Endpoints;
  private readonly backoff: Backoff;
  private readonly random: () => number;
  /** Attempts that may still be made in haste. */
  private haste: number;
  /** When the present connection was welcomed. */
  private joinedAt: number | undefined;

  constructor(options: { urls: readonly string[]; secondPath?: boolean }, random: () => number) {
    const { urls, secondPath = false } = options;
    this.path = new SecondPath(secondPath);
    this.endpoints = new Endpoints(urls, random);
    this.backoff = new Backoff(random);
    this.random = random;
    this.haste = this.endpoints.size - 1;
  }

  /** While there are others that were not tried yet, one that does not answer is not waited for long. */
  get hasty(): boolean {
    return this.haste > 0 && this.endpoints.size > 1;
  }

  get wakeAt(): number {
    return Math.min(this.retryAt, this.path.probeAt);
  }

  /** The address to dial now. */
  dial(): string {
    this.retryAt = NEVER;
    return this.endpoints.current;
  }

  /** The address was good. */
  welcomed({ endpoints, udp }: Welcome, now: number): void {
    this.endpoints.learn(endpoints);
    this.joinedAt = now;
    this.path.welcomed(udp, now);
  }

  /** The connection is gone, or was not made; `told` when the server said why. */
  lost(told: boolean, now: number): void {
    const { joinedAt, endpoints, backoff } = this;
    if (joinedAt === undefined) {
      // A move that came to nothing says nothing of the address.
      if (told || !this.path.taken) endpoints.next();
    } else {
      const wasGood = backoff.ended(now - joinedAt);
      this.haste = wasGood && !told ? endpoints.size : 0;
      endpoints.lost(told);
    }
    this.joinedAt = undefined;
    this.path.lost(told, now);
    if (this.haste > 0) {
      this.haste -= 1;
      this.retryAt = now + this.random() * HASTE_MS;
    } else this.retryAt = now + backoff.next();
  }

  /** There is no reason to wait any longer. */
  hurry(now: number): void {
    if (this.retryAt !== NEVER) this.retryAt = now;
  }

  stop(): void {
    this.retryAt = NEVER;
    this.path.stop();
  }
}
