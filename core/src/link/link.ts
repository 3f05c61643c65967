import type { LinkMessage } from "../wire/link-messages.ts";

/**
 * The link port: authenticated connections between AtlasNet processes. Two adapters stand behind it,
 * in-process and QUIC; both pass the suite in `acceptance.ts`.
 *
 * What a link promises:
 * 1. Messages of one channel arrive once, in order, or the link closes. Channels do not order each other.
 * 2. Datagrams arrive at most once, in any order, or not at all.
 * 3. `send` never throws because of the peer. On a closed link it drops the message; `closed` says why.
 * 4. A handler is never called from within `send`: replies cannot re-enter the sender.
 * 5. `close` drops what was not delivered yet, both ways. Who needs an answer waits for it first.
 * 6. What was sent is not changed any more, by neither side: bytes may be shared.
 */
export interface Link {
  readonly peer: Peer;
  /** Grows with every reconnect to the same peer. */
  readonly generation: number;
  /**
   * Whether the peer knows messages of this type: what came after the link's version (docs/links.md, section 7) may
   * not be sent to it. The answer stays the same while the link lives.
   */
  speaks(type: LinkMessage["type"]): boolean;
  /**
   * The channel of that name; opened by its first use on either side. `bulk` says, once, that this side
   * sends large amounts over it: they leave after everything else, at most `bulkBytesPerSecond` of them
   * where the adapter knows a rate (the in-process one does not). Said after the side's first message on the
   * channel, it changes nothing: a channel keeps its order.
   * @throws RangeError for a name that is empty or too long, or one channel too many (LinkLimits).
   */
  channel(name: string, options?: { readonly bulk: boolean }): Channel;
  /**
   * Sends to whoever listens with `onDatagram`; without a listener, and past a bound of the queue, it is
   * dropped. @throws RangeError above `maxDatagramBytes` bytes, which stays the same while the link lives.
   */
  sendDatagram(bytes: Uint8Array): void;
  onDatagram(handler: (bytes: Uint8Array) => void): void;
  readonly maxDatagramBytes: number;
  /** Resolves once when the link is gone, whoever ended it. */
  readonly closed: Promise<LinkClosed>;
  close(reason: LinkClosed): void;
}

export interface Channel {
  readonly name: string;
  /**
   * Queues a message. False asks the sender to wait for `onDrain` (the message is queued all the
   * same): with more than `maxQueuedBytes` in the queue the link closes with `overflow`. A closed link
   * drops the message and gives false; there is no `onDrain` then. @throws LinkMessageError for a message
   * that the peer does not speak.
   */
  send(message: LinkMessage): boolean;
  /** One handler per channel; messages that came before it was set are kept, bounded. */
  onMessage(handler: (message: LinkMessage) => void): void;
  onDrain(handler: () => void): void;
}

export interface Peer {
  readonly role: "proxy" | "gameserver" | "apiserver";
  readonly node: string;
}

export interface LinkClosed {
  code: "closed" | "peer-gone" | "overflow" | "bad-message" | "refused";
  detail?: string;
}

/** Where links come from. */
export interface LinkNetwork {
  /** Opens a link to a node. Rejects with a LinkError when it cannot be reached or refuses. */
  connect(node: string): Promise<Link>;
  /** Takes in links from others; the handler gets every new one. */
  listen(handler: (link: Link) => void): Promise<LinkListener>;
}

export interface LinkListener {
  /** No new links from here on; those that stand go on. */
  close(): Promise<void>;
}
