import { type Channel, encodeLinkMessage, type LinkMessage } from "@atlasnet/core";
import type { InChannel } from "./in-channel.ts";
import { messageCost, OutChannel } from "./out-channel.ts";

/** What a channel asks of its link. */
export interface ChannelHost {
  readonly version: number;
  readonly isOver: boolean;
  readonly highWaterBytes: number;
  /** Our number for the channel, given with its first message. */
  numberFor(channel: QuicChannel): number;
  /** Counts a message; false when the link closed, because there was no room. */
  admit(channel: QuicChannel, bytes: number, cost: number): boolean;
  ready(out: OutChannel, bulk: boolean): void;
  stalled(): void;
  wakeDelivery(channel: QuicChannel): void;
}

/** A channel as both of its halves. */
export class QuicChannel implements Channel {
  readonly name: string;
  readonly incoming: InChannel;
  out: OutChannel | undefined;
  private readonly host: ChannelHost;
  private bulk = false;
  private isStalled = false;
  private drainDue = false;
  private drainHandler: (() => void) | undefined;

  constructor(incoming: InChannel, host: ChannelHost) {
    this.name = incoming.name;
    this.incoming = incoming;
    this.host = host;
  }

  /** Has an effect before the first message: a channel keeps its stream, and so its order. */
  makeBulk(): void {
    if (this.out === undefined) this.bulk = true;
  }

  get queued(): number {
    return this.out?.queued ?? 0;
  }

  /** @throws LinkMessageError when a field is out of its bounds: a fault of the caller. */
  send(message: LinkMessage): boolean {
    const { host } = this;
    if (host.isOver) return false;
    const bytes = encodeLinkMessage(message, host.version);
    const cost = messageCost(bytes.length);
    if (!host.admit(this, bytes.length, cost)) return false;
    this.out ??= new OutChannel(host.numberFor(this), this.name);
    const { out } = this;
    out.queued += cost;
    out.push(bytes);
    host.ready(out, this.bulk);
    if (out.queued <= host.highWaterBytes) return true;
    if (!this.isStalled) host.stalled();
    this.isStalled = true;
    return false;
  }

  onMessage(handler: (message: LinkMessage) => void): void {
    if (this.incoming.listen(handler)) this.host.wakeDelivery(this);
  }

  onDrain(handler: () => void): void {
    this.drainHandler = handler;
  }

  /** The peer took this much. Returns whether the drain handler is to be called. */
  released(cost: number): boolean {
    const { out } = this;
    if (out === undefined) return false;
    out.queued -= cost;
    if (!this.isStalled || out.queued > this.host.highWaterBytes / 2) return false;
    this.isStalled = false;
    this.drainDue = true;
    return true;
  }

  drain(): void {
    if (!this.drainDue || this.host.isOver) return;
    this.drainDue = false;
    this.drainHandler?.();
  }

  drop(): void {
    this.out?.drop();
    this.incoming.drop();
  }
}
