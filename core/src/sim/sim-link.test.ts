import assert from "node:assert/strict";
import { test } from "node:test";
import { later, linkAcceptance, numberOf } from "../link/acceptance.ts";
import type { Link } from "../link/link.ts";
import { settle } from "../node/settle.ts";
import type { LinkMessage } from "../wire/link-messages.ts";
import { SeededRandom } from "./seeded-random.ts";
import { SimClock } from "./sim-clock.ts";
import { SimNetwork, type SimNetworkOptions } from "./sim-link.ts";

const proxy = { role: "proxy", node: "p1" } as const;
const gameserver = { role: "gameserver", node: "g1" } as const;

for (const datagramLoss of [0, 0.5])
  linkAcceptance(`simulated, ${datagramLoss * 100} % of datagrams lost`, async (limits) => {
    const clock = new SimClock();
    const options = { limits, datagramLoss, maxDelayMs: 20 };
    const network = new SimNetwork(options, { clock, random: new SeededRandom(4) });
    return {
      near: { network: network.node(proxy), peer: proxy },
      far: { network: network.node(gameserver), peer: gameserver },
      clock,
      run: (work) => clock.drive(work, settle),
      close: async () => {},
    };
  });

const message = (epoch: number): LinkMessage => ({ type: "shard-reset", shard: "s", epoch });

async function setUp(options: SimNetworkOptions = {}, seed = 1) {
  const clock = new SimClock();
  const network = new SimNetwork(options, { clock, random: new SeededRandom(seed) });
  const accepted = later<Link>();
  await network.node(gameserver).listen(accepted.resolve);
  const near = await clock.drive(network.node(proxy).connect("g1"), settle);
  const far = await accepted.promise;
  const seen: number[] = [];
  const times: number[] = [];
  far.channel("a").onMessage((m) => {
    seen.push(numberOf(m));
    times.push(clock.now());
  });
  return { clock, network, near, far, seen, times };
}

test("a cut holds messages back in order; a short one is not noticed", async () => {
  const { clock, network, near, seen } = await setUp({ idleTimeoutMs: 1000 });
  near.channel("a").send(message(1));
  network.cut("p1", "g1");
  near.channel("a").send(message(2));
  await clock.elapse(900, settle);
  assert.deepEqual(seen, []);
  near.channel("a").send(message(3));
  network.heal("p1", "g1");
  near.channel("a").send(message(4));
  await clock.elapse(900, settle);
  assert.deepEqual(seen, [1, 2, 3, 4]);
});

test("a cut that lasts ends the link on both sides", async () => {
  const { clock, network, near, far } = await setUp({ idleTimeoutMs: 1000 });
  network.cut("g1", "p1", { oneWay: true });
  const start = clock.now();
  const [a, b] = await clock.drive(Promise.all([near.closed, far.closed]), settle);
  assert.deepEqual([a.code, b.code], ["peer-gone", "peer-gone"]);
  assert.equal(clock.now() - start, 1000);
  const late = clock.drive(network.node(proxy).connect("g1"), settle);
  await assert.rejects(late, { code: "unreachable" });
  network.heal("p1", "g1");
  const again = await clock.drive(network.node(proxy).connect("g1"), settle);
  assert.equal(again.generation, near.generation + 1);
});

test("a killed node falls silent; its next life can be reached", async () => {
  const { clock, network, near, far } = await setUp({ idleTimeoutMs: 1000 });
  const oldLife = network.node(gameserver);
  network.kill("g1");
  assert.equal(far.channel("a").send(message(1)), false);
  assert.equal((await clock.drive(near.closed, settle)).code, "peer-gone");
  await assert.rejects(
    oldLife.listen(() => {}),
    { code: "unreachable" },
  );
  await network.node(gameserver).listen(() => {});
  const again = await clock.drive(network.node(proxy).connect("g1"), settle);
  assert.equal(again.generation, 2);
  network.healAll();
});

test("a seed gives the same run again, another one another", async () => {
  const run = async (seed: number) => {
    const { clock, near, times } = await setUp({}, seed);
    for (let i = 0; i < 20; i++) near.channel("a").send(message(i));
    await clock.elapse(100, settle);
    assert.equal(times.length, 20);
    return times;
  };
  assert.deepEqual(await run(5), await run(5));
  assert.notDeepEqual(await run(5), await run(6));
});
