import { type LinkNetwork, noopLogger, type Peer } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { LinkNetworks } from "@atlasnet/core/testing";
import type { NodeIdentity } from "@atlasnet/identity";
import { createTestCa, type TestCa } from "@atlasnet/identity/testing";
import type { HostPort } from "../link/endpoints.ts";
import { QuicNetwork } from "../link/quic-network.ts";

/** Long enough for a machine that does much else. */
const IDLE_TIMEOUT_MS = 5_000;
const CONNECT_TIMEOUT_MS = 1_000;

const ACCEPTS: { readonly [R in Peer["role"]]: readonly Peer["role"][] } = {
  proxy: ["gameserver"],
  gameserver: ["proxy"],
  apiserver: ["apiserver"],
};

/** One for all tests of a process. */
let testCa: Promise<TestCa> | undefined;

/** Links over QUIC on this machine, between nodes with certificates of a CA in memory. */
export class QuicNetworks implements LinkNetworks {
  /** Where a node is reached, by who asks and whom (`p1 g1`), when that is not where it listens. */
  readonly detours = new Map<string, HostPort>();
  private readonly ca: TestCa;
  private readonly identities: ReadonlyMap<string, NodeIdentity>;
  private readonly idleTimeoutMs: number;
  private readonly networks: QuicNetwork[] = [];
  /** The last one of each node. */
  private readonly current = new Map<string, QuicNetwork>();

  private constructor(ca: TestCa, identities: readonly NodeIdentity[], idleTimeoutMs: number) {
    this.ca = ca;
    this.idleTimeoutMs = idleTimeoutMs;
    this.identities = new Map(identities.map((identity) => [identity.node, identity]));
  }

  /** For these nodes and no others. */
  static async create(
    peers: readonly Peer[],
    { idleTimeoutMs = IDLE_TIMEOUT_MS }: { idleTimeoutMs?: number } = {},
  ): Promise<QuicNetworks> {
    testCa ??= createTestCa();
    const ca = await testCa;
    const identities = await Promise.all(peers.map((peer) => ca.issue(peer)));
    return new QuicNetworks(ca, identities, idleTimeoutMs);
  }

  node(self: Peer): LinkNetwork {
    const credentials = this.identities.get(self.node);
    if (credentials === undefined) throw new Error(`${self.node} has no certificate`);
    const network = new QuicNetwork(
      {
        self,
        accepts: ACCEPTS[self.role],
        host: "127.0.0.1",
        port: 0,
        idleTimeoutMs: this.idleTimeoutMs,
        connectTimeoutMs: CONNECT_TIMEOUT_MS,
        maxPacketBytes: 16_384,
        bulkBytesPerSecond: 32 * 1024 * 1024,
      },
      {
        credentials,
        verifyPeer: this.ca.verifyPeer,
        lookup: (node) => {
          const address = this.detours.get(`${self.node} ${node}`) ?? this.addressOf(node);
          const role = this.identities.get(node)?.role ?? "gameserver";
          return address === undefined ? undefined : { ...address, role };
        },
        clock: systemClock,
        random: systemRandom,
        logger: noopLogger,
        now: Date.now,
      },
    );
    this.networks.push(network);
    this.current.set(self.node, network);
    return network;
  }

  /** Where a node listens. */
  addressOf(node: string): HostPort | undefined {
    return this.current.get(node)?.address;
  }

  async stop(): Promise<void> {
    await Promise.all(this.networks.map((network) => network.stop()));
  }
}
