import { systemClock } from "@atlasnet/core/system";
import { linkAcceptance, type MakeLinkFixture } from "@atlasnet/core/testing";
import { createTestCa } from "@atlasnet/identity/testing";
import { type Conditions, type Relay, startRelay } from "@atlasnet/netem";
import { gameserver, proxy } from "../testing/link-nodes.ts";
import { realNode } from "../testing/real-nodes.ts";

const ca = await createTestCa();
const { verifyPeer } = ca;
const identities = { near: await ca.issue(proxy), far: await ca.issue(gameserver) };

/** Over sockets of this machine; with conditions there is a bad network between. */
const fixture =
  (conditions: Partial<Conditions> | undefined): MakeLinkFixture =>
  async (limits) => {
    const options = { limits, connectTimeoutMs: conditions === undefined ? 500 : 3000 };
    const far = realNode({ identity: identities.far, verifyPeer }, options);
    let relay: Relay | undefined;
    const to = (node: string) =>
      node === gameserver.node ? (relay?.address ?? far.address) : undefined;
    const near = realNode({ identity: identities.near, verifyPeer, to }, options);
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
