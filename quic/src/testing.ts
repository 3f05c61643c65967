// For tests of whoever is to work over links of every kind.
import { inProcessLinks, type LinkKind } from "@atlasnet/core/testing";
import { QuicNetworks } from "./testing/quic-networks.ts";

export { QuicNetworks } from "./testing/quic-networks.ts";

export const quicLinks: LinkKind = {
  name: "QUIC",
  create: (peers) => QuicNetworks.create(peers),
};

/** Every kind of links there is between proxies and gameservers. */
export const linkKinds: readonly LinkKind[] = [inProcessLinks, quicLinks];
