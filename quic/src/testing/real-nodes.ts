import { noopLogger, type Peer } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { NodeIdentity, VerifyPeer } from "@atlasnet/identity";
import type { HostPort } from "../link/endpoints.ts";
import {
  QuicNetwork,
  type QuicNetworkDependencies,
  type QuicNetworkOptions,
} from "../link/quic-network.ts";

export interface RealNode {
  readonly identity: NodeIdentity;
  readonly verifyPeer: VerifyPeer;
  /** Where gameservers are; undefined: unknown. */
  readonly to?: (node: string) => HostPort | undefined;
}

/** A node with sockets of this machine. */
export function realNode(
  { identity, verifyPeer, to }: RealNode,
  options: Partial<QuicNetworkOptions> = {},
  dependencies: Partial<QuicNetworkDependencies> = {},
): QuicNetwork {
  const self: Peer = { role: identity.role, node: identity.node };
  return new QuicNetwork(
    {
      self,
      accepts: ["proxy", "gameserver"],
      host: "127.0.0.1",
      port: 0,
      idleTimeoutMs: 5000,
      maxPacketBytes: 16_384,
      bulkBytesPerSecond: 32_000_000,
      ...options,
    },
    {
      credentials: identity,
      verifyPeer,
      lookup: (node) => {
        const address = to?.(node);
        return address === undefined ? undefined : { ...address, role: "gameserver" };
      },
      clock: systemClock,
      random: systemRandom,
      logger: noopLogger,
      now: Date.now,
      ...dependencies,
    },
  );
}
