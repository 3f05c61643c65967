import { type Clock, noopLogger, type Peer, type Random } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { VerifyPeer } from "@atlasnet/identity";
import type { HostPort } from "../link/endpoints.ts";
import {
  QuicNetwork,
  type QuicNetworkDependencies,
  type QuicNetworkOptions,
} from "../link/quic-network.ts";
import type { QuicCredentials } from "../transport/credentials.ts";
import { MemoryHub } from "./memory-endpoint.ts";
import type { MemoryFaults } from "./memory-line.ts";

export const proxy = { role: "proxy", node: "p1" } as const;
export const gameserver = { role: "gameserver", node: "g1" } as const;

/** What stands for a certificate in memory. */
export function memoryCredentials(peer: Peer): QuicCredentials {
  return { certificate: JSON.stringify(peer), privateKey: "", authorities: "" };
}

/** Believes what such a certificate says; `{"problem": "…"}` is one that is not good. */
export const memoryVerify: VerifyPeer = (chain) => {
  const [own] = chain;
  if (own === undefined) return { ok: false, code: "no-certificate", reason: "no certificate" };
  const { role, node, problem } = JSON.parse(Buffer.from(own).toString());
  if (problem !== undefined) return { ok: false, code: "expired", reason: problem };
  return { ok: true, peer: { role, node, cluster: "c", notAfter: Number.MAX_SAFE_INTEGER } };
};

/** Nodes over one memory, who find each other by name. */
export class LinkNodes {
  readonly hub: MemoryHub;
  readonly clock: Clock;
  readonly random: Random;
  readonly networks: QuicNetwork[] = [];
  /** What handlers threw. */
  readonly faults: unknown[] = [];
  /** Where somebody else than the nodes here listens. */
  readonly addresses = new Map<string, HostPort & { readonly role: Peer["role"] }>();

  constructor(
    faults: Partial<MemoryFaults> = {},
    { clock = systemClock, random = systemRandom }: { clock?: Clock; random?: Random } = {},
  ) {
    this.clock = clock;
    this.random = random;
    this.hub = new MemoryHub(faults, { clock, random });
  }

  node(
    self: Peer,
    options: Partial<QuicNetworkOptions> = {},
    dependencies: Partial<QuicNetworkDependencies> = {},
  ): QuicNetwork {
    const network = new QuicNetwork(
      {
        self,
        accepts: ["proxy", "gameserver"],
        host: "127.0.0.1",
        port: 0,
        idleTimeoutMs: 2000,
        maxPacketBytes: 1350,
        bulkBytesPerSecond: 32_000_000,
        connectTimeoutMs: 400,
        ...options,
      },
      {
        credentials: memoryCredentials(self),
        verifyPeer: memoryVerify,
        lookup: (node) => this.lookup(node),
        clock: this.clock,
        random: this.random,
        logger: noopLogger,
        now: () => 0,
        openEndpoint: this.hub.open,
        fault: (error) => this.faults.push(error),
        ...dependencies,
      },
    );
    this.networks.push(network);
    this.names.set(self.node, { network, role: self.role });
    return network;
  }

  async stop(): Promise<void> {
    await Promise.all(this.networks.map((network) => network.stop()));
  }

  private readonly names = new Map<string, { network: QuicNetwork; role: Peer["role"] }>();

  private lookup(node: string) {
    const known = this.names.get(node);
    const address = known?.network.address;
    if (known === undefined || address === undefined) return this.addresses.get(node);
    return { ...address, role: known.role };
  }
}
