import type { LinkClosed, LinkLimits, LinkStats } from "@atlasnet/core";
import type { FrameSink } from "./frame-reader.ts";
import { LINK_QUEUE_FACTOR } from "./link-bounds.ts";
import { messageCost } from "./out-channel.ts";
import type { QuicChannel } from "./quic-channel.ts";

export interface PeerChannelsDependencies {
  readonly stats: LinkStats;
  /** The channel of that name; undefined when it would be one too many. */
  readonly channelOf: (name: string) => QuicChannel | undefined;
  /** A message came for it. */
  readonly arrived: (channel: QuicChannel) => void;
}

/**
 * The channels that the peer sends on, and our bounds for what it sends: they hold also when the peer
 * does not keep to them.
 */
export class PeerChannels {
  private readonly limits: LinkLimits;
  private readonly deps: PeerChannelsDependencies;
  /** Numbers the peer used, on whatever stream. */
  private readonly numbers = new Set<number>();
  /** Cost of what came, or is on its way in pieces, and was not taken yet; over all channels. */
  private untaken = 0;

  constructor(limits: LinkLimits, dependencies: PeerChannelsDependencies) {
    this.limits = limits;
    this.deps = dependencies;
  }

  /** Takes the frames of one more stream. */
  sink(): FrameSink {
    const opened = new Map<number, QuicChannel>();
    return {
      open: (number, name) => this.open(opened, number, name),
      reserve: (number, bytes) => this.reserve(opened.get(number), number, bytes),
      message: (number, bytes) => {
        const channel = opened.get(number);
        if (channel === undefined) return undefined;
        channel.incoming.push(bytes);
        this.deps.arrived(channel);
        return undefined;
      },
    };
  }

  took(cost: number): void {
    this.untaken -= cost;
  }

  drop(): void {
    this.untaken = 0;
    this.numbers.clear();
  }

  private open(
    opened: Map<number, QuicChannel>,
    number: number,
    name: string,
  ): LinkClosed | undefined {
    if (this.numbers.has(number)) return bad(`channel number ${number} was opened twice`);
    const channel = this.deps.channelOf(name);
    if (channel === undefined) {
      const { maxChannels } = this.limits;
      const detail = `the peer opened channel ${name}: a link has at most ${maxChannels}`;
      return { code: "overflow", detail };
    }
    if (channel.incoming.number !== undefined) return bad(`channel ${name} was opened twice`);
    channel.incoming.number = number;
    this.numbers.add(number);
    opened.set(number, channel);
    return undefined;
  }

  private reserve(
    channel: QuicChannel | undefined,
    number: number,
    bytes: number,
  ): LinkClosed | undefined {
    if (channel === undefined) return bad(`channel ${number} was not opened on this stream`);
    const cost = messageCost(bytes);
    const { maxQueuedBytes } = this.limits;
    const { incoming } = channel;
    if (
      incoming.untaken + cost > maxQueuedBytes ||
      this.untaken + cost > maxQueuedBytes * LINK_QUEUE_FACTOR
    ) {
      this.deps.stats.overflows += 1;
      const detail = `the peer sent more on channel ${channel.name} than is taken here`;
      return { code: "overflow", detail };
    }
    incoming.untaken += cost;
    this.untaken += cost;
    return undefined;
  }
}

function bad(detail: string): LinkClosed {
  return { code: "bad-message", detail };
}
