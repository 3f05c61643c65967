import { noopLogger, type Peer } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/node";
import { linkAcceptance, type MakeLinkFixture } from "@atlasnet/core/testing";
import { createTestCa } from "@atlasnet/identity/testing";
import { type Conditions, startRelay } from "@atlasnet/netem";
import { gameserver, proxy } from "../testing/link-nodes.ts";
import { QuicNetwork } from "./quic-network.ts";

const ca = await createTestCa();
const identities = new Map<string, Awaited<ReturnType<typeof ca.issue>>>(
  await Promise.all(
    [proxy, gameserver].map(async (peer) => [peer.node, await ca.issue(peer)] as const),
  ),
);

/** Over sockets of this machine; with conditions there is a bad network between. */
const fixture =
  (conditions: Partial<Conditions> | undefined): MakeLinkFixture =>
  async (limits) => {
    let relay: Awaited<ReturnType<typeof startRelay>> | undefined;
    const network = (self: Peer): QuicNetwork => {
      const credentials = identities.get(self.node);
      if (credentials === undefined) throw new Error(`no identity for ${self.node}`);
      return new QuicNetwork(
        {
          self,
          accepts: ["proxy", "gameserver"],
          host: "127.0.0.1",
          port: 0,
          idleTimeoutMs: 5000,
          maxPacketBytes: 16_384,
          bulkBytesPerSecond: 32_000_000,
          limits,
          connectTimeoutMs: conditions === undefined ? 500 : 3000,
        },
        {
          credentials,
          verifyPeer: ca.verifyPeer,
          lookup: (node) =>
            node !== gameserver.node || relay === undefined
              ? node === gameserver.node && far.address !== undefined
                ? { ...far.address, role: gameserver.role }
                : undefined
              : { ...relay.address, role: gameserver.role },
          clock: systemClock,
          random: systemRandom,
          logger: noopLogger,
          now: Date.now,
        },
      );
    };
    const far = network(gameserver);
    const near = network(proxy);
    return {
      near: { network: near, peer: proxy },
      far: {
        peer: gameserver,
        network: {
          connect: (node) => far.connect(node),
          listen: async (handler) => {
            const listener = await far.listen(handler);
            if (conditions !== undefined && far.address !== undefined)
              relay ??= await startRelay({ target: far.address, tcp: false, conditions });
            return listener;
          },
        },
      },
      clock: systemClock,
      run: (work) => work,
      close: async () => {
        await Promise.all([near.stop(), far.stop()]);
        await relay?.stop();
      },
    };
  };

linkAcceptance("QUIC", fixture(undefined));
linkAcceptance(
  "QUIC over a bad network",
  fixture({ loss: 0.02, reorder: 0.05, delayMs: 10, jitterMs: 3, seed: 11 }),
);
