import type { Link, LinkNetwork, Peer } from "@atlasnet/core";
import { inProcessLinks, type LinkKind } from "@atlasnet/core/testing";

const PEERS: readonly Peer[] = [
  { role: "proxy", node: "p1" },
  { role: "gameserver", node: "g1" },
  { role: "gameserver", node: "g2" },
];

/** The network of a proxy `p1` and the gameservers `g1` and `g2`. */
export interface TestNetwork {
  readonly proxy: LinkNetwork;
  /** As a gameserver sees it. */
  node(name: string): LinkNetwork;
  /** Resolves when the proxy knows that the links it has had until now are gone. */
  gone(): Promise<void>;
  stop(): Promise<void>;
}

export async function testNetwork(links: LinkKind = inProcessLinks): Promise<TestNetwork> {
  const networks = await links.create(PEERS);
  const network = networks.node({ role: "proxy", node: "p1" });
  const opened: Link[] = [];
  return {
    proxy: {
      listen: (handler) => network.listen(handler),
      connect: async (node) => {
        const link = await network.connect(node);
        opened.push(link);
        return link;
      },
    },
    gone: async () => {
      for (const link of opened) await link.closed;
    },
    node: (node) => networks.node({ role: "gameserver", node }),
    stop: async () => networks.stop?.(),
  };
}
