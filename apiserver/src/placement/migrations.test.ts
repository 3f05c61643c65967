import assert from "node:assert/strict";
import { test } from "node:test";
import { firstShard, movedKey } from "@atlasnet/core";
import { SeededRandom } from "@atlasnet/core/sim";
import type { Intent } from "./intents.ts";
import { DEFAULT_PLACEMENT, type PlacementSettings } from "./settings.ts";
import { NO_FAULTS, SimCluster } from "./sim-cluster.ts";

const capacity = (weight: number) => ({ capacity: { weight, sessions: 0, memoryBytes: 0 } });

function clusterOf(settings: Partial<PlacementSettings> = {}): SimCluster {
  const live = { ...DEFAULT_PLACEMENT, liveMoves: true, ...settings };
  return new SimCluster(new SeededRandom(1), NO_FAULTS, live);
}

/** A world that runs on "a", and "b" to go to. */
function pair(settings: Partial<PlacementSettings> = {}): SimCluster {
  const cluster = clusterOf(settings);
  cluster.addNode("a");
  cluster.setWorld("arena");
  cluster.advance(1000);
  assert.equal(cluster.ownerOf("arena"), "a");
  cluster.addNode("b");
  return cluster;
}

function intentsOf<T extends Intent["type"]>(cluster: SimCluster, type: T) {
  return cluster.intents.flatMap(({ intent }) =>
    intent.type === type ? [intent as Extract<Intent, { type: T }>] : [],
  );
}

function never(cluster: SimCluster, what: "gives-up" | "never-ends"): void {
  for (const node of cluster.nodes.values()) node.migrates = what;
}

function outcomeOf(cluster: SimCluster, world: string) {
  return cluster.store.seen("moved", movedKey(firstShard(world))).record;
}

test("a drained node's worlds are moved while they run, few at a time at both nodes", () => {
  const cluster = clusterOf({ maxMovesPerNode: 3 });
  cluster.addNode("a");
  cluster.addNode("c");
  for (let i = 0; i < 20; i++)
    cluster.setWorld(`w${i}`, { failover: i % 2 === 0 ? "automatic" : "manual" });
  cluster.advance(1000);
  cluster.addNode("b", capacity(100));
  const before = intentsOf(cluster, "want").length;
  cluster.drain("a");
  cluster.drain("c");
  let most = 0;
  cluster.advance(20_000, () => {
    for (const { moves } of cluster.view.nodes.values()) most = Math.max(most, moves);
    for (let i = 0; i < 20; i++) assert.notEqual(cluster.ownerOf(`w${i}`), undefined);
  });
  assert.equal(most, 3);
  for (let i = 0; i < 20; i++) assert.equal(cluster.ownerOf(`w${i}`), "b");
  assert.equal(intentsOf(cluster, "migrate").length, 20);
  assert.equal(intentsOf(cluster, "want").length, before);
});

test("without live moves a drained node's worlds are released and opened elsewhere", () => {
  const cluster = pair({ liveMoves: false });
  cluster.drain("a");
  cluster.advance(3000);
  assert.equal(cluster.ownerOf("arena"), "b");
  assert.deepEqual(intentsOf(cluster, "migrate"), []);
});

test("after two migrations that failed a world is released and opened elsewhere, so that the drain ends", () => {
  const cluster = pair();
  never(cluster, "gives-up");
  cluster.drain("a");
  cluster.advance(20_000);
  assert.equal(intentsOf(cluster, "migrate").length, 2);
  assert.equal(cluster.ownerOf("arena"), "b");
});

test("a world with failover manual stays where two migrations of it failed; another drain tries again", () => {
  const cluster = pair();
  cluster.setWorld("arena", { failover: "manual" });
  never(cluster, "gives-up");
  cluster.drain("a");
  cluster.advance(60_000);
  assert.equal(intentsOf(cluster, "migrate").length, 2);
  assert.equal(cluster.ownerOf("arena"), "a");
  for (const node of cluster.nodes.values()) node.migrates = "well";
  cluster.undrain("a");
  cluster.advance(1000);
  cluster.drain("a");
  cluster.advance(3000);
  assert.equal(cluster.ownerOf("arena"), "b");
});

