import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { explainWorld } from "./explain.ts";
import type { Intent } from "./intents.ts";
import { DEFAULT_PLACEMENT, type PlacementSettings } from "./settings.ts";
import { NO_FAULTS, SimCluster } from "./sim-cluster.ts";

const capacity = (weight: number) => ({ capacity: { weight, sessions: 0, memoryBytes: 0 } });
const MIRRORED = { durability: "mirror", failover: "manual" } as const;

function clusterOf(settings: Partial<PlacementSettings> = {}): SimCluster {
  const live = { ...DEFAULT_PLACEMENT, liveMoves: true, ...settings };
  return new SimCluster(new SeededRandom(1), NO_FAULTS, live);
}

/** "a" has the arena, "b" mirrors it. */
function pair(world: Parameters<SimCluster["setWorld"]>[1] = MIRRORED): SimCluster {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.setWorld("arena", world);
  cluster.advance(1000);
  cluster.addNode("b");
  cluster.advance(2000);
  assert.deepEqual([cluster.ownerOf("arena"), cluster.mirrorOf("arena")], ["a", "b in-sync"]);
  return cluster;
}

function intentsOf<T extends Intent["type"]>(cluster: SimCluster, type: T) {
  return cluster.intents.flatMap(({ intent }) =>
    intent.type === type ? [intent as Extract<Intent, { type: T }>] : [],
  );
}

test("a mirrored world has a mirror at another node as soon as there is one, and others have none", () => {
  const cluster = clusterOf();
  cluster.addNode("a");
  cluster.setWorld("arena", MIRRORED);
  cluster.setWorld("race");
  cluster.advance(2000);
  assert.equal(cluster.mirrorOf("arena"), undefined);
  assert.equal(cluster.planner.unmirroredShards, 1);
  assert.equal(cluster.planner.blockedShards, 0);
  cluster.addNode("b");
  cluster.advance(2000);
  assert.equal(cluster.mirrorOf("arena"), "b in-sync");
  assert.equal(cluster.mirrorOf("race"), undefined);
  assert.equal(intentsOf(cluster, "mirror").length, 1);
  assert.equal(cluster.planner.unmirroredShards, 0);
});

test("a mirror goes where there is room, the module, the labels; another zone first, then the least load", () => {
  const zone = (name: string, weight = 10) => ({
    labels: { zone: name, kind: "x" },
    ...capacity(weight),
  });
  const cluster = clusterOf();
  cluster.addNode("a", zone("eu"));
  cluster.setWorld("arena", {
    ...MIRRORED,
    weight: 4,
    constraints: { nodeLabels: { kind: "x" }, nodes: [] },
  });
  cluster.advance(1000);
  cluster.addNode("b", { labels: { zone: "us" } });
  cluster.addNode("c", zone("us", 3));
  cluster.addNode("d", { ...zone("us"), modules: ["./other.js"] });
  cluster.advance(2000);
  assert.equal(cluster.mirrorOf("arena"), undefined, "no node fits");
  cluster.addNode("e", zone("eu"));
  cluster.advance(2000);
  assert.equal(cluster.mirrorOf("arena"), "e in-sync", "the same zone is better than none");
  assert.equal(cluster.view.nodes.get("e")?.weight, 4, "it counts where it is mirrored");
  cluster.addNode("f", zone("us", 10));
  cluster.addNode("g", zone("us", 100));
  cluster.kill("e");
  cluster.advance(2000);
  assert.equal(cluster.mirrorOf("arena"), "g in-sync");
  assert.equal(cluster.view.nodes.get("e")?.weight, 0);
});

test("no more mirrors are made at a time than worlds are moved, at each node and in all", () => {
  const cluster = clusterOf({ maxMoves: 5, maxMovesPerNode: 2 });
  for (const id of ["a", "b", "c", "d", "e", "f"]) cluster.addNode(id);
  for (let i = 0; i < 24; i++) cluster.setWorld(`w${i}`, MIRRORED);
  let [most, mostAtOne] = [0, 0];
  cluster.advance(20_000, () => {
    most = Math.max(most, cluster.view.occupancy.mirroring);
    for (const node of cluster.view.nodes.values()) mostAtOne = Math.max(mostAtOne, node.mirroring);
  });
  assert.deepEqual([most, mostAtOne], [5, 2]);
  for (let i = 0; i < 24; i++) assert.match(cluster.mirrorOf(`w${i}`) ?? "", / in-sync$/);
});

test("a node that is asked and does not follow in time is passed over", () => {
  const cluster = clusterOf({ claimMs: 3000 });
  cluster.addNode("a");
  cluster.setWorld("arena", MIRRORED);
  cluster.advance(1000);
  cluster.addNode("b", capacity(1000));
  cluster.addNode("c");
  const b = cluster.nodes.get("b");
  assert.ok(b !== undefined);
  b.isBroken = true;
  cluster.advance(2000);
  assert.equal(cluster.mirrorOf("arena"), "b asked");
  cluster.advance(3000);
  assert.equal(cluster.mirrorOf("arena"), "c in-sync");
});

test("when its node dies, the mirror takes over at once, nothing else is asked, and another one follows", () => {
  const cluster = pair();
  cluster.addNode("c");
  const before = intentsOf(cluster, "want").length;
  cluster.kill("a");
  cluster.advance(200);
  assert.equal(cluster.promotions, 1);
  cluster.advance(10_000);
  assert.deepEqual([cluster.ownerOf("arena"), cluster.wantedOf("arena")], ["b", "b"]);
  assert.equal(cluster.mirrorOf("arena"), "c in-sync");
  assert.equal(intentsOf(cluster, "want").length, before);
});

