import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import fc from "fast-check";
import { planBalance } from "./balance.ts";
import type { Intent } from "./intents.ts";
import { type BalanceSettings, DEFAULT_PLACEMENT } from "./settings.ts";
import { NO_FAULTS, SIM_STEP_MS, SimCluster } from "./sim-cluster.ts";

const IDLE = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };
const FAST: Partial<BalanceSettings> = { everyMs: 500, strainedMs: 5000, restMs: 20_000 };
const capacity = { weight: 100, sessions: 100, memoryBytes: 1000 };

interface Load {
  readonly busy?: number;
  readonly sessions?: number;
  readonly memoryBytes?: number;
}

/** "a" runs ten worlds; "b" and "c" are there and idle. Nodes say every 500 ms how loaded they are. */
function scene(balance: Partial<BalanceSettings> = {}, liveMoves = true) {
  const settings = {
    ...DEFAULT_PLACEMENT,
    liveMoves,
    balance: { ...DEFAULT_PLACEMENT.balance, ...FAST, ...balance },
  };
  const cluster = new SimCluster(new SeededRandom(1), NO_FAULTS, settings);
  cluster.addNode("a", { capacity });
  for (let i = 0; i < 10; i++) cluster.setWorld(`w${i}`);
  cluster.advance(1000);
  cluster.addNode("b", { capacity });
  cluster.addNode("c", { capacity });
  const loads = new Map<string, Load>();
  const run = (ms: number, each: () => void = () => {}) =>
    cluster.advance(ms, () => {
      each();
      if (cluster.now % (5 * SIM_STEP_MS) !== 0) return;
      for (const id of ["a", "b", "c"])
        cluster.view.reports.load(id, { ...IDLE, ...loads.get(id) }, cluster.now + 1);
    });
  const moved = () =>
    cluster.intents.flatMap(({ intent }) =>
      intent.type === "migrate" && intent.reason === "balanced" ? [intent] : [],
    );
  return { cluster, loads, run, moved };
}

const at =
  ({ cluster }: ReturnType<typeof scene>) =>
  (node: string) =>
    [...Array(10).keys()].filter((i) => cluster.ownerOf(`w${i}`) === node).length;

describe("a node that stays overloaded", () => {
  for (const [what, load] of [
    ["by the time of its ticks", { busy: 0.85 }],
    ["by its players", { sessions: 85 }],
    ["by its memory", { memoryBytes: 850 }],
  ] as const)
    test(`gives worlds away while they run, ${what}`, () => {
      const here = scene();
      here.loads.set("a", load);
      here.run(4500);
      assert.deepEqual(here.moved(), []);
      here.run(2000);
      assert.equal(here.moved().length, 1);
      assert.equal(at(here)("a"), 9);
      // The next after as long again.
      here.run(4000);
      assert.equal(here.moved().length, 1);
      here.run(2000);
      assert.equal(here.moved().length, 2);
    });

  test("gives nothing away once its load has fallen", () => {
    const here = scene();
    here.loads.set("a", { busy: 0.85 });
    here.run(7000);
    here.loads.set("a", { busy: 0.7 });
    here.run(30_000);
    assert.equal(here.moved().length, 1);
  });

  test("stays so while the figure swings about the mark, and no longer below it", () => {
    const here = scene();
    let swings = 0;
    here.run(8000, () => here.loads.set("a", { busy: swings++ % 10 < 5 ? 0.81 : 0.77 }));
    assert.equal(here.moved().length, 1);
    const other = scene();
    other.run(8000, () => other.loads.set("a", { busy: swings++ % 10 < 5 ? 0.81 : 0.7 }));
    assert.deepEqual(other.moved(), []);
  });

  test("keeps its worlds when the others are no better off, or would not be", () => {
    for (const busy of [0.84, 0.7]) {
      const here = scene();
      here.loads.set("a", { busy: 0.85 });
      for (const other of ["b", "c"]) here.loads.set(other, { busy });
      here.run(30_000);
      assert.deepEqual(here.moved(), [], `the others at ${busy}`);
    }
  });

  test("keeps the one world that is its whole load", () => {
    const here = scene();
    for (let i = 1; i < 10; i++) here.cluster.removeWorld(`w${i}`);
    here.loads.set("a", { busy: 0.9 });
    here.run(30_000);
    assert.deepEqual(here.moved(), []);
  });

  test("keeps its worlds where that is wanted, and where they would have to pause", () => {
    for (const here of [scene({ enabled: false }), scene({}, false)]) {
      here.loads.set("a", { busy: 0.9 });
      here.run(30_000);
      assert.equal(at(here)("a"), 10);
    }
  });
});

