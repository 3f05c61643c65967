// For tests of whoever is to work over links of every kind.
import { formsOf, inProcessLinks, type LinkKind } from "@atlasnet/core/testing";
import { QuicNetworks } from "./testing/quic-networks.ts";

export { QuicNetworks } from "./testing/quic-networks.ts";

export const quicLinks: LinkKind = {
  name: "QUIC",
  create: (peers) => QuicNetworks.create(peers),
};

/** The kinds of links between proxies and gameservers: every one with `npm test -- --thorough`, else QUIC. */
export const linkKinds: readonly LinkKind[] = formsOf([inProcessLinks, quicLinks]);
