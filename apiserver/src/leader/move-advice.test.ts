import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { DEFAULT_PLACEMENT } from "../placement/settings.ts";
import { SimCluster } from "../placement/sim-cluster.ts";
import { MoveAdvice } from "./move-advice.ts";

const NOTHING = new Map<string, number>();
const capacity = { weight: 10, sessions: 0, memoryBytes: 0 };
const load = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

/** A world on gs-1, and two other nodes. */
function scene({ leads = true } = {}) {
  const cluster = new SimCluster(new SeededRandom(1));
  cluster.addNode("gs-1");
  cluster.setWorld("arena", { weight: 2 });
  cluster.advance(3000);
  const silent = new Set<string>();
  const advice = new MoveAdvice(DEFAULT_PLACEMENT, {
    view: cluster.view,
    leases: { holds: (node) => !silent.has(node) },
    leads: () => leads,
  });
  const more = () => {
    for (const node of ["gs-2", "gs-3"]) cluster.addNode(node, { capacity });
    cluster.advance(3000);
  };
  const target = (planned: ReadonlyMap<string, number> = NOTHING) => {
    const found = advice.target("arena/0", planned);
    return found.ok ? found.node : found.problems.join("; ");
  };
  return { cluster, advice, silent, more, target };
}

test("a world goes to the least loaded of the other nodes, with what is on its way there", () => {
  const { target, more } = scene();
  assert.match(target(), /no other gameserver/);
  more();
  assert.equal(target(), "gs-2");
  assert.equal(target(new Map([["gs-2", 3]])), "gs-3");
  assert.match(
    target(
      new Map([
        ["gs-2", 9],
        ["gs-3", 9],
      ]),
    ),
    /gs-2 has no room for a weight of 11.*; gs-3 has no room/,
  );
});

test("where a world fits is judged by the module that it is to run there", () => {
  const { cluster, advice } = scene();
  const module = { source: "node", path: "./next.js" } as const;
  const target = () => {
    const found = advice.target("arena/0", NOTHING, module);
    return found.ok ? found.node : found.problems.join("; ");
  };
  cluster.addNode("gs-2", { capacity, modules: ["./a.js"] });
  cluster.advance(3000);
  assert.match(target(), /gs-2 does not have the module \.\/next\.js/);
  cluster.addNode("gs-3", { capacity, modules: ["./next.js"] });
  cluster.advance(3000);
  assert.equal(target(), "gs-3");
  assert.equal(advice.refusal("arena/0", "gs-3", NOTHING, module), undefined);
  assert.match(advice.refusal("arena/0", "gs-2", NOTHING, module) ?? "", /next\.js/);
  assert.match(advice.refusal("arena/0", "gs-3", NOTHING) ?? "", /does not have the module/);
});

test("a node that does not renew its lease gets nothing, where that is known", () => {
  const { advice, target, silent, more } = scene();
  more();
  silent.add("gs-2");
  assert.equal(target(), "gs-3");
  assert.match(advice.refusal("arena/0", "gs-2", NOTHING) ?? "", /does not renew its lease/);
  silent.add("gs-3");
  assert.match(target(), /gs-2 does not renew.*; gs-3 does not renew/);
  const elsewhere = scene({ leads: false });
  elsewhere.more();
  for (const node of ["gs-2", "gs-3"]) elsewhere.silent.add(node);
  assert.equal(elsewhere.target(), "gs-2");
});

test("what keeps a world from a node is said", () => {
  const { cluster, advice, more } = scene();
  more();
  const refusal = (node: string) => advice.refusal("arena/0", node, NOTHING);
  assert.equal(refusal("gs-2"), undefined);
  cluster.view.reports.load("gs-2", { ...load, busy: 1 }, cluster.now);
  assert.match(refusal("gs-2") ?? "", /is overloaded, at 100 %/);
  assert.match(refusal("gs-9") ?? "", /has not registered/);
  assert.match(advice.refusal("other/0", "gs-2", NOTHING) ?? "", /not heard of other\/0/);
});

test("beyond so many migrations at a time no more begin", () => {
  const { advice, cluster } = scene();
  const { view } = cluster;
  const shard = view.shards.get("arena/0");
  assert.ok(shard !== undefined);
  assert.equal(advice.crowded(), undefined);
  const strict = new MoveAdvice(
    { ...DEFAULT_PLACEMENT, maxMoves: 1 },
    { view, leases: { holds: () => true }, leads: () => true },
  );
  assert.equal(strict.crowded(), undefined);
  view.migrating.add(shard);
  assert.match(String(strict.crowded()), /1 worlds are on their way already, of 1 at a time/);
});
