import {
  type Channel,
  type Clock,
  decodeLinkMessage,
  isSpoken,
  type Link,
  type LinkClosed,
  type LinkLimits,
  type LinkMessage,
  type LinkStats,
  MAX_CHANNEL_NAME_LENGTH,
  type Peer,
  type Timer,
} from "@atlasnet/core";
import type { QuicConnection } from "../transport/quic-connection.ts";
import { clippedReason, closeNumber } from "./close-codes.ts";
import { DatagramInbox } from "./datagram-inbox.ts";
import type { FrameSink } from "./frame-reader.ts";
import { InChannel, type InChannelHost } from "./in-channel.ts";
import { LINK_QUEUE_FACTOR } from "./link-bounds.ts";
import type { OutChannel } from "./out-channel.ts";
import type { Outgoing } from "./outgoing.ts";
import { PeerChannels } from "./peer-channels.ts";
import { type ChannelHost, QuicChannel } from "./quic-channel.ts";

export interface QuicLinkOptions {
  readonly peer: Peer;
  readonly generation: number;
  /** The link version both speak. */
  readonly version: number;
  /** What this side takes. */
  readonly limits: LinkLimits;
  /** What the peer takes, where it is less than what we would. */
  readonly sendLimits: LinkLimits;
}

export interface QuicLinkDependencies {
  readonly connection: QuicConnection;
  readonly outgoing: Outgoing;
  readonly clock: Clock;
  readonly stats: LinkStats;
  /** A handler threw: surfaces the error without stopping the deliveries. */
  readonly fault: (error: unknown) => void;
}

/**
 * A link that stands: its channels, their bounds and handlers. Frames come in through `channelSink` and
 * `taken`, handlers run in `turn`.
 */
export class QuicLink implements Link, InChannelHost, ChannelHost {
  readonly peer: Peer;
  readonly generation: number;
  readonly version: number;
  readonly closed: Promise<LinkClosed>;
  readonly connection: QuicConnection;
  private readonly limits: LinkLimits;
  private readonly sendLimits: LinkLimits;
  private readonly outgoing: Outgoing;
  private readonly clock: Clock;
  private readonly stats: LinkStats;
  private readonly surface: (error: unknown) => void;
  private readonly channels = new Map<string, QuicChannel>();
  /** By our number. */
  private readonly numbered: QuicChannel[] = [];
  private readonly peerChannels: PeerChannels;
  private readonly datagrams: DatagramInbox;
  private readonly touched = new Set<QuicChannel>();
  private queuedBytes = 0;
  private wakeTimer: Timer | undefined;
  private over = false;
  private resolveClosed: (reason: LinkClosed) => void = () => {};

  constructor(options: QuicLinkOptions, dependencies: QuicLinkDependencies) {
    this.peer = options.peer;
    this.generation = options.generation;
    this.version = options.version;
    this.limits = options.limits;
    this.sendLimits = options.sendLimits;
    this.connection = dependencies.connection;
    this.outgoing = dependencies.outgoing;
    this.clock = dependencies.clock;
    this.stats = dependencies.stats;
    this.surface = dependencies.fault;
    this.datagrams = new DatagramInbox(options.limits, dependencies);
    this.peerChannels = new PeerChannels(options.limits, {
      stats: dependencies.stats,
      channelOf: (name) => this.peerChannel(name),
      arrived: (channel) => this.touched.add(channel),
    });
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
    this.stats.opened += 1;
  }

  get isOver(): boolean {
    return this.over;
  }

  get highWaterBytes(): number {
    return this.sendLimits.highWaterBytes;
  }

  get maxDatagramBytes(): number {
    return this.sendLimits.maxDatagramBytes;
  }

  /** Bytes sent and not yet taken, and how many channels there are: for metrics. */
  get load(): { readonly queuedBytes: number; readonly channels: number } {
    return { queuedBytes: this.queuedBytes, channels: this.channels.size };
  }

  speaks(type: LinkMessage["type"]): boolean {
    return isSpoken(type, this.version);
  }

  channel(name: string, options?: { readonly bulk: boolean }): Channel {
    const channel = this.channels.get(name) ?? this.newChannel(name, this.sendLimits.maxChannels);
    if (options?.bulk === true) channel.makeBulk();
    return channel;
  }

  sendDatagram(bytes: Uint8Array): void {
    if (bytes.byteLength > this.maxDatagramBytes)
      throw new RangeError(
        `a datagram has at most ${this.maxDatagramBytes} bytes, not ${bytes.byteLength}`,
      );
    if (this.over) return;
    this.stats.datagrams += 1;
    if (!this.connection.sendDatagram(bytes)) this.stats.droppedDatagrams += 1;
  }

  onDatagram(handler: (bytes: Uint8Array) => void): void {
    this.datagrams.handler = handler;
  }

  close(reason: LinkClosed): void {
    this.closeWith(closeNumber(reason.code), clippedReason(reason));
  }

