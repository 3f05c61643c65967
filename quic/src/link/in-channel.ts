import type { LinkMessage } from "@atlasnet/core";
import { messageCost } from "./out-channel.ts";

/** What a receiving channel asks of its link. */
export interface InChannelHost {
  readonly isOver: boolean;
  /** Decodes; undefined when the bytes were no message, and the link is over for it. */
  decode(channel: InChannel, bytes: Uint8Array): LinkMessage | undefined;
  /** A handler takes a message of that cost. */
  took(channel: InChannel, cost: number): void;
  /** A handler threw: a fault of this process. */
  fault(error: unknown): void;
}

/** The receiving half of a channel: what came and was not taken yet. */
export class InChannel {
  readonly name: string;
  /** The peer's number for it; set when the peer opens it. */
  number: number | undefined;
  /** Cost of what came and of what is on its way in pieces. */
  untaken = 0;
  /** Taken, and not yet reported to the peer. */
  unreported = 0;
  private readonly host: InChannelHost;
  private inbox: Uint8Array[] = [];
  private handler: ((message: LinkMessage) => void) | undefined;

  constructor(name: string, host: InChannelHost) {
    this.name = name;
    this.host = host;
  }

  /** Returns whether something waits for the handler. */
  listen(handler: (message: LinkMessage) => void): boolean {
    this.handler = handler;
    return this.inbox.length > 0;
  }

  push(bytes: Uint8Array): void {
    // What waits for long must not keep what it shares a buffer with.
    const isShared = bytes.length < bytes.buffer.byteLength;
    this.inbox.push(this.handler === undefined && isShared ? bytes.slice() : bytes);
  }

  /** Calls the handler with all that has come. */
  deliver(): void {
    const { host, handler, inbox } = this;
    if (handler === undefined || inbox.length === 0) return;
    this.inbox = [];
    for (const bytes of inbox) {
      if (host.isOver) return;
      const message = host.decode(this, bytes);
      if (message === undefined) return;
      const cost = messageCost(bytes.length);
      this.untaken -= cost;
      this.unreported += cost;
      host.took(this, cost);
      try {
        handler(message);
      } catch (error) {
        host.fault(error);
      }
    }
  }

  drop(): void {
    this.inbox = [];
    this.untaken = 0;
    this.unreported = 0;
  }
}
