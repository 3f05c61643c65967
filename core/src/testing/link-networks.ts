import { InProcessNetwork } from "../link/in-process.ts";
import type { LinkNetwork, Peer } from "../link/link.ts";

/** Where the nodes of a test get their links from. */
export interface LinkNetworks {
  /** The network as one node sees it. A node that asks again is one that was started again. */
  node(self: Peer): LinkNetwork;
  stop?(): Promise<void>;
}

/** A kind of links, for tests that hold for every kind. */
export interface LinkKind {
  readonly name: string;
  /** For these nodes; whoever asked stops it. */
  create(peers: readonly Peer[]): Promise<LinkNetworks>;
}

/** Links within this process; messages go through the codec, as they would between processes. */
export const inProcessLinks: LinkKind = {
  name: "in-process",
  create: async () => new InProcessNetwork({ verify: true }),
};
