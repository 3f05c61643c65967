import { SeededRandom } from "@atlasnet/core/sim";
import { assertAllIsWell, type LedgerPlayer } from "@atlasnet/monolith/testing";
import { PERFECT, type Relay } from "@atlasnet/netem";
import type { NodeProcess } from "../testing/node-process.ts";
import { answers, chaos, IDLE_TIMEOUT_MS, instant } from "./scene.ts";

const STEPS = 8;
const BAD = { loss: 0.1, delayMs: 15, jitterMs: 10, reorder: 0.05, duplicate: 0.05 };

/** A fault of a process, or of a proxy's line to a gameserver, that is over when it resolves. */
type Fault = (node: NodeProcess, line: () => Relay, random: SeededRandom) => Promise<void>;

async function restarted(node: NodeProcess, random: SeededRandom): Promise<void> {
  await instant(random, 500);
  node.start();
  await node.ready();
}

const ofProxies: readonly Fault[] = [
  async (proxy, _line, random) => {
    await proxy.kill();
    await restarted(proxy, random);
  },
  async (proxy, _line, random) => {
    await proxy.stop();
    await restarted(proxy, random);
  },
  async (_proxy, line, random) => {
    const direction = pick(random, ["up", "down", "both"] as const);
    line().setConditions({ loss: 1 }, direction === "both" ? undefined : direction);
    await instant(random, 3 * IDLE_TIMEOUT_MS);
    line().setConditions({ loss: 0 });
  },
  async (_proxy, line, random) => {
    line().setConditions(BAD);
    await instant(random, 3 * IDLE_TIMEOUT_MS);
    line().setConditions(PERFECT);
  },
];

const ofAll: readonly Fault[] = [
  async (node, _line, random) => {
    node.signal("SIGSTOP");
    await instant(random, 3 * IDLE_TIMEOUT_MS);
    node.signal("SIGCONT");
  },
];

// Not killed: what was not synced would be lost, and that is another test.
const ofGameservers: readonly Fault[] = [
  async (gameserver, _line, random) => {
    await gameserver.stop();
    await restarted(gameserver, random);
  },
];

chaos(
  "several faults at a time, one after the other",
  { proxies: 2, gameservers: 2, worlds: ["north", "east"], relayed: true },
  async (scene) => {
    const proxies = [scene.node("proxy-1"), scene.node("proxy-2")];
    const gameservers = [scene.node("gs-1"), scene.node("gs-2")];
    const worlds = await Promise.all([
      scene.enterAll(proxies, "north"),
      scene.enterAll([...proxies].reverse(), "east"),
    ]);
    const players: readonly LedgerPlayer[] = worlds.flat();
    const { random } = scene;
    for (const player of players) player.talk(1e6);
    for (let step = 0; step < STEPS; step++) {
      await scene.moment(players, 6);
      // A process has one fault at a time.
      const hit = [...proxies, ...gameservers].filter(() => random.float() < 0.4);
      await Promise.all(
        hit.map(async (node) => {
          // Drawn before anything waits, so that a seed is a plan.
          const fault = pick(random, [
            ...(proxies.includes(node) ? ofProxies : ofGameservers),
            ...ofAll,
          ]);
          const gameserver = pick(random, gameservers);
          const own = new SeededRandom(random.int(0, 2 ** 31));
          await instant(own, 300);
          await fault(node, () => scene.cluster.line(node, gameserver), own);
        }),
      );
      await answers(players, 3);
    }
    for (const player of players) player.stop();
    for (const each of worlds) await assertAllIsWell(each);
  },
);

function pick<T>(random: SeededRandom, from: readonly T[]): T {
  const found = from[random.int(0, from.length - 1)];
  if (found === undefined) throw new Error("there is nothing to choose from");
  return found;
}
