import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { firstShard, nodeKey, noopLogger, worldKey } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { WatchedPlacements } from "../routing/watched-placements.ts";
import { FakeControlStore } from "../testing/fake-control-store.ts";
import { PlacementFollower } from "./placement-follower.ts";

function scene(t: TestContext) {
  const clock = new SimClock();
  const store = new FakeControlStore();
  const placements = new WatchedPlacements();
  const warnings: string[] = [];
  const logger = { ...noopLogger, warn: (message: string) => void warnings.push(message) };
  const follower = new PlacementFollower({
    store,
    placements,
    clock,
    random: new SeededRandom(1),
    logger,
  });
  t.after(() => follower.stop());
  store.node("g1");
  for (const world of ["a", "b", "c", "d"]) store.world(world);
  const epoch = store.own("a", "g1");
  return { clock, store, placements, follower, warnings, epoch };
}

test("everything is read page by page and followed from there", async (t) => {
  const { store, placements, follower, epoch } = scene(t);
  follower.start();
  follower.start();
  await settle();
  assert.equal(placements.complete, true);
  assert.deepEqual([placements.lookup("a")?.epoch, placements.expects("d")], [epoch, true]);
  assert.deepEqual([follower.readings, store.watches.size], [3, 3]);
  const next = store.own("a", "g1");
  assert.equal(placements.lookup("a")?.epoch, next);
  follower.stop();
  assert.equal(store.watches.size, 0);
});

test("an owner at an epoch that does not exist is not believed for long", async (t) => {
  const { clock, store, placements, follower, epoch } = scene(t);
  store.node("g2");
  follower.start();
  await settle();
  const gone: string[] = [];
  placements.watch((changes) => gone.push(...changes.gone));
  const claim = { world: "a", shard: firstShard("a"), node: "g2", epoch: epoch + 1_000_000 };
  placements.placed(claim);
  assert.equal(placements.lookup("a")?.node, "g2");
  const range = store.range.bind(store);
  store.range = () => Promise.reject(new Error("nobody answers"));
  clock.advance(2_000);
  await settle();
  assert.equal(placements.lookup("a")?.node, "g2", "nothing says otherwise yet");
  store.range = range;
  clock.advance(2_000);
  await settle();
  assert.deepEqual([placements.lookup("a")?.node, placements.lookup("a")?.epoch], ["g1", epoch]);
  assert.deepEqual(gone, ["g2"], "the link is at that epoch, and ends");
  clock.advance(10_000);
  assert.equal(clock.pending, 0, "and nothing is asked any more");
});

test("an owner that the watch has yet to show stays one", async (t) => {
  const { clock, store, placements, follower } = scene(t);
  store.node("g2");
  follower.start();
  await settle();
  const watches = [...store.watches];
  store.watches.clear();
  const next = store.own("a", "g2");
  placements.placed({ world: "a", shard: firstShard("a"), node: "g2", epoch: next });
  clock.advance(20_000);
  await settle();
  assert.equal(placements.lookup("a")?.node, "g2");
  for (const watch of watches) store.watches.add(watch);
});

test("what changes between a reading and its watch is not missed", async (t) => {
  const { store, placements, follower } = scene(t);
  const range = store.range.bind(store);
  let late = true;
  store.range = async (request) => {
    const result = await range(request);
    if (late) store.world("late");
    late = false;
    return result;
  };
  follower.start();
  await settle();
  assert.equal(placements.expects("late"), true);
});

test("a gap is filled by a reading, and takes nothing away until then", async (t) => {
  const { store, placements, follower, epoch } = scene(t);
  follower.start();
  await settle();
  const told: number[] = [];
  placements.watch(({ shards, gone }) => told.push(shards.length + gone.length));
  store.interrupt("compacted");
  store.put({ type: "delete", key: worldKey("b") });
  assert.equal(placements.lookup("a")?.epoch, epoch);
  await settle();
  assert.equal(placements.lookup("a")?.epoch, epoch);
  assert.equal(placements.expects("b"), false);
  assert.deepEqual(told, [0], "only the world that was removed meanwhile");
});

test("while nothing can be read the last view stands; it is tried ever later, and said once", async (t) => {
  const { clock, store, placements, follower, warnings, epoch } = scene(t);
  follower.start();
  await settle();
  store.down = new Error("no apiserver answers");
  store.interrupt(new Error("the link is gone"));
  const before = store.ranges;
  await clock.elapse(60_000, settle);
  // Three prefixes, every 2.5 to 5 s once the pauses have grown.
  const tries = store.ranges - before;
  assert.ok(tries > 30 && tries < 110, `${tries} tries`);
  assert.equal(warnings.length, 6, "both reasons of each prefix");
  assert.equal(follower.problem, "no apiserver answers");
  assert.equal(placements.lookup("a")?.epoch, epoch);
  store.node("g1", { state: "lost" });
  store.put({ type: "delete", key: nodeKey("g2") });
  store.down = undefined;
  await clock.elapse(6_000, settle);
  assert.equal(follower.problem, undefined);
  assert.equal(placements.lookup("a"), undefined);
  assert.equal(store.watches.size, 3);
});

test("a stop ends readings that are under way and those that are planned", async (t) => {
  const { clock, store, placements, follower } = scene(t);
  follower.start();
  follower.stop();
  await settle();
  assert.deepEqual([placements.complete, store.watches.size], [false, 0]);
  assert.equal(clock.pending, 0);
});

test("a large reading is taken in slices, with room for others in between", async (t) => {
  const { clock, store, placements, follower } = scene(t);
  store.page = 10_000;
  for (let n = 0; n < 3_000; n++) store.world(`w${n}`);
  follower.start();
  await settle();
  assert.deepEqual(
    [placements.awaited, placements.expects("w0"), placements.expects("w999")],
    [["worlds/"], true, false],
  );
  store.put({ type: "delete", key: worldKey("w0") });
  await clock.elapse(10, settle);
  assert.equal(placements.complete, true);
  assert.deepEqual([placements.expects("w999"), placements.expects("w0")], [true, false]);
});
