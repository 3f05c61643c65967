import { clusterSuite } from "./testing/cluster-suite.ts";
import { QuicNetworks } from "./testing/quic-networks.ts";

clusterSuite("QUIC", () =>
  QuicNetworks.create([
    { role: "proxy", node: "p1" },
    { role: "proxy", node: "p2" },
    { role: "gameserver", node: "g1" },
    { role: "gameserver", node: "g2" },
  ]),
);
