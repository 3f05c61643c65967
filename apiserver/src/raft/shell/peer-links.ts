import {
  type Channel,
  type Clock,
  type Link,
  type LinkMessage,
  type LinkNetwork,
  type Logger,
  type PseudoRandom,
  RAFT_BULK_CHANNEL,
  RAFT_CHANNEL,
} from "@atlasnet/core";

export interface PeerLinksOptions {
  /** First pause after an attempt to connect that failed; it doubles up to the longest. */
  readonly minPauseMs?: number;
  readonly maxPauseMs?: number;
}

export interface PeerLinksDependencies {
  readonly network: Pick<LinkNetwork, "connect">;
  readonly clock: Clock;
  readonly random: PseudoRandom;
  readonly logger: Logger;
}

const DEFAULT_MIN_PAUSE_MS = 50;
const DEFAULT_MAX_PAUSE_MS = 1000;

export interface PeerLink {
  readonly node: string;
  readonly link: Link;
  readonly main: Channel;
  readonly bulk: Channel;
  /** The queue of a channel is long: what can be sent again should be dropped. */
  readonly congested: { main: boolean; bulk: boolean };
}

interface Dial {
  failures: number;
  notBefore: number;
  running: boolean;
}

/**
 * The links between apiservers. One is opened when there is something to send, by whoever has it; those
 * that others open are given to `accept`. With several to the same node the newest one is used.
 */
export class PeerLinks {
  private readonly minPauseMs: number;
  private readonly maxPauseMs: number;
  private readonly dependencies: PeerLinksDependencies;
  private readonly links = new Map<string, PeerLink[]>();
  private readonly dials = new Map<string, Dial>();
  private readonly handlers: ((from: PeerLink, message: LinkMessage) => void)[] = [];
  private readonly goneHandlers: ((link: PeerLink) => void)[] = [];
  private stopped = false;
  readonly counts = { opened: 0, dialsFailed: 0 };

  constructor(options: PeerLinksOptions, dependencies: PeerLinksDependencies) {
    this.minPauseMs = options.minPauseMs ?? DEFAULT_MIN_PAUSE_MS;
    this.maxPauseMs = options.maxPauseMs ?? DEFAULT_MAX_PAUSE_MS;
    this.dependencies = dependencies;
  }

  /** Everything that comes from other apiservers. To be registered before the first link is there. */
  onMessage(handler: (from: PeerLink, message: LinkMessage) => void): void {
    this.handlers.push(handler);
  }

  onGone(handler: (link: PeerLink) => void): void {
    this.goneHandlers.push(handler);
  }

  /** Takes a link of another apiserver, opened by either side. */
  accept(link: Link): void {
    const { node } = link.peer;
    if (this.stopped) {
      link.close({ code: "closed", detail: "this apiserver stops" });
      return;
    }
    this.counts.opened++;
    const main = link.channel(RAFT_CHANNEL);
    const bulk = link.channel(RAFT_BULK_CHANNEL, { bulk: true });
    const peer: PeerLink = { node, link, main, bulk, congested: { main: false, bulk: false } };
    for (const [name, channel] of [["main", main] as const, ["bulk", bulk] as const]) {
      channel.onMessage((message) => {
        for (const handler of this.handlers) handler(peer, message);
      });
      channel.onDrain(() => {
        peer.congested[name] = false;
      });
    }
    this.links.set(node, [...(this.links.get(node) ?? []), peer]);
    const gone = () => this.gone(peer);
    link.closed.then(gone, gone);
  }

  /** Those to whom there is a link. */
  get linked(): readonly string[] {
    return [...this.links.keys()];
  }

  /** The link to a node. When there is none one is being opened, and there is none to give now. */
  to(node: string): PeerLink | undefined {
    const link = this.links.get(node)?.at(-1);
    if (link === undefined) this.dial(node);
    return link;
  }

  /** Closes all links; none is opened any more. */
  stop(): void {
    this.stopped = true;
    for (const links of [...this.links.values()])
      for (const { link } of links) link.close({ code: "closed", detail: "this apiserver stops" });
  }

  private gone(peer: PeerLink): void {
    const left = (this.links.get(peer.node) ?? []).filter((other) => other !== peer);
    if (left.length > 0) this.links.set(peer.node, left);
    else this.links.delete(peer.node);
    for (const handler of this.goneHandlers) handler(peer);
  }

  private dial(node: string): void {
    const { clock, random, network, logger } = this.dependencies;
    const dial = this.dials.get(node) ?? { failures: 0, notBefore: 0, running: false };
    if (this.stopped || dial.running || clock.now() < dial.notBefore) return;
    this.dials.set(node, dial);
    dial.running = true;
    network.connect(node).then(
      (link) => {
        dial.running = false;
        dial.failures = 0;
        this.accept(link);
      },
      (error: unknown) => {
        dial.running = false;
        this.counts.dialsFailed++;
        const longest = Math.min(
          this.maxPauseMs,
          this.minPauseMs * 2 ** Math.min(dial.failures, 16),
        );
        // By chance shorter, so that nodes that failed together do not come back together.
        dial.notBefore = clock.now() + longest * (0.5 + random.float() / 2);
        dial.failures++;
        if (dial.failures === 1)
          logger.debug("Another apiserver cannot be reached.", { node, error });
      },
    );
  }
}