test("when its mirror dies, the owner goes on, and another one is asked before the node is lost", () => {
  const cluster = pair();
  cluster.addNode("c");
  cluster.kill("b");
  cluster.advance(2000);
  assert.deepEqual([cluster.ownerOf("arena"), cluster.mirrorOf("arena")], ["a", "c in-sync"]);
  assert.deepEqual(intentsOf(cluster, "lost"), []);
});

for (const failover of ["manual", "automatic"] as const)
  test(`when both die at once, a world with failover ${failover} ${failover === "manual" ? "waits for an operator" : "begins again from a snapshot"}`, () => {
    const cluster = pair({ ...MIRRORED, failover });
    cluster.addNode("c");
    cluster.kill("a");
    cluster.kill("b");
    cluster.advance(10_000);
    const abandoned = intentsOf(cluster, "abandon").length;
    if (failover === "automatic") {
      assert.deepEqual([cluster.ownerOf("arena"), abandoned], ["c", 1]);
      return;
    }
    assert.deepEqual([cluster.ownerOf("arena"), abandoned], [undefined, 0]);
    const { state, problems } = explainWorld(cluster.view, "arena");
    assert.equal(state, "waiting");
    assert.match(problems[0] ?? "", /^a, .* mirror on b are gone: .*restore-from-snapshot/);
    cluster.addNode("a");
    cluster.advance(10_000);
    assert.equal(cluster.ownerOf("arena"), undefined, "its journal may be behind its mirror");
  });

test("the mirrors of a node that drains are made elsewhere, and what it owns is moved", () => {
  const cluster = pair();
  cluster.drain("b");
  cluster.advance(3000);
  assert.equal(cluster.mirrorOf("arena"), "b in-sync", "there is nowhere else");
  cluster.addNode("c");
  cluster.advance(3000);
  assert.equal(cluster.mirrorOf("arena"), "c in-sync");
  cluster.addNode("d");
  cluster.drain("a");
  cluster.advance(10_000);
  const owner = cluster.ownerOf("arena");
  assert.ok(owner === "c" || owner === "d", owner);
  assert.equal(cluster.mirrorOf("arena"), owner === "c" ? "d in-sync" : "c in-sync");
});

test("a world that is mirrored no more loses its mirror, and goes on", () => {
  const cluster = pair();
  cluster.setWorld("arena", { durability: "journal" });
  cluster.advance(2000);
  assert.deepEqual([cluster.ownerOf("arena"), cluster.mirrorOf("arena")], ["a", undefined]);
  cluster.setWorld("arena", MIRRORED);
  cluster.advance(2000);
  assert.equal(cluster.mirrorOf("arena"), "b in-sync");
});

test("a mirror that is unleased is not replaced: it is asked to withdraw, and no more than are moved at a time", () => {
  const cluster = clusterOf({ maxMoves: 2, maxMovesPerNode: 2 });
  cluster.addNode("a");
  for (let i = 0; i < 8; i++) cluster.setWorld(`w${i}`, MIRRORED);
  cluster.advance(1000);
  cluster.addNode("b");
  cluster.advance(10_000);
  for (let i = 0; i < 8; i++) assert.equal(cluster.mirrorOf(`w${i}`), "b in-sync");
  assert.deepEqual(intentsOf(cluster, "dismiss"), []);
  cluster.addNode("c");
  cluster.drain("b");
  let fewest = 8;
  cluster.advance(20_000, () => {
    const mirrored = [0, 1, 2, 3, 4, 5, 6, 7].filter((i) =>
      / in-sync$/.test(cluster.mirrorOf(`w${i}`) ?? ""),
    );
    fewest = Math.min(fewest, mirrored.length);
  });
  for (let i = 0; i < 8; i++) assert.equal(cluster.mirrorOf(`w${i}`), "c in-sync");
  assert.equal(intentsOf(cluster, "dismiss").length, 8);
  assert.ok(fewest >= 6, `only ${fewest} of 8 were mirrored`);
});

test("when both die, what was promised when its mirror began counts, not a failover that was changed since", () => {
  const cluster = pair();
  cluster.addNode("c");
  cluster.setWorld("arena", { ...MIRRORED, failover: "automatic" });
  cluster.advance(1000);
  cluster.kill("a");
  cluster.kill("b");
  cluster.advance(10_000);
  assert.equal(cluster.ownerOf("arena"), undefined, "the two may be cut off together, and play on");
  assert.deepEqual(intentsOf(cluster, "abandon"), []);
  assert.match(explainWorld(cluster.view, "arena").problems[0] ?? "", /restore-from-snapshot/);
});

test("of a removed world whose owner is lost, the mirror goes first", () => {
  const cluster = pair();
  const b = cluster.nodes.get("b");
  assert.ok(b !== undefined);
  // It does not take over: the world is gone.
  cluster.kill("a");
  cluster.removeWorld("arena");
  cluster.advance(10_000);
  assert.equal(cluster.mirrorOf("arena"), undefined);
  const order = cluster.intents.flatMap(({ intent: { type } }) =>
    type === "dismiss" || type === "forget" ? [type] : [],
  );
  assert.deepEqual(order, ["dismiss", "forget"]);
});

test("a new leader does not ask again for what there is", () => {
  const cluster = pair();
  const before = cluster.intents.length;
  cluster.changeLeader();
  cluster.advance(5000);
  assert.equal(cluster.intents.length, before);
});
