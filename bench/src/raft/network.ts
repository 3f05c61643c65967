import { noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { createVerifyPeer, type NodeIdentity } from "@atlasnet/identity";
import { QuicNetwork } from "@atlasnet/quic";

/** Ports of the apiservers on the loopback, by node. */
export type Ports = { readonly [node: string]: number };

/** Links of one process of the group, or of its clients. */
export function openNetwork(identity: NodeIdentity, ports: Ports): QuicNetwork {
  const { role, node, authorities, cluster } = identity;
  return new QuicNetwork(
    {
      self: { role, node },
      accepts: ["apiserver"],
      host: "127.0.0.1",
      port: ports[node] ?? 0,
      idleTimeoutMs: 10_000,
      maxPacketBytes: 16_384,
      bulkBytesPerSecond: 32 * 1024 * 1024,
    },
    {
      credentials: identity,
      verifyPeer: createVerifyPeer(authorities, cluster),
      lookup: (other) => {
        const port = ports[other];
        return port === undefined ? undefined : { host: "127.0.0.1", port, role: "apiserver" };
      },
      clock: systemClock,
      random: systemRandom,
      logger: noopLogger,
      now: Date.now,
    },
  );
}
