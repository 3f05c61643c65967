import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimNetwork } from "@atlasnet/core/sim";
import { follow } from "@atlasnet/core/testing";
import { NodeWatches } from "./node-watches.ts";
import { API_1, NodeScene } from "./testing/node-scene.ts";

async function sceneOf(seed: string) {
  const clock = new SimClock();
  const random = new SeededRandom(seed);
  const network = new SimNetwork({}, { clock, random });
  const scene = await NodeScene.create({ clock, network, seed });
  const node = scene.node({ role: "gameserver", node: "gs-1" }, [API_1]);
  let told = 0;
  node.store.onLeader(() => {
    told += 1;
  });
  const server = scene.servers.get(API_1);
  assert.ok(server !== undefined);
  const run = <T>(work: Promise<T>) => clock.drive(work, settle);
  return { clock, scene, server, run, ...node, told: () => told };
}

test("nodes hear of another leader at once, and of the same one once", async () => {
  const { clock, scene, server, run, store, told } = await sceneOf("leaders");
  const watches = ["a/", "b/"].map((prefix) => follow(store, { prefix, after: 0 }));
  await run(store.range({ key: "a/" }));
  await clock.elapse(100, settle);
  const before = told();
  // The store leads for itself; what nodes are told is who leads as it knows it.
  const leader = scene.store.leader();
  assert.ok(leader !== undefined);
  scene.store.leader = () => ({ ...leader, term: leader.term + 1 });
  server.leaderIs({ ...leader, term: leader.term + 1 });
  server.leaderIs({ ...leader, term: leader.term + 1 });
  await clock.elapse(20, settle);
  assert.equal(told(), before + 1);
  assert.deepEqual(store.leader(), { ...leader, term: leader.term + 1 });
  assert.ok(watches.every(({ end, problems }) => end === undefined && problems.length === 0));
  scene.stop();
});

test("a change of the same turn goes before: nobody is told that there was nothing", async () => {
  const { clock, scene, run } = await sceneOf("same turn");
  const watches = new NodeWatches({ source: scene.store, clock });
  watches.open("w", { prefix: "k/" });
  const polled = watches.next("w");
  // As it is applied, before what waits has its turn.
  let wakes = 0;
  const applied = scene.store.pull({ prefix: "k/" }, () => {
    wakes += 1;
    watches.tellLeader();
  });
  assert.equal(applied.next(), undefined);
  const value = Uint8Array.of(1);
  await run(scene.store.txn({ compare: [], then: [{ type: "put", key: "k/1", value }] }));
  const news = await run(polled);
  assert.ok(news.type === "changed");
  assert.deepEqual([news.changes.length, wakes], [1, 1]);
  applied.close();
  watches.closeAll();
  scene.stop();
});

test("a node none of whose watches waits hears of another leader with its next question", async () => {
  const { clock, scene } = await sceneOf("between questions");
  const watches = new NodeWatches({ source: scene.store, clock });
  for (const name of ["v", "w"]) watches.open(name, { prefix: "k/" });
  watches.tellLeader();
  const told = await watches.next("v");
  assert.ok(told.type === "changed" && told.leader !== undefined);
  // Once: the next questions wait for something to happen.
  let answers = 0;
  for (const name of ["v", "w"]) void watches.next(name).then(() => (answers += 1));
  await settle();
  assert.equal(answers, 0);
  watches.closeAll();
  scene.stop();
});
