import { Backoff } from "./backoff.ts";
import { NEVER } from "./deadline.ts";
import { Endpoints } from "./endpoints.ts";
import type { Welcome } from "./messages.ts";
import { SecondPath } from "./second-path.ts";

/**
 * Where and when the next connection is tried. After a loss that is the next address, after a while; or
 * the same one again, when it was the second path that broke.
 */
export class Redial {
  /** When to dial, in ms; NEVER while nobody waits. */
  retryAt = NEVER;
  readonly path: SecondPath;
  private readonly endpoints: Endpoints;
  private readonly backoff: Backoff;
  /** When the present connection was welcomed. */
  private joinedAt: number | undefined;

  constructor(options: { url: string; secondPath?: boolean }, random: () => number) {
    const { url, secondPath = false } = options;
    this.path = new SecondPath(secondPath);
    this.endpoints = new Endpoints(url);
    this.backoff = new Backoff(random);
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
    if (this.joinedAt !== undefined) this.backoff.ended(now - this.joinedAt);
    this.joinedAt = undefined;
    // A server that leads clients away means all of itself; a path that broke, only that path.
    if (told || !this.path.taken) this.endpoints.next();
    this.path.lost(told, now);
    this.retryAt = now + this.backoff.next();
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
