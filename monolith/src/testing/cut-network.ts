import {
  type Link,
  LinkError,
  type LinkMessage,
  type LinkNetwork,
  type Peer,
} from "@atlasnet/core";
import { type LinkNetworks, wrappedLink } from "@atlasnet/core/testing";

/** A message on its way, seen where it is sent. */
export interface Passing {
  readonly from: string;
  readonly to: string;
  readonly message: LinkMessage;
}

/**
 * Links that can be cut and kept from coming back; what is on its way is lost then, as with a machine
 * that dies.
 */
export class CutNetwork implements LinkNetworks {
  /** Called with every message before it is sent. */
  watch: (passing: Passing) => void = () => undefined;
  private readonly inner: LinkNetworks;
  private readonly links = new Map<string, Set<Link>>();
  private readonly down = new Set<string>();

  constructor(inner: LinkNetworks) {
    this.inner = inner;
  }

  node(self: Peer): LinkNetwork {
    const inner = this.inner.node(self);
    return {
      connect: async (node) => {
        const pair = pairOf(self.node, node);
        const link = this.down.has(pair) ? undefined : await inner.connect(node);
        if (link !== undefined && !this.down.has(pair)) return this.tapped(self.node, link);
        link?.close({ code: "peer-gone" });
        throw new LinkError("unreachable", `the line to ${node} is cut`, node);
      },
      listen: (handler) => inner.listen((link) => handler(this.tapped(self.node, link))),
    };
  }

  /** Ends the links between two nodes; they may be opened again at once. */
  cut(a: string, b: string): void {
    for (const link of this.links.get(pairOf(a, b)) ?? []) link.close({ code: "peer-gone" });
  }

  /** The same, and no link comes up until `mend`. */
  sever(a: string, b: string): void {
    this.down.add(pairOf(a, b));
    this.cut(a, b);
  }

  mend(a: string, b: string): void {
    this.down.delete(pairOf(a, b));
  }

  private tapped(from: string, link: Link): Link {
    const to = link.peer.node;
    const pair = pairOf(from, to);
    const standing = this.links.get(pair) ?? new Set();
    this.links.set(pair, standing.add(link));
    return wrappedLink(link, (channel) => ({
      name: channel.name,
      send: (message) => {
        this.watch({ from, to, message });
        return channel.send(message);
      },
      onMessage: (handler) => channel.onMessage(handler),
      onDrain: (handler) => channel.onDrain(handler),
    }));
  }
}

function pairOf(a: string, b: string): string {
  return [a, b].sort().join(" ");
}
