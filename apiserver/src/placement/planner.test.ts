import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import type { Intent } from "./intents.ts";
import { DEFAULT_PLACEMENT, type PlacementSettings } from "./settings.ts";
import { NO_FAULTS, SIM_STEP_MS, SimCluster } from "./sim-cluster.ts";

const IDLE = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };
const capacity = (weight: number) => ({ capacity: { weight, sessions: 0, memoryBytes: 0 } });

function clusterOf(settings: Partial<PlacementSettings> = {}): SimCluster {
  return new SimCluster(new SeededRandom(1), NO_FAULTS, { ...DEFAULT_PLACEMENT, ...settings });
}

function wants(cluster: SimCluster, reason: string): Extract<Intent, { type: "want" }>[] {
  return cluster.intents.flatMap(({ intent }) =>
    intent.type === "want" && intent.reason === reason ? [intent] : [],
  );
}

test("a node is lost only once its lease has run out, and then its worlds go elsewhere", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.setWorld("arena");
  cluster.advance(1000);
  assert.equal(cluster.ownerOf("arena"), "a");
  cluster.addNode("b");
  cluster.kill("a");
  const killed = cluster.now;
  cluster.advance(2800);
  assert.equal(cluster.ownerOf("arena"), "a");
  cluster.advance(2000);
  assert.equal(cluster.ownerOf("arena"), "b");
  const lost = cluster.intents.find(({ intent }) => intent.type === "lost");
  assert.ok((lost?.at ?? 0) >= killed + 3000);
  assert.equal(wants(cluster, "failover").length, 1);
});

test("a new leader declares nobody lost before one full lease has passed", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.advance(1000);
  cluster.kill("a");
  cluster.advance(2500);
  cluster.changeLeader();
  cluster.advance(2900);
  assert.ok(cluster.intents.every(({ intent }) => intent.type !== "lost"));
  cluster.advance(1000);
  assert.ok(cluster.intents.some(({ intent }) => intent.type === "lost"));
});

test("from the proposal of a loss until its decision, no renewal is answered and nothing else proposed", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.advance(SIM_STEP_MS);
  const { planner, leases } = cluster;
  let now = cluster.now + 10_000;
  const losses = () => {
    const { intents } = planner.step(now);
    return planner.transactions(intents.filter(({ type }) => type === "lost"));
  };
  const refusal = (boot: string) => {
    const received = leases.receive({ node: "a", boot, number: 1 }, now);
    const answer = "refused" in received ? received.refused : leases.confirmed(received);
    return answer.ok ? undefined : answer.code;
  };
  assert.equal(refusal("a-0"), "unknown-node");
  const [first, ...others] = losses();
  assert.deepEqual(others, []);
  assert.ok(first !== undefined);
  assert.equal(refusal("a-1"), "lost");
  now += 5000;
  assert.deepEqual(losses(), []);
  planner.settled(first, "unknown", now);
  assert.equal(refusal("a-1"), "lost");
  assert.deepEqual(losses(), []);
  now += 1000;
  const [second] = losses();
  assert.ok(second !== undefined);
  // The end of one proposal says nothing about the next.
  planner.settled(first, "failed", now);
  assert.equal(refusal("a-1"), "lost");
  planner.settled(second, "failed", now);
  assert.equal(refusal("a-1"), undefined);
  now += 1000;
  assert.deepEqual(losses(), []);
});

test("a proposal of a former reign says nothing about one of this reign", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.advance(SIM_STEP_MS);
  const { planner, leases } = cluster;
  const later = cluster.now + 10_000;
  const [old] = planner.transactions(planner.step(later).intents);
  assert.ok(old !== undefined);
  cluster.now = later;
  cluster.changeLeader();
  const evenLater = later + 10_000;
  assert.equal(planner.step(evenLater).intents[0]?.type, "lost");
  planner.settled(old, "failed", evenLater);
  const received = leases.receive({ node: "a", boot: "a-1", number: 1 }, evenLater);
  assert.deepEqual(received, { refused: { ok: false, code: "lost" } });
});

test("a node that does not take a world is passed over", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.addNode("b", capacity(50));
  const broken = cluster.nodes.get("a");
  if (broken !== undefined) broken.isBroken = true;
  cluster.setWorld("arena");
  cluster.advance(29_000);
  assert.equal(cluster.wantedOf("arena"), "a");
  cluster.advance(3000);
  assert.equal(cluster.ownerOf("arena"), "b");
  cluster.settle();
  assert.equal(cluster.ownerOf("arena"), "b");
});

test("a drained node gives its worlds away, few at a time", () => {
  const cluster = clusterOf({ maxMovesPerNode: 3 });
  cluster.addNode("a");
  for (let i = 0; i < 20; i++) cluster.setWorld(`w${i}`);
  cluster.advance(1000);
  cluster.addNode("b");
  cluster.drain("a");
  let most = 0;
  cluster.advance(10_000, () => {
    most = Math.max(most, cluster.view.nodes.get("a")?.moves ?? 0);
  });
  assert.ok(most <= 3, `${most} moves at a time`);
  for (let i = 0; i < 20; i++) assert.equal(cluster.ownerOf(`w${i}`), "b");
});

