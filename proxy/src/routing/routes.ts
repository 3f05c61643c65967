import type { Placement } from "@atlasnet/core";

export interface RoutesOptions {
  /** First pause after a node could not be reached; doubles with every failure. */
  retryMinMs: number;
  retryMaxMs: number;
}

export type RouteEffect<C> =
  /** Open a link to the node; answered by `linkUp` or `linkFailed`. */
  | { type: "connect"; node: string }
  | { type: "routed"; client: C; placement: Placement }
  | { type: "unknown-world"; client: C };

type NodeState =
  | { state: "connecting"; failures: number }
  | { state: "up" }
  | { state: "down"; failures: number; retryAt: number };

export type Lookup = (world: string) => Placement | undefined;

/**
 * From worlds to owners to links. Holds who waits for an owner and which nodes can be reached; pure.
 * Links are opened when somebody needs them. Waiting clients are as many as there are connections.
 */
export class Routes<C> {
  private readonly options: RoutesOptions;
  private readonly waiting = new Map<C, { world: string; notBefore: number }>();
  private readonly nodes = new Map<string, NodeState>();

  constructor(options: RoutesOptions) {
    this.options = options;
  }

  get waitingCount(): number {
    return this.waiting.size;
  }

  /** A client wants to the owner of a world, not before `notBefore`. */
  want(client: C, world: string, notBefore: number, now: number, lookup: Lookup): RouteEffect<C>[] {
    this.waiting.set(client, { world, notBefore });
    return this.resolve(now, lookup, [client]);
  }

  forget(client: C): void {
    this.waiting.delete(client);
  }

  linkUp(node: string, now: number, lookup: Lookup): RouteEffect<C>[] {
    this.nodes.set(node, { state: "up" });
    return this.resolve(now, lookup);
  }

  linkFailed(node: string, now: number): void {
    const before = this.nodes.get(node);
    const failures = before !== undefined && before.state !== "up" ? before.failures + 1 : 1;
    const { retryMinMs, retryMaxMs } = this.options;
    const pause = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures - 1, 20));
    this.nodes.set(node, { state: "down", failures, retryAt: now + pause });
  }

  /** A link that stood is gone: the next to want it may try at once. */
  linkLost(node: string): void {
    this.nodes.delete(node);
  }

  /** Looks again for everybody who waits: placements changed, or time passed. */
  resolve(
    now: number,
    lookup: Lookup,
    clients: Iterable<C> = [...this.waiting.keys()],
  ): RouteEffect<C>[] {
    const effects: RouteEffect<C>[] = [];
    for (const client of clients) {
      const wish = this.waiting.get(client);
      if (wish === undefined || now < wish.notBefore) continue;
      const placement = lookup(wish.world);
      if (placement === undefined) {
        this.waiting.delete(client);
        effects.push({ type: "unknown-world", client });
        continue;
      }
      const state = this.nodes.get(placement.node);
      if (state?.state === "up") {
        this.waiting.delete(client);
        effects.push({ type: "routed", client, placement });
      } else if (state === undefined || (state.state === "down" && now >= state.retryAt)) {
        this.nodes.set(placement.node, { state: "connecting", failures: state?.failures ?? 0 });
        effects.push({ type: "connect", node: placement.node });
      }
    }
    return effects;
  }
}
