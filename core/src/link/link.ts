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
 */
export interface Link {
  readonly peer: Peer;
  /** Grows with every reconnect to the same peer. */
  readonly generation: number;
  /** The channel of that name; opened by its first use on either side. */
  channel(name: string): Channel;
  /** Sends to whoever listens with `onDatagram`; at most `maxDatagramBytes` bytes. */
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
   * Queues a message. False asks the sender to wait for `onDrain`: past `maxQueuedBytes` more the
   * link closes with `overflow`.
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
  close(): Promise<void>;
}
