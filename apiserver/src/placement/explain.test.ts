import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { explainWorld } from "./explain.ts";
import { SimCluster } from "./sim-cluster.ts";

const gpu = { constraints: { nodeLabels: { gpu: "yes" }, nodes: [] } };
let cluster = new SimCluster(new SeededRandom(1));
beforeEach(() => {
  cluster = new SimCluster(new SeededRandom(1));
});
const explain = (world = "arena") => {
  cluster.advance(3000);
  return explainWorld(cluster.view, world);
};

describe("a world that is somewhere", () => {
  test("runs at its owner, at an epoch", () => {
    cluster.addNode("gs-1");
    cluster.setWorld("arena");
    const { state, owner, epoch, problems } = explain();
    assert.deepEqual({ state, owner, problems }, { state: "running", owner: "gs-1", problems: [] });
    assert.ok((epoch ?? 0) > 0);
  });

  test("waits for a node that was asked", () => {
    cluster.addNode("gs-1");
    const node = cluster.nodes.get("gs-1");
    if (node !== undefined) node.isBroken = true;
    cluster.setWorld("arena");
    const { state, wanted, problems } = explain();
    assert.deepEqual({ state, wanted }, { state: "claiming", wanted: "gs-1" });
    assert.deepEqual(problems, ["it waits for gs-1 to take it"]);
  });

  test("waits for its own node when its failover is manual", () => {
    cluster.addNode("gs-1");
    cluster.setWorld("arena", { failover: "manual" });
    cluster.advance(1000);
    cluster.kill("gs-1");
    cluster.addNode("gs-2");
    cluster.advance(10_000);
    const { state, problems } = explain();
    assert.equal(state, "waiting");
    assert.match(problems[0] ?? "", /waits for gs-1 .*world update arena --failover automatic/);
    cluster.addNode("gs-1");
    assert.equal(explain().owner, "gs-1");
  });
});

describe("a world that is nowhere says why", () => {
  const problems = () => {
    const { state, problems: texts } = explain();
    assert.equal(state, "unplaced");
    return texts;
  };

  test("nobody is there", () => {
    cluster.setWorld("arena");
    assert.deepEqual(problems(), ["no gameserver is registered"]);
  });

  test("no node has a label", () => {
    cluster.addNode("gs-1");
    cluster.addNode("gs-2", { labels: { gpu: "no" } });
    cluster.setWorld("arena", gpu);
    assert.deepEqual(problems(), ["no node has label gpu=yes"]);
  });

  test("the module is nowhere, or not in the store", () => {
    cluster.addNode("gs-1", { modules: [] });
    cluster.setWorld("arena");
    assert.deepEqual(problems(), [
      "module ./arena.js is not available on any node that it may run on",
    ]);
    const digest = new Uint8Array(32);
    cluster.setWorld("arena", {
      module: { source: "store", name: "arena", version: "1.0.0", digest },
    });
    assert.deepEqual(problems(), [
      "module arena@1.0.0 is not available on any node that it may run on",
    ]);
  });

  test("the module is in the store, and nodes do not know the store", () => {
    const digest = new Uint8Array(32);
    const module = { source: "store", name: "arena", version: "1.0.0", digest } as const;
    cluster.addNode("gs-1");
    cluster.setModule(module);
    cluster.setWorld("arena", { module });
    assert.deepEqual(problems(), [
      "module arena@1.0.0 is in the artifact store, and no node that it may run on has artifacts.store set",
    ]);
    cluster.addNode("gs-2", { modules: ["*", "store:*"] });
    cluster.cordon("gs-2", true);
    assert.deepEqual(problems(), [
      "gs-1 has no artifacts.store, where the module arena@1.0.0 is",
      "gs-2 is cordoned",
    ]);
    cluster.cordon("gs-2", false);
    cluster.advance(3000);
    assert.equal(cluster.ownerOf("arena"), "gs-2");
  });

  test("those that fit are cordoned, full, or not ready; the others do not count", () => {
    const labels = { gpu: "yes" };
    cluster.addNode("gs-1");
    cluster.addNode("gs-2", { labels });
    cluster.addNode("gs-3", { labels, capacity: { weight: 1, sessions: 0, memoryBytes: 0 } });
    cluster.addNode("gs-4", { labels });
    cluster.cordon("gs-2", true);
    cluster.drain("gs-4");
    cluster.setWorld("arena", { ...gpu, weight: 2 });
    assert.deepEqual(problems(), [
      "gs-2 is cordoned",
      "gs-3 has no room for a weight of 2: 0 of 1 are taken",
      "gs-4 is draining",
    ]);
    cluster.cordon("gs-2", false);
    assert.equal(explain().owner, "gs-2");
  });

  test("it may run on some nodes only, and none of them is there", () => {
    cluster.addNode("gs-1");
    cluster.setWorld("arena", { constraints: { nodeLabels: {}, nodes: ["gs-8", "gs-9"] } });
    assert.deepEqual(problems(), ["none of the nodes it may run on is registered: gs-8, gs-9"]);
  });

  test("it is disabled, or there is none", () => {
    cluster.addNode("gs-1");
    cluster.setWorld("arena", { enabled: false });
    assert.equal(explain().state, "disabled");
    assert.equal(explain("race").state, "unknown");
  });
});
