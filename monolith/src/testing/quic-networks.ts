import { type LinkNetwork, noopLogger, type Peer } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/node";
import type { NodeIdentity } from "@atlasnet/identity";
import { createTestCa, type TestCa } from "@atlasnet/identity/testing";
import { QuicNetwork } from "@atlasnet/quic";
import type { Networks } from "./cut-network.ts";

/** Links over QUIC on this machine, between nodes with certificates of a CA in memory. */
export class QuicNetworks implements Networks {
  private readonly ca: TestCa;
  private readonly identities: ReadonlyMap<string, NodeIdentity>;
  private readonly networks = new Map<string, QuicNetwork>();

  private constructor(ca: TestCa, identities: readonly NodeIdentity[]) {
    this.ca = ca;
    this.identities = new Map(identities.map((identity) => [identity.node, identity]));
  }

  /** For these nodes and no others. */
  static async create(
    peers: readonly Peer[],
  ): Promise<QuicNetworks> {
    const ca = await createTestCa();
    return new QuicNetworks(ca, await Promise.all(peers.map((peer) => ca.issue(peer))));
  }

  node(self: Peer): LinkNetwork {
    const credentials = this.identities.get(self.node);
    if (credentials === undefined) throw new Error(`${self.node} has no certificate`);
    const network = new QuicNetwork(
      {
        self,
        accepts: self.role === "proxy" ? ["gameserver"] : ["proxy"],
        host: "127.0.0.1",
        port: 0,
        idleTimeoutMs: 5_000,
        maxPacketBytes: 16_384,
        bulkBytesPerSecond: 32 * 1024 * 1024,
      },
      {
        credentials,
        verifyPeer: this.ca.verifyPeer,
        lookup: (node) => {
          const address = this.networks.get(node)?.address;
          return address === undefined ? undefined : { ...address, role: "gameserver" };
        },
        clock: systemClock,
        random: systemRandom,
        logger: noopLogger,
        now: Date.now,
      },
    );
    this.networks.set(self.node, network);
    return network;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.networks.values()].map((network) => network.stop()));
  }
}