test("a drained node keeps what has nowhere to go, until there is room", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  for (let i = 0; i < 4; i++) cluster.setWorld(`w${i}`);
  cluster.advance(1000);
  cluster.addNode("b", capacity(3));
  cluster.drain("a");
  cluster.settle();
  const at = () => [0, 1, 2, 3].map((i) => cluster.ownerOf(`w${i}`)).sort();
  assert.deepEqual(at(), ["a", "b", "b", "b"]);
  cluster.addNode("c", capacity(3));
  cluster.settle();
  assert.deepEqual(at(), ["b", "b", "b", "c"]);
});

test("a world that is disabled or removed is released, and a removed one forgotten", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.setWorld("arena");
  cluster.advance(1000);
  cluster.setWorld("arena", { enabled: false });
  cluster.advance(1000);
  assert.equal(cluster.ownerOf("arena"), undefined);
  assert.equal(cluster.wantedOf("arena"), undefined);
  cluster.setWorld("arena");
  cluster.advance(1000);
  assert.equal(cluster.ownerOf("arena"), "a");
  cluster.removeWorld("arena");
  cluster.advance(1000);
  assert.deepEqual(cluster.store.keys("shards/"), []);
  assert.equal(cluster.view.shards.size, 0);
});

test("packing fills one node up to the mark before it takes the next", () => {
  const cluster = clusterOf({ packUpTo: 0.8 });
  for (const id of ["a", "b", "c"]) cluster.addNode(id, capacity(10));
  for (let i = 0; i < 12; i++) cluster.setWorld(`w${i}`, { policy: "pack" });
  cluster.advance(2000);
  const weights = [...cluster.view.nodes.values()].map(({ weight }) => weight);
  assert.deepEqual(weights, [8, 4, 0]);
});

test("running worlds that cannot be moved live are not moved for balance, unless that is asked for", () => {
  for (const moves of ["unowned", "stateless"] as const) {
    const balance = { ...DEFAULT_PLACEMENT.balance, everyMs: 500, restMs: 0, strainedAt: 0, moves };
    const cluster = clusterOf({ balance, liveMoves: false });
    cluster.addNode("a", capacity(10));
    for (let i = 0; i < 8; i++)
      cluster.setWorld(`w${i}`, { durability: i % 2 === 0 ? "journal" : "none" });
    cluster.advance(1000);
    cluster.addNode("b", capacity(10));
    cluster.advance(20_000);
    const moved = wants(cluster, "balanced").map(({ shard }) => shard);
    if (moves === "unowned") assert.deepEqual(moved, []);
    else assert.deepEqual([...moved].sort(), ["w1/0", "w3/0", "w5/0"]);
  }
});

test("overloaded nodes take nothing new", () => {
  const cluster = clusterOf();
  cluster.addNode("a", capacity(100));
  cluster.addNode("b", capacity(10));
  cluster.advance(SIM_STEP_MS);
  cluster.view.reports.load("a", { ...IDLE, busy: 0.97 }, cluster.now);
  cluster.setWorld("arena");
  cluster.advance(1000);
  assert.equal(cluster.ownerOf("arena"), "b");
});

test("a step is bounded and says whether there is more; what is joined stays within a transaction", () => {
  const cluster = clusterOf({ maxIntents: 100, maxPending: 250 });
  cluster.addNode("a", capacity(1000));
  for (let i = 0; i < 600; i++) cluster.setWorld(`w${i}`);
  const { planner, view } = cluster;
  // The watch alone runs on, so that nothing is seen of what is proposed.
  for (const key of cluster.store.keys()) {
    const item = cluster.store.get(key);
    if (item !== undefined) view.apply([{ type: "put", item }], 0);
  }
  const steps = Array.from({ length: 4 }, () => planner.step(SIM_STEP_MS));
  assert.deepEqual(
    steps.map(({ intents, more }) => [intents.length, more]),
    [
      [100, true],
      [100, true],
      [50, false],
      [0, false],
    ],
  );
  for (const { txn, intents } of planner.transactions(steps[0]?.intents ?? [])) {
    assert.ok(intents.length <= DEFAULT_PLACEMENT.intentsPerTransaction);
    assert.ok(txn.compare.length + txn.then.length <= 256);
    assert.deepEqual(txn.compare[0], { type: "term", term: cluster.store.term });
  }
});

test("what failed together is tried alone, later each time", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.setWorld("arena");
  cluster.setWorld("race");
  for (const key of cluster.store.keys()) {
    const item = cluster.store.get(key);
    if (item !== undefined) cluster.view.apply([{ type: "put", item }], 0);
  }
  const { planner } = cluster;
  const [first] = planner.transactions(planner.step(0).intents);
  assert.equal(first?.intents.length, 2);
  if (first !== undefined) planner.settled(first, "failed", 0);
  assert.equal(planner.step(199).intents.length, 0);
  const alone = planner.transactions(planner.step(200).intents);
  assert.deepEqual(
    alone.map(({ intents }) => intents.length),
    [1, 1],
  );
  for (const each of alone) planner.settled(each, "failed", 200);
  assert.equal(planner.step(599).intents.length, 0);
  assert.equal(planner.step(600).intents.length, 2);
});
