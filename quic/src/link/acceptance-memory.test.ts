import { SeededRandom } from "@atlasnet/core/sim";
import { systemClock } from "@atlasnet/core/system";
import { linkAcceptance, type MakeLinkFixture } from "@atlasnet/core/testing";
import { gameserver, LinkNodes, proxy } from "../testing/link-nodes.ts";
import type { MemoryFaults } from "../testing/memory-line.ts";

const fixture =
  (faults: Partial<MemoryFaults>): MakeLinkFixture =>
  async (limits) => {
    const nodes = new LinkNodes(faults, { random: new SeededRandom(7) });
    return {
      near: { network: nodes.node(proxy, { limits }), peer: proxy },
      far: { network: nodes.node(gameserver, { limits }), peer: gameserver },
      clock: systemClock,
      run: (work) => work,
      close: () => nodes.stop(),
    };
  };

linkAcceptance("QUIC links in memory", fixture({}));
linkAcceptance(
  "QUIC links in memory, everything in small pieces",
  fixture({
    minDelayMs: 0,
    maxDelayMs: 3,
    maxWriteBytes: 40_000,
    windowBytes: 100_000,
    pieceBytes: 977,
    datagramLoss: 0.3,
  }),
);
