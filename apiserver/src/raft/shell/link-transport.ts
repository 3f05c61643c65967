import type { Logger } from "@atlasnet/core";
import type { RaftMessage } from "../core/messages.ts";
import { decodeRaftMessage, encodeRaftMessage } from "./message-codec.ts";
import type { PeerLinks } from "./peer-links.ts";
import type { RaftTransport } from "./ports.ts";

export interface LinkTransportOptions {
  /** This node's id. */
  readonly node: string;
  /** The group's name: messages of others are passed over. */
  readonly group: string;
}

/** Raft's messages over links; checkpoints take the `bulk` channel, so that elections and appends go before them. */
export class LinkTransport implements RaftTransport {
  private readonly options: LinkTransportOptions;
  private readonly links: PeerLinks;
  private handler: ((message: RaftMessage) => void) | undefined;
  readonly counts = { sent: 0, received: 0, unconnected: 0, congested: 0, refused: 0 };

  constructor(
    options: LinkTransportOptions,
    { links, logger }: { readonly links: PeerLinks; readonly logger: Logger },
  ) {
    this.options = options;
    this.links = links;
    links.onMessage(({ node, link }, message) => {
      if (message.type !== "raft" || message.group !== options.group) return;
      const decoded = decodeRaftMessage(message.body, { from: node, to: options.node });
      if (decoded.ok) {
        this.counts.received++;
        this.handler?.(decoded.message);
        return;
      }
      this.counts.refused++;
      logger.warn("Another apiserver sends what is no message of the group; its link is closed.", {
        node,
        problem: decoded.problem,
      });
      link.close({ code: "bad-message", detail: decoded.problem });
    });
  }

  onMessage(handler: (message: RaftMessage) => void): void {
    this.handler = handler;
  }

  send(message: RaftMessage): void {
    const peer = this.links.to(message.to);
    if (peer === undefined) {
      this.counts.unconnected++;
      return;
    }
    const lane = message.type === "checkpoint-chunk" ? "bulk" : "main";
    // Only what is large is dropped: it is what filled the queue, and is asked for again.
    const isLarge = lane === "bulk" || (message.type === "append" && message.entries.length > 0);
    if (peer.congested[lane] && isLarge) {
      this.counts.congested++;
      return;
    }
    this.counts.sent++;
    const body = encodeRaftMessage(message);
    if (!peer[lane].send({ type: "raft", group: this.options.group, body }))
      peer.congested[lane] = true;
  }
}