  /** For the session: ends this side, and tells the peer with this number. */
  closeWith(number: number, reason: LinkClosed): void {
    if (this.over) return;
    this.end(reason);
    this.connection.close(number, reason.detail ?? "");
  }

  /** For the session: the link is over on this side. What was not delivered is dropped. */
  end(reason: LinkClosed): void {
    if (this.over) return;
    this.over = true;
    this.stats.closed += 1;
    this.stats.queuedBytes -= this.queuedBytes;
    this.queuedBytes = 0;
    this.peerChannels.drop();
    this.wakeTimer?.cancel();
    this.outgoing.end();
    for (const channel of this.channels.values()) channel.drop();
    this.touched.clear();
    this.datagrams.drop();
    this.resolveClosed(reason);
  }

  /** For the session: takes the frames of one more stream of the peer. */
  channelSink(): FrameSink {
    return this.peerChannels.sink();
  }

  /** For the session: the peer's handlers took this much of one of our channels. */
  taken(number: number, cost: number): LinkClosed | undefined {
    const channel = this.numbered[number];
    if (channel === undefined) return bad(`credit for channel ${number}, which does not exist`);
    if (cost > channel.queued)
      return bad(`credit of ${cost} for channel ${channel.name}, with ${channel.queued} queued`);
    this.queuedBytes -= cost;
    this.stats.queuedBytes -= cost;
    if (channel.released(cost)) this.touched.add(channel);
    return undefined;
  }

  /** For the session: a datagram came. Returns why the link has to end, or undefined. */
  datagram(bytes: Uint8Array): LinkClosed | undefined {
    return this.datagrams.push(bytes);
  }

  /** For the session: calls the handlers with all that has come, then writes what they sent. */
  turn(): void {
    if (this.over) return;
    this.outgoing.gather();
    const touched = [...this.touched];
    this.touched.clear();
    for (const channel of touched) {
      this.guard(() => channel.drain());
      channel.incoming.deliver();
    }
    this.datagrams.deliver((handle) => !this.over && this.guard(handle));
    this.outgoing.flush();
  }

  // What the channels ask for.

  numberFor(channel: QuicChannel): number {
    return this.numbered.push(channel) - 1;
  }

  admit(channel: QuicChannel, bytes: number, cost: number): boolean {
    const { maxQueuedBytes } = this.sendLimits;
    const ofLink = maxQueuedBytes * LINK_QUEUE_FACTOR;
    const isFull = channel.queued + cost > maxQueuedBytes;
    if (isFull || this.queuedBytes + cost > ofLink) {
      this.stats.overflows += 1;
      const detail = isFull
        ? `channel ${channel.name}: more than ${maxQueuedBytes} bytes queued`
        : `all channels: more than ${ofLink} bytes queued`;
      this.close({ code: "overflow", detail });
      return false;
    }
    this.queuedBytes += cost;
    this.stats.queuedBytes += cost;
    this.stats.messages += 1;
    this.stats.bytes += bytes;
    return true;
  }

  ready(out: OutChannel, bulk: boolean): void {
    this.outgoing.ready(out, bulk);
  }

  stalled(): void {
    this.stats.stalls += 1;
  }

  wakeDelivery(channel: QuicChannel): void {
    if (this.over) return;
    this.touched.add(channel);
    this.wakeTimer ??= this.clock.setTimer(0, () => {
      this.wakeTimer = undefined;
      this.turn();
    });
  }

  decode(channel: InChannel, bytes: Uint8Array): LinkMessage | undefined {
    const decoded = decodeLinkMessage(bytes, this.version);
    if (decoded.ok) return decoded.message;
    this.close(bad(`channel ${channel.name}: ${decoded.problem}`));
    return undefined;
  }

  took(channel: InChannel, cost: number): void {
    this.peerChannels.took(cost);
    this.outgoing.took(channel, cost);
  }

  fault(error: unknown): void {
    this.surface(error);
  }

  /** The peer opens it; its name was checked. */
  private peerChannel(name: string): QuicChannel | undefined {
    const known = this.channels.get(name);
    if (known !== undefined || this.channels.size >= this.limits.maxChannels) return known;
    return this.newChannel(name, this.limits.maxChannels);
  }

  private newChannel(name: string, maxChannels: number): QuicChannel {
    if (name.length === 0 || name.length > MAX_CHANNEL_NAME_LENGTH)
      throw new RangeError(`a channel's name has 1 to ${MAX_CHANNEL_NAME_LENGTH} letters`);
    if (this.channels.size >= maxChannels)
      throw new RangeError(`a link has at most ${maxChannels} channels (${name})`);
    const channel = new QuicChannel(new InChannel(name, this), this);
    this.channels.set(name, channel);
    return channel;
  }

  private guard(call: () => void): void {
    try {
      call();
    } catch (error) {
      this.fault(error);
    }
  }
}

function bad(detail: string): LinkClosed {
  return { code: "bad-message", detail };
}
