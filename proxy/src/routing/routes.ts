import type { Placement, PlacementView, PseudoRandom } from "@atlasnet/core";

export interface RoutesOptions {
  /** Nodes that a link is kept to from the start on, also while nobody wants there. */
  peers: readonly string[];
  /** First pause after a node could not be reached; doubles with every failure. */
  retryMinMs: number;
  retryMaxMs: number;
  /** A link that stood for so long counts as good: when it is lost, the next try comes at once. */
  steadyMs: number;
  /** A world that is not in the catalogue may be so new that it was not heard of here: who wants there waits so long. */
  newWorldMs: number;
}

export type RouteEffect<C> =
  /** Open a link to the node; answered by `linkUp` or `linkFailed`. */
  | { type: "connect"; node: string }
  | { type: "routed"; client: C; placement: Placement }
  | { type: "unknown-world"; client: C }
  /** It is certain that waiting is of no use. */
  | { type: "refused"; client: C; why: "disabled" | "removed" };

type NodeState =
  | { state: "connecting"; failures: number }
  | { state: "up"; since: number; failures: number }
  | { state: "down"; failures: number; retryAt: number };

/** What routes need to know of placements. */
export type Places = Pick<PlacementView, "lookup" | "complete" | "expects" | "whyNot">;

/**
 * From worlds to owners to links. Holds who waits for an owner and which nodes can be reached; pure.
 *
 * 1. There is one link to a node, or one attempt to open it, at a time.
 * 2. Who wants to a world that nobody is known to have waits while it is said to exist, or not everything was
 *    heard; unless it is certain that the world is not to run. Whoever waits bounds the time; waiting clients are as many as there are connections.
 */
export class Routes<C> {
  private readonly options: RoutesOptions;
  private readonly random: Pick<PseudoRandom, "float">;
  private readonly waiting = new Map<C, { world: string; notBefore: number; since: number }>();
  private readonly waitingFor = new Map<string, Set<C>>();
  private readonly nodes = new Map<string, NodeState>();

  constructor(options: RoutesOptions, dependencies: { random: Pick<PseudoRandom, "float"> }) {
    this.options = options;
    this.random = dependencies.random;
  }

  get waitingCount(): number {
    return this.waiting.size;
  }

  /** A client wants to the owner of a world, not before `notBefore`. */
  want(client: C, world: string, notBefore: number, now: number, places: Places): RouteEffect<C>[] {
    this.forget(client);
    this.waiting.set(client, { world, notBefore, since: now });
    const others = this.waitingFor.get(world);
    if (others === undefined) this.waitingFor.set(world, new Set([client]));
    else others.add(client);
    return this.routeAll([client], now, places);
  }

  /** When the next of those may be routed who wait for a time later than `at`. */
  nextTry(at: number): number | undefined {
    let next: number | undefined;
    for (const { notBefore } of this.waiting.values())
      if (notBefore > at && (next === undefined || notBefore < next)) next = notBefore;
    return next;
  }

  forget(client: C): void {
    const wish = this.waiting.get(client);
    if (wish === undefined) return;
    this.waiting.delete(client);
    const others = this.waitingFor.get(wish.world);
    others?.delete(client);
    if (others?.size === 0) this.waitingFor.delete(wish.world);
  }

  /** Somebody will want to a node soon. When it cannot be reached, it is tried again only once they do. */
  prepare(node: string, now: number): RouteEffect<C>[] {
    return this.dials(node, now) ? [connect(node)] : [];
  }

  /** Worlds have other placements than before: looks again for those who wait for them. */
  moved(worlds: readonly string[], now: number, places: Places): RouteEffect<C>[] {
    const clients = worlds.flatMap((world) => [...(this.waitingFor.get(world) ?? [])]);
    return this.routeAll(clients, now, places);
  }

  /** The node is no place to go to any more, or another one than before: what was known of it is not. */
  unlinked(node: string): void {
    this.nodes.delete(node);
  }

  linkUp(node: string, now: number, places: Places): RouteEffect<C>[] {
    const failures = failuresOf(this.nodes.get(node));
    this.nodes.set(node, { state: "up", since: now, failures });
    return this.resolve(now, places);
  }

  /** The node could not be reached. Returns when to look again with `resolve`. */
  linkFailed(node: string, now: number): number {
    const failures = failuresOf(this.nodes.get(node)) + 1;
    const { retryMinMs, retryMaxMs } = this.options;
    const longest = Math.min(retryMaxMs, retryMinMs * 2 ** Math.min(failures - 1, 20));
    // Many proxies that lost the same node do not come back in the same moment.
    const retryAt = now + longest * (0.5 + this.random.float() / 2);
    this.nodes.set(node, { state: "down", failures, retryAt });
    return retryAt;
  }

  /** A link is gone, up or still being opened. Returns when to look again with `resolve`; maybe now. */
  linkLost(node: string, now: number): number {
    const state = this.nodes.get(node);
    // Links that end as soon as they stand (a peer that refuses what we say) are no reason to hurry.
    if (state?.state !== "up" || now - state.since < this.options.steadyMs)
      return this.linkFailed(node, now);
    this.nodes.delete(node);
    return now;
  }

  /** Looks again for everybody who waits, and after the peers: placements changed, or time passed. */
  resolve(now: number, places: Places): RouteEffect<C>[] {
    const effects = this.routeAll([...this.waiting.keys()], now, places);
    for (const node of this.options.peers) if (this.dials(node, now)) effects.push(connect(node));
    return effects;
  }

  private routeAll(clients: readonly C[], now: number, places: Places): RouteEffect<C>[] {
    const effects: RouteEffect<C>[] = [];
    for (const client of clients) {
      const wish = this.waiting.get(client);
      if (wish === undefined || now < wish.notBefore) continue;
      const placement = places.lookup(wish.world);
      if (placement === undefined) {
        const why = places.whyNot?.(wish.world);
        if (why === undefined && (!places.complete || places.expects(wish.world))) continue;
        if (why === "removed" && now < wish.since + this.options.newWorldMs) continue;
        this.forget(client);
        effects.push(
          why === undefined ? { type: "unknown-world", client } : { type: "refused", client, why },
        );
      } else if (this.nodes.get(placement.node)?.state === "up") {
        this.forget(client);
        effects.push({ type: "routed", client, placement });
      } else if (this.dials(placement.node, now)) effects.push(connect(placement.node));
    }
    return effects;
  }

  /** Whether a link is to be opened now; notes that it is. */
  private dials(node: string, now: number): boolean {
    const state = this.nodes.get(node);
    if (state !== undefined && (state.state !== "down" || now < state.retryAt)) return false;
    this.nodes.set(node, { state: "connecting", failures: failuresOf(state) });
    return true;
  }
}

function failuresOf(state: NodeState | undefined): number {
  return state?.failures ?? 0;
}

function connect(node: string): { type: "connect"; node: string } {
  return { type: "connect", node };
}