test("a world that was moved rests, though the node where it is now is overloaded", () => {
  const here = scene({ restMs: 60_000 });
  here.loads.set("a", { busy: 0.9 });
  here.run(7000);
  const [first] = here.moved();
  assert.equal(first?.node, "b");
  // Of its load the world brings a part only, so that it would be better off elsewhere.
  here.cluster.setWorld("own", { constraints: { nodeLabels: {}, nodes: ["b"] }, weight: 3 });
  here.loads.set("a", { busy: 0.1 });
  here.loads.set("b", { busy: 0.9 });
  here.run(50_000);
  assert.equal(here.moved().length, 1);
  here.run(20_000);
  assert.equal(here.moved().length, 2);
});

test("a plan changes nothing, and says of every node why it stays", () => {
  const here = scene();
  here.loads.set("a", { busy: 0.9 });
  here.loads.set("b", { busy: 0.05 });
  here.run(1000);
  const { view, settings, intents } = here.cluster;
  const before = intents.length;
  const why = new Map<string, string>();
  const planned = (now: number) => {
    why.clear();
    return planBalance({ view, settings, now }, (node, stay) => why.set(node.id, stay));
  };
  assert.deepEqual(planned(here.cluster.now), []);
  assert.deepEqual(Object.fromEntries(why), { a: "not-yet", b: "not-loaded", c: "not-loaded" });
  const later = here.cluster.now + 60_000;
  const [move, ...others] = planned(later);
  assert.deepEqual(others, []);
  assert.equal(move?.to.id, "c");
  assert.equal(move.fromLoad.before, 0.9);
  assert.ok(Math.abs(move.fromLoad.after - 0.81) < 1e-9);
  assert.ok(Math.abs(move.toLoad.after - 0.09) < 1e-9);
  assert.deepEqual(planned(later).length, 1);
  assert.equal(intents.length, before);
});

test("with loads that follow what nodes run, moves end, never go to and fro, and stay within their bounds", () => {
  let moves = 0;
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), (seed) => {
      const random = new SeededRandom(seed);
      const maxMoves = random.int(1, 3);
      const cluster = new SimCluster(random, NO_FAULTS, {
        ...DEFAULT_PLACEMENT,
        liveMoves: true,
        maxMoves,
        balance: { ...DEFAULT_PLACEMENT.balance, everyMs: 500, strainedMs: 2000, restMs: 0 },
      });
      const worlds = random.int(6, 24);
      const costs = Array.from({ length: worlds }, () => random.int(1, 25) / 100);
      const nodes = ["n0", "n1", "n2", "n3", "n4"];
      cluster.addNode("n0", { capacity });
      for (let i = 0; i < worlds; i++) cluster.setWorld(`w${i}`, { weight: random.int(1, 3) });
      cluster.advance(1000);
      for (const id of nodes) cluster.addNode(id, { capacity });
      const busyOf = (id: string) =>
        costs.reduce((sum, cost, i) => (cluster.ownerOf(`w${i}`) === id ? sum + cost : sum), 0);
      const run = (ms: number) =>
        cluster.advance(ms, () => {
          assert.ok(cluster.view.occupancy.moving <= maxMoves);
          if (cluster.now % 500 !== 0) return;
          for (const id of nodes)
            cluster.view.reports.load(id, { ...IDLE, busy: busyOf(id) }, cluster.now + 1);
        });
      run(SETTLING_MS);
      const migrations = cluster.intents.filter(isBalancing);
      moves += migrations.length;
      const visited = new Map<string, Set<string>>();
      for (const { intent } of migrations) {
        if (intent.type !== "migrate") continue;
        const been = visited.get(intent.shard) ?? new Set(["n0"]);
        assert.ok(!been.has(intent.node), `${intent.shard} comes back to ${intent.node}`);
        visited.set(intent.shard, been.add(intent.node));
      }
      run(20_000);
      assert.equal(cluster.intents.filter(isBalancing).length, migrations.length, "it goes on");
    }),
    { numRuns: 12 },
  );
  assert.ok(moves > 12, `only ${moves} moves`);
});

/** Twenty moves of one node, each after two seconds of strain. */
const SETTLING_MS = 90_000;

function isBalancing({ intent }: { readonly intent: Intent }): boolean {
  return intent.type === "migrate" && intent.reason === "balanced";
}
