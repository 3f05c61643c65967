import { isSpoken, requireSpoken } from "../wire/link-codec.ts";
import type { LinkMessage } from "../wire/link-messages.ts";
import type { Channel, Link, LinkClosed, Peer } from "./link.ts";
import { type LinkLimits, type LinkStats, MAX_CHANNEL_NAME_LENGTH } from "./link-limits.ts";
import { messageSize } from "./message-size.ts";

/** How what one end sends gets to the other. The in-process and the simulated link differ in this. */
export interface Carrier {
  /** Brings a message to the other end's `accept`, in order for each channel, not before a later turn. */
  message(from: LinkEnd, channel: string, message: LinkMessage, size: number): void;
  datagram(from: LinkEnd, bytes: Uint8Array): void;
  /** A handler of this end took this much: tell the other end's channel (`released`). */
  release(by: LinkEnd, channel: string, size: number): void;
  /** This end has something a handler could take: call its `deliver` in a later turn. */
  wake(end: LinkEnd): void;
  /** This end was closed by its holder, or ran over. */
  ended(end: LinkEnd, reason: LinkClosed): void;
}

export interface LinkEndOptions {
  readonly peer: Peer;
  readonly generation: number;
  readonly limits: LinkLimits;
  /** The link version that both speak. */
  readonly version: number;
}

/** One side of a link that passes objects: queues, bounds and handlers, but no way across. */
export class LinkEnd implements Link {
  readonly peer: Peer;
  readonly generation: number;
  readonly closed: Promise<LinkClosed>;
  readonly limits: LinkLimits;
  readonly version: number;
  readonly stats: LinkStats;
  private readonly carrier: Carrier;
  private readonly channels = new Map<string, ChannelEnd>();
  private datagrams: Uint8Array[] = [];
  private datagramHandler: ((bytes: Uint8Array) => void) | undefined;
  private resolveClosed: (reason: LinkClosed) => void = () => {};
  private over = false;

  constructor(options: LinkEndOptions, dependencies: { carrier: Carrier; stats: LinkStats }) {
    this.peer = options.peer;
    this.generation = options.generation;
    this.limits = options.limits;
    this.version = options.version;
    this.carrier = dependencies.carrier;
    this.stats = dependencies.stats;
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
    this.stats.opened += 1;
  }

  get isClosed(): boolean {
    return this.over;
  }

  get maxDatagramBytes(): number {
    return this.limits.maxDatagramBytes;
  }

  speaks(type: LinkMessage["type"]): boolean {
    return isSpoken(type, this.version);
  }

  channel(name: string): ChannelEnd {
    const known = this.channels.get(name);
    if (known !== undefined) return known;
    if (name.length === 0 || name.length > MAX_CHANNEL_NAME_LENGTH)
      throw new RangeError(`a channel's name has 1 to ${MAX_CHANNEL_NAME_LENGTH} letters`);
    if (this.channels.size >= this.limits.maxChannels)
      throw new RangeError(`a link has at most ${this.limits.maxChannels} channels (${name})`);
    const channel = new ChannelEnd(name, this, this.carrier);
    this.channels.set(name, channel);
    return channel;
  }

  sendDatagram(bytes: Uint8Array): void {
    if (bytes.byteLength > this.maxDatagramBytes)
      throw new RangeError(
        `a datagram has at most ${this.maxDatagramBytes} bytes, not ${bytes.byteLength}`,
      );
    if (this.over) return;
    this.stats.datagrams += 1;
    this.carrier.datagram(this, bytes);
  }

  onDatagram(handler: (bytes: Uint8Array) => void): void {
    this.datagramHandler = handler;
  }

  close(reason: LinkClosed): void {
    if (this.over) return;
    this.end(reason);
    this.carrier.ended(this, reason);
  }

  /** For the carrier: the link is over on this side. What was not delivered is dropped. */
  end(reason: LinkClosed): void {
    if (this.over) return;
    this.over = true;
    this.stats.closed += 1;
    for (const channel of this.channels.values()) channel.drop();
    this.datagrams = [];
    this.resolveClosed(reason);
  }

