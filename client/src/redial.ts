import { Backoff } from "./backoff.ts";
import { NEVER } from "./deadline.ts";
import { Endpoints } from "./endpoints.ts";

/** Where and when the next connection is tried. After a loss that is the next address, after a while. */
export class Redial {
  /** When to dial, in ms; NEVER while nobody waits. */
  retryAt = NEVER;
  private readonly endpoints: Endpoints;
  private readonly backoff: Backoff;
  /** When the present connection was welcomed. */
  private joinedAt: number | undefined;

  constructor(url: string, random: () => number) {
    this.endpoints = new Endpoints(url);
    this.backoff = new Backoff(random);
  }

  /** The address to dial now. */
  dial(): string {
    this.retryAt = NEVER;
    return this.endpoints.current;
  }

  /** The address was good. `endpoints` are those of the welcome. */
  welcomed(endpoints: readonly string[], now: number): void {
    this.endpoints.learn(endpoints);
    this.joinedAt = now;
  }

  /** The connection is gone, or was not made. */
  lost(now: number): void {
    if (this.joinedAt !== undefined) this.backoff.ended(now - this.joinedAt);
    this.joinedAt = undefined;
    this.endpoints.next();
    this.retryAt = now + this.backoff.next();
  }

  /** There is no reason to wait any longer. */
  hurry(now: number): void {
    if (this.retryAt !== NEVER) this.retryAt = now;
  }

  stop(): void {
    this.retryAt = NEVER;
  }
}