test("after a migration that failed another node is tried first", () => {
  const cluster = pair();
  cluster.addNode("c", capacity(50));
  never(cluster, "gives-up");
  cluster.drain("a");
  cluster.advance(20_000);
  const [first, second] = intentsOf(cluster, "migrate").map(({ node }) => node);
  assert.deepEqual([first, second], ["b", "c"]);
});

test("a shard on its way is left alone, at both nodes and by everything else", () => {
  const cluster = pair();
  never(cluster, "never-ends");
  cluster.drain("a");
  cluster.advance(1000);
  assert.equal(cluster.migratingTo("arena"), "b");
  const { view } = cluster;
  assert.deepEqual([view.nodes.get("a")?.moves, view.nodes.get("b")?.moves], [1, 1]);
  assert.deepEqual([view.nodes.get("a")?.weight, view.nodes.get("b")?.weight], [1, 1]);
  const before = cluster.intents.length;
  cluster.undrain("a");
  cluster.addNode("c");
  cluster.changeLeader();
  cluster.advance(60_000);
  assert.equal(cluster.intents.length, before);
});

test("what does not end within its deadline and a margin is aborted by the leader, and the world stays", () => {
  const cluster = pair({ migrationMs: 10_000, migrationMarginMs: 5000 });
  never(cluster, "never-ends");
  cluster.drain("a");
  cluster.advance(14_500);
  assert.deepEqual(intentsOf(cluster, "abort"), []);
  cluster.undrain("a");
  cluster.advance(2000);
  assert.equal(intentsOf(cluster, "abort").length, 1);
  assert.equal(cluster.migratingTo("arena"), undefined);
  assert.equal(cluster.ownerOf("arena"), "a");
  const { outcome, problem, by } = outcomeOf(cluster, "arena") ?? {};
  assert.deepEqual([outcome, by], ["aborted", "placement"]);
  assert.match(problem ?? "", /10000 ms/);
});

for (const [what, happens, ends] of [
  ["its target is lost", (cluster) => cluster.kill("b"), "a"],
  ["its target drains", (cluster) => cluster.drain("b"), "a"],
  ["its source is lost", (cluster) => cluster.kill("a"), "b"],
  ["its world is removed", (cluster) => cluster.removeWorld("arena"), undefined],
  ["its world is disabled", (cluster) => cluster.setWorld("arena", { enabled: false }), undefined],
] as const satisfies readonly [string, (cluster: SimCluster) => void, string | undefined][])
  test(`a migration is aborted at once when ${what}`, () => {
    const cluster = pair();
    never(cluster, "never-ends");
    cluster.drain("a");
    cluster.advance(1000);
    assert.equal(cluster.migratingTo("arena"), "b");
    // So that nothing of the drain comes next.
    cluster.undrain("a");
    happens(cluster);
    cluster.advance(10_000);
    assert.equal(cluster.migratingTo("arena"), undefined);
    assert.equal(cluster.ownerOf("arena"), ends);
    assert.equal(intentsOf(cluster, "abort").length, 1);
    if (what === "its world is removed") assert.deepEqual(cluster.store.keys("shards/"), []);
    assert.equal(cluster.view.occupancy.moving, 0);
    assert.equal(cluster.view.migrating.size, 0);
  });

test("a wish about a shard fails once a migration of it has begun", () => {
  const cluster = pair({ liveMoves: false });
  cluster.advance(100);
  const { planner, view, store } = cluster;
  cluster.drain("a");
  // The planner sees the drain, and not yet the migration that somebody else has begun.
  const [item] = ["nodes/a"].flatMap((key) => store.get(key) ?? []);
  assert.ok(item);
  view.apply([{ type: "put", item }], cluster.now);
  const late = planner.transactions(planner.step(cluster.now).intents);
  assert.equal(late.length, 1);
  store.txn({
    compare: [],
    then: [{ type: "put", key: "shards/arena/0/migration", value: Uint8Array.of(1) }],
  });
  for (const { txn } of late) assert.equal(store.txn(txn).succeeded, false);
});
