/** For one shard: above it, whoever comes is told that the shard is not here, and comes again. */
export const MAX_HELD_MESSAGES = 10_000;

/**
 * What comes for a shard whose replica is here, from proxies that heard of the switch before this node did: it is
 * taken in, in its order, once the shard runs here, or it is known that it does not.
 */
export class HeldMessages {
  private waiting: (() => void)[] = [];

  /** False: there is no room. */
  hold(take: () => void): boolean {
    if (this.waiting.length >= MAX_HELD_MESSAGES) return false;
    this.waiting.push(take);
    return true;
  }

  release(): void {
    const { waiting } = this;
    this.waiting = [];
    for (const take of waiting) take();
  }
}
