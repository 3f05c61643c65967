import assert from "node:assert/strict";
import { test } from "node:test";
import type { PlacementView } from "@atlasnet/core";
import { AnnouncedPlacements } from "./announced-placements.ts";

const at = (world: string, epoch = 1) => ({ world, shard: `${world}/0`, epoch });

function placements(...peers: string[]): AnnouncedPlacements {
  return new AnnouncedPlacements({ peers });
}

test("worlds are where a node says that they are; its next list replaces the first", () => {
  const p = placements("g1", "g2");
  assert.deepEqual(p.announced("g1", [at("a"), at("b", 7)]), []);
  p.announced("g2", [at("c")]);
  assert.deepEqual(p.lookup("b"), { world: "b", shard: "b/0", epoch: 7, node: "g1" });
  p.announced("g1", [at("b", 3), at("d")]);
  assert.equal(p.lookup("a"), undefined);
  assert.equal(p.lookup("b")?.epoch, 3, "a node that began anew counts from the beginning");
  assert.deepEqual(
    p.list().map(({ world, node }) => [world, node]),
    [
      ["b", "g1"],
      ["c", "g2"],
      ["d", "g1"],
    ],
  );
});

test("the first shard of a world is looked up, all are listed", () => {
  const p = placements();
  p.announced("g1", [at("a", 2), { world: "a", shard: "a/1", epoch: 3 }]);
  assert.equal(p.lookup("a")?.shard, "a/0");
  assert.deepEqual(
    p.list().map(({ shard }) => shard),
    ["a/0", "a/1"],
  );
});

test("it is complete once every peer was heard, also one that has nothing", () => {
  const p = placements("g1", "g2");
  assert.deepEqual([p.complete, p.awaited], [false, ["g1", "g2"]]);
  p.announced("g1", [at("a")]);
  p.announced("g1", [at("a")]);
  p.announced("g3", []);
  assert.deepEqual([p.complete, p.awaited], [false, ["g2"]]);
  p.announced("g2", []);
  assert.equal(p.complete, true);
  assert.equal(placements().complete, true);
});

test("a world of two nodes stays with the one that had it, and the conflict is told once", () => {
  const p = placements("g1", "g2");
  p.announced("g1", [at("a")]);
  const conflict = { world: "a", holder: "g1", rival: "g2" };
  assert.deepEqual(p.announced("g2", [at("a", 9)]), [conflict]);
  assert.deepEqual(p.announced("g2", [at("a", 10), at("b")]), []);
  assert.deepEqual(p.announced("g1", [at("a", 2)]), []);
  assert.equal(p.lookup("a")?.node, "g1");
  assert.deepEqual(p.announced("g1", []), []);
  assert.deepEqual(p.lookup("a"), { ...at("a", 10), node: "g2" });
  assert.deepEqual(p.announced("g1", [at("a", 3)]), [{ ...conflict, holder: "g2", rival: "g1" }]);
  assert.equal(p.lookup("a")?.node, "g2");
  p.announced("g1", []);
  assert.deepEqual(
    p.announced("g1", [at("a")]).map(({ holder }) => holder),
    ["g2"],
    "it was mended in between",
  );
});

test("watchers are called after every list, until they end it", () => {
  const p = placements("g1");
  const seen: boolean[] = [];
  const unwatch = p.watch(() => seen.push(p.complete));
  p.announced("g1", []);
  unwatch();
  p.announced("g1", []);
  assert.deepEqual(seen, [true]);
});

test("nothing moves where gameservers say by lists what they have: another's word about it is not taken", () => {
  const p: PlacementView = placements("g1", "g2");
  assert.equal(p.placed, undefined);
  assert.equal(p.targetOf, undefined);
});