  /** For the carrier: a message came over. `deliver` hands it on. */
  accept(channel: string, message: LinkMessage, size: number): void {
    if (this.over) return;
    if (!this.channels.has(channel) && this.channels.size >= this.limits.maxChannels) {
      this.close({ code: "overflow", detail: `the peer opened channel ${channel}, one too many` });
      return;
    }
    this.channel(channel).accept(message, size);
  }

  /** For the carrier: a datagram came over. */
  acceptDatagram(bytes: Uint8Array): void {
    if (this.over) return;
    if (
      this.datagramHandler === undefined ||
      this.datagrams.length >= this.limits.maxQueuedDatagrams
    )
      this.stats.droppedDatagrams += 1;
    else this.datagrams.push(bytes);
  }

  /**
   * For the carrier: calls the handlers with all that has come. What handlers send while they run comes
   * with a later turn. When a handler throws, the rest is kept and the error goes on.
   */
  deliver(): void {
    for (const channel of this.channels.values()) channel.deliver();
    if (this.datagrams.length === 0) return;
    const batch = this.datagrams;
    this.datagrams = [];
    for (const bytes of batch) if (!this.over) this.datagramHandler?.(bytes);
  }
}

interface Queued {
  readonly message: LinkMessage;
  readonly size: number;
}

export class ChannelEnd implements Channel {
  readonly name: string;
  private readonly link: LinkEnd;
  private readonly carrier: Carrier;
  /** Absent while it is empty: a link has thousands of channels, and most are quiet. */
  private inbox: Queued[] | undefined;
  private handler: ((message: LinkMessage) => void) | undefined;
  private drainHandler: (() => void) | undefined;
  /** Bytes sent from here and not yet taken at the other end. */
  private queuedBytes = 0;
  private stalled = false;
  private drainDue = false;

  constructor(name: string, link: LinkEnd, carrier: Carrier) {
    this.name = name;
    this.link = link;
    this.carrier = carrier;
  }

  send(message: LinkMessage): boolean {
    const { link } = this;
    if (link.isClosed) return false;
    requireSpoken(message.type, link.version);
    const { limits, stats } = link;
    const size = messageSize(message);
    if (this.queuedBytes + size > limits.maxQueuedBytes) {
      stats.overflows += 1;
      const detail = `channel ${this.name}: more than ${limits.maxQueuedBytes} bytes queued`;
      link.close({ code: "overflow", detail });
      return false;
    }
    this.queuedBytes += size;
    stats.queuedBytes += size;
    stats.messages += 1;
    stats.bytes += size;
    this.carrier.message(link, this.name, message, size);
    if (this.queuedBytes <= limits.highWaterBytes) return true;
    if (!this.stalled) stats.stalls += 1;
    this.stalled = true;
    return false;
  }

  onMessage(handler: (message: LinkMessage) => void): void {
    this.handler = handler;
    if (this.inbox !== undefined) this.carrier.wake(this.link);
  }

  onDrain(handler: () => void): void {
    this.drainHandler = handler;
  }

  accept(message: LinkMessage, size: number): void {
    this.inbox ??= [];
    this.inbox.push({ message, size });
  }

  deliver(): void {
    if (this.drainDue) {
      this.drainDue = false;
      this.drainHandler?.();
    }
    const { handler, inbox } = this;
    if (handler === undefined || inbox === undefined) return;
    this.inbox = undefined;
    let taken = 0;
    try {
      for (const { message, size } of inbox) {
        if (this.link.isClosed) return;
        taken += 1;
        // Released first, so that a handler that throws does not leave its message counted for ever.
        this.carrier.release(this.link, this.name, size);
        handler(message);
      }
    } finally {
      if (taken < inbox.length && !this.link.isClosed) {
        this.inbox = [...inbox.slice(taken), ...(this.inbox ?? [])];
        this.carrier.wake(this.link);
      }
    }
  }

  /** For the carrier: the other end took this much. */
  released(size: number): void {
    if (this.link.isClosed) return;
    this.queuedBytes -= size;
    this.link.stats.queuedBytes -= size;
    if (!this.stalled || this.queuedBytes > this.link.limits.highWaterBytes / 2) return;
    this.stalled = false;
    this.drainDue = true;
    this.carrier.wake(this.link);
  }

  drop(): void {
    this.link.stats.queuedBytes -= this.queuedBytes;
    this.queuedBytes = 0;
    this.inbox = undefined;
  }
}
