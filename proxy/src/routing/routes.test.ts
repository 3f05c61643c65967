import assert from "node:assert/strict";
import { test } from "node:test";
import type { Placement } from "@atlasnet/core";
import { type Places, Routes } from "./routes.ts";

const PLACEMENT: Placement = { world: "w", shard: "w.0", node: "g1", epoch: 1 };
const lookup = (world: string): Placement | undefined => (world === "w" ? PLACEMENT : undefined);
const known: Places = { lookup, complete: true, expects: () => false };

function routes(peers: readonly string[] = [], float = 1): Routes<string> {
  return new Routes<string>(
    { peers, retryMinMs: 100, retryMaxMs: 300, steadyMs: 1000, newWorldMs: 500 },
    { random: { float: () => float } },
  );
}

test("the first who wants to a node opens the link; all are routed when it stands", () => {
  const r = routes();
  assert.deepEqual(r.want("a", "w", 0, 0, known), [{ type: "connect", node: "g1" }]);
  assert.deepEqual(r.want("b", "w", 0, 0, known), []);
  assert.deepEqual(r.linkUp("g1", 0, known), [
    { type: "routed", client: "a", placement: PLACEMENT },
    { type: "routed", client: "b", placement: PLACEMENT },
  ]);
  assert.equal(r.waitingCount, 0);
  assert.deepEqual(r.want("c", "w", 0, 0, known), [
    { type: "routed", client: "c", placement: PLACEMENT },
  ]);
});

test("an unknown world is said at once, a forgotten client never routed", () => {
  const r = routes();
  assert.deepEqual(r.want("a", "x", 0, 0, known), [{ type: "unknown-world", client: "a" }]);
  r.want("b", "w", 0, 0, known);
  r.forget("b");
  assert.deepEqual(r.linkUp("g1", 0, known), []);
});

test("while not everything was heard an unknown world is waited for", () => {
  const r = routes();
  assert.deepEqual(r.want("a", "x", 0, 0, { ...known, complete: false }), []);
  assert.equal(r.waitingCount, 1);
  assert.deepEqual(r.resolve(1, known), [{ type: "unknown-world", client: "a" }]);
  assert.equal(r.waitingCount, 0);
});

test("a node that cannot be reached is tried again, ever later up to a bound", () => {
  const r = routes();
  r.want("a", "w", 0, 0, known);
  let now = 0;
  for (const pause of [100, 200, 300, 300]) {
    assert.equal(r.linkFailed("g1", now), now + pause);
    assert.deepEqual(r.resolve(now + pause - 1, known), []);
    now += pause;
    assert.deepEqual(r.resolve(now, known), [{ type: "connect", node: "g1" }]);
    assert.deepEqual(r.resolve(now, known), [], "one attempt at a time");
  }
});

test("pauses are shortened at random, by up to half", () => {
  const r = routes(["g1"], 0);
  r.resolve(0, known);
  assert.equal(r.linkFailed("g1", 0), 50);
});

test("a lost link is opened again at once; a wish may have to wait", () => {
  const r = routes();
  r.want("a", "w", 0, 0, known);
  r.linkUp("g1", 0, known);
  assert.equal(r.linkLost("g1", 5000), 5000);
  assert.deepEqual(r.want("a", "w", 5050, 5010, known), []);
  assert.deepEqual(r.resolve(5049, known), []);
  assert.deepEqual(r.resolve(5050, known), [{ type: "connect", node: "g1" }]);
});

test("links that end as soon as they stand are opened ever later", () => {
  const r = routes(["g1"]);
  r.resolve(0, known);
  let now = 0;
  for (const pause of [100, 200, 300, 300]) {
    r.linkUp("g1", now, known);
    assert.equal(r.linkLost("g1", now + 10), now + 10 + pause);
    now += 10 + pause;
    assert.deepEqual(r.resolve(now, known), [{ type: "connect", node: "g1" }]);
  }
  r.linkUp("g1", now, known);
  assert.equal(r.linkLost("g1", now + 1000), now + 1000, "this one was good");
  r.resolve(now + 1000, known);
  assert.equal(r.linkFailed("g1", now + 1000), now + 1100);
});

test("peers are linked to without anybody wanting there, from the start on and ever again", () => {
  const r = routes(["g1", "g2"]);
  assert.deepEqual(r.resolve(0, known), [
    { type: "connect", node: "g1" },
    { type: "connect", node: "g2" },
  ]);
  assert.deepEqual(r.linkUp("g1", 0, known), []);
  r.linkFailed("g2", 0);
  assert.deepEqual(r.resolve(99, known), []);
  assert.deepEqual(r.resolve(100, known), [{ type: "connect", node: "g2" }]);
  r.linkLost("g1", 2000);
  assert.deepEqual(r.resolve(2000, known), [{ type: "connect", node: "g1" }]);
});

test("a world that exists is waited for while it has no owner, and only those who want there are looked at", () => {
  const r = routes();
  let owner: Placement | undefined;
  const places: Places = {
    complete: true,
    expects: (world) => world === "w",
    lookup: (world) => (world === "w" ? owner : undefined),
  };
  assert.deepEqual(r.want("a", "w", 0, 0, places), []);
  assert.deepEqual(r.want("b", "x", 0, 0, places), [{ type: "unknown-world", client: "b" }]);
  owner = PLACEMENT;
  assert.deepEqual(r.moved(["x"], 0, places), []);
  assert.deepEqual(r.moved(["w"], 0, places), [{ type: "connect", node: "g1" }]);
  const routed = [{ type: "routed", client: "a", placement: PLACEMENT }];
  assert.deepEqual(r.linkUp("g1", 0, places), routed);
  assert.deepEqual(r.moved(["w"], 0, places), [], "nobody waits any more");
});

test("a node that was unlinked is linked to anew at once, whatever failed before", () => {
  const r = routes();
  r.want("a", "w", 0, 0, known);
  r.linkFailed("g1", 0);
  assert.deepEqual(r.resolve(1, known), []);
  r.unlinked("g1");
  assert.deepEqual(r.resolve(1, known), [{ type: "connect", node: "g1" }]);
});
