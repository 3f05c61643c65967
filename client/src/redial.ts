import { Backoff } from "./backoff.ts";
import { NEVER } from "./deadline.ts";
import { Endpoints } from "./endpoints.ts";
import type { Welcome } from "./messages.ts";
import { Relocation } from "./relocation.ts";
import { SecondPath } from "./second-path.ts";

/** Longest pause before a hasty attempt. */
const HASTE_MS = 100;

/** How a connection ended: the server said why, it did not answer any more, or it just broke. */
export type Loss = "told" | "silent" | "broken";

/**
 * Where and when the next connection is tried. When a connection breaks, that is the same address once
 * more and then each other one; in haste, when the connection was good. From then on it is one after the
 * other, with a growing pause. A server that says why it closes, or does not answer, comes after the others.
 */
export class Redial {
  /** When to dial, in ms; NEVER while nobody waits. */
  retryAt = NEVER;
  readonly path: SecondPath;
  readonly relocation = new Relocation();
  private readonly endpoints: Endpoints;
  private readonly backoff: Backoff;
  private readonly random: () => number;
  /** Attempts until every address was tried once since the loss. */
  private untried: number;
  private inHaste = true;
  /** When the present connection was welcomed. */
  private joinedAt: number | undefined;

  constructor(options: { urls: readonly string[]; secondPath?: boolean }, random: () => number) {
    const { urls, secondPath = false } = options;
    this.path = new SecondPath(secondPath);
    this.endpoints = new Endpoints(urls, random);
    this.backoff = new Backoff(random);
    this.random = random;
    this.untried = this.endpoints.size - 1;
  }

  /** While there are others that were not tried yet, one that does not answer is not waited for long. */
  get hasty(): boolean {
    return this.untried > 0 && this.endpoints.size > 1;
  }

  get wakeAt(): number {
    return Math.min(this.retryAt, this.path.probeAt, this.relocation.giveUpAt);
  }

  /** The session moves, and waits for the welcome there. */
  get moving(): boolean {
    return this.path.moving || this.relocation.moving;
  }

  /** A second connection is being opened. */
  get probing(): boolean {
    return this.path.probing || this.relocation.probing;
  }

  /** The server is about to stop. Returns the address of another one to try. */
  relocate(now: number): string | undefined {
    return this.relocation.begin(this.endpoints.others, now);
  }

  /** The other server answered: from now on it is the one that is dialled. */
  relocated(now: number): void {
    this.endpoints.use(this.relocation.answered());
    this.path.lost(true, now);
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
    if (this.relocation.moving) this.relocation.stop();
    this.path.welcomed(udp, now);
  }

  /** The connection is gone, or was not made. */
  lost(loss: Loss, now: number): void {
    const { joinedAt, endpoints, backoff } = this;
    const told = loss === "told";
    if (joinedAt === undefined) {
      // A move that came to nothing says nothing of the address.
      if (told || !this.path.taken) endpoints.next();
    } else {
      const wasGood = backoff.ended(now - joinedAt);
      this.inHaste = wasGood && !told;
      this.untried = endpoints.size;
      // A path that broke says nothing of what the server's other transport does.
      endpoints.lost(told || (loss === "silent" && !this.path.taken));
    }
    this.joinedAt = undefined;
    this.relocation.stop();
    this.path.lost(told, now);
    const isNew = this.untried > 0;
    if (isNew) this.untried -= 1;
    const pause = isNew && this.inHaste ? this.random() * HASTE_MS : backoff.next();
    this.retryAt = now + pause;
  }

  /** There is no reason to wait any longer. */
  hurry(now: number): void {
    if (this.retryAt !== NEVER) this.retryAt = now;
  }

  stop(): void {
    this.retryAt = NEVER;
    this.relocation.stop();
    this.path.stop();
  }
}
