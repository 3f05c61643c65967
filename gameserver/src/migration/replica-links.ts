import {
  type Channel,
  type Clock,
  type Link,
  type LinkMessage,
  type LinkNetwork,
  type Logger,
  type ReplicaUse,
  replicaBulkChannel,
  replicaChannel,
  type Timer,
} from "@atlasnet/core";

/** Pauses before another try to reach a gameserver, in ms: doubled each time. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;
const USES = ["migration", "mirror"] as const satisfies readonly ReplicaUse[];

export interface ReplicaLinkEvents {
  linked(link: Link): void;
  gone(link: Link): void;
  message(link: Link, shard: string, message: LinkMessage, use: ReplicaUse): void;
}

/** The links as one use has them: its streams never meet those of the other. */
export interface ReplicaLane {
  /** What comes about the shard is told from now on, until as many `unserve`; before, it waits in its channel. */
  serve(shard: string): void;
  unserve(shard: string): void;
  /** There is to be a link to the node, until as many `release`: it is opened, and opened again. */
  need(node: string): void;
  release(node: string): void;
  /** The newest link to a node. */
  to(node: string): Link | undefined;
  send(link: Link, shard: string, message: LinkMessage, bulk?: boolean): void;
}

export interface ReplicaLinksDependencies {
  readonly network: Pick<LinkNetwork, "connect">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * The links between gameservers. Whoever follows opens one; between two nodes it is the same whoever opened it, and
 * serves both ways: the network keeps one link for two nodes. The newest one counts.
 */
export class ReplicaLinks {
  private readonly dependencies: ReplicaLinksDependencies;
  private readonly events: ReplicaLinkEvents;
  private readonly links = new Map<string, Link[]>();
  /** Shards whose channels are heard, and by how many. */
  private readonly served = { migration: new Map<string, number>(), mirror: new Map() };
  private readonly heard = new WeakMap<Link, { [use in ReplicaUse]: Set<string> }>();
  /** Who needs a link to a node, and how often it could not be had. */
  private readonly needed = new Map<string, { count: number; failures: number; timer?: Timer }>();
  private readonly dialling = new Set<string>();
  private stopped = false;

  constructor(dependencies: ReplicaLinksDependencies, events: ReplicaLinkEvents) {
    this.dependencies = dependencies;
    this.events = events;
  }

  /** Takes a link of another gameserver, opened by either side. */
  accept(link: Link): void {
    const { node } = link.peer;
    if (this.stopped) return link.close({ code: "closed", detail: "this gameserver stops" });
    if (!link.speaks("replica-open"))
      return link.close({
        code: "refused",
        detail: "worlds move between gameservers of version 4",
      });
    this.links.set(node, [...(this.links.get(node) ?? []), link]);
    for (const use of USES)
      for (const shard of this.served[use].keys()) this.hear(link, shard, use);
    const gone = () => this.gone(link);
    link.closed.then(gone, gone);
    this.events.linked(link);
  }

  lane(use: ReplicaUse): ReplicaLane {
    return {
      serve: (shard) => this.serve(shard, use),
      unserve: (shard) => this.unserve(shard, use),
      need: (node) => this.need(node),
      release: (node) => this.release(node),
      to: (node) => this.to(node),
      send: (link, shard, message, bulk = false) => channelOf(link, shard, use, bulk).send(message),
    };
  }

  private serve(shard: string, use: ReplicaUse): void {
    const served = this.served[use];
    const count = served.get(shard) ?? 0;
    served.set(shard, count + 1);
    if (count > 0) return;
    for (const links of this.links.values()) for (const link of links) this.hear(link, shard, use);
  }

  private unserve(shard: string, use: ReplicaUse): void {
    const served = this.served[use];
    const count = served.get(shard) ?? 0;
    if (count > 1) served.set(shard, count - 1);
    else served.delete(shard);
  }

  private need(node: string): void {
    const need = this.needed.get(node) ?? { count: 0, failures: 0 };
    need.count += 1;
    this.needed.set(node, need);
    this.dial(node);
  }

  private release(node: string): void {
    const need = this.needed.get(node);
    if (need === undefined) return;
    need.count -= 1;
    if (need.count > 0) return;
    need.timer?.cancel();
    this.needed.delete(node);
  }

  private to(node: string): Link | undefined {
    return this.links.get(node)?.at(-1);
  }

  stop(): void {
    this.stopped = true;
    for (const { timer } of this.needed.values()) timer?.cancel();
    this.needed.clear();
    for (const link of [...this.links.values()].flat())
      link.close({ code: "closed", detail: "this gameserver stops" });
  }

  private hear(link: Link, shard: string, use: ReplicaUse): void {
    const heard = this.heard.get(link) ?? { migration: new Set(), mirror: new Set() };
    this.heard.set(link, heard);
    if (heard[use].has(shard)) return;
    heard[use].add(shard);
    for (const bulk of [false, true])
      channelOf(link, shard, use, bulk).onMessage((message) =>
        this.events.message(link, shard, message, use),
      );
  }

  private gone(link: Link): void {
    const { node } = link.peer;
    const left = (this.links.get(node) ?? []).filter((other) => other !== link);
    if (left.length > 0) this.links.set(node, left);
    else this.links.delete(node);
    this.events.gone(link);
    this.dial(node);
  }

  private dial(node: string): void {
    const { network, clock, logger } = this.dependencies;
    const need = this.needed.get(node);
    const isHere = this.to(node) !== undefined;
    if (this.stopped || need === undefined || isHere || this.dialling.has(node)) return;
    this.dialling.add(node);
    network.connect(node).then(
      (link) => {
        this.dialling.delete(node);
        need.failures = 0;
        this.accept(link);
      },
      (error: unknown) => {
        this.dialling.delete(node);
        if (need.failures === 0)
          logger.warn("Another gameserver cannot be reached; it is tried again.", {
            peer: node,
            error,
          });
        const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(10, need.failures));
        need.failures += 1;
        need.timer = clock.setTimer(pause, () => this.dial(node));
      },
    );
  }
}

function channelOf(link: Link, shard: string, use: ReplicaUse, bulk: boolean): Channel {
  return bulk
    ? link.channel(replicaBulkChannel(shard, use), { bulk: true })
    : link.channel(replicaChannel(shard, use));
}
