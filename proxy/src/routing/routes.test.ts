import assert from "node:assert/strict";
import { test } from "node:test";
import type { Placement } from "@atlasnet/core";
import { Routes } from "./routes.ts";

const PLACEMENT: Placement = { world: "w", shard: "w.0", node: "g1", epoch: 1 };
const known = (world: string): Placement | undefined => (world === "w" ? PLACEMENT : undefined);

function routes(): Routes<string> {
  return new Routes<string>({ retryMinMs: 100, retryMaxMs: 300 });
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

test("a node that cannot be reached is tried again, ever later up to a bound", () => {
  const r = routes();
  r.want("a", "w", 0, 0, known);
  let now = 0;
  for (const pause of [100, 200, 300, 300]) {
    r.linkFailed("g1", now);
    assert.deepEqual(r.resolve(now + pause - 1, known), []);
    now += pause;
    assert.deepEqual(r.resolve(now, known), [{ type: "connect", node: "g1" }]);
    assert.deepEqual(r.resolve(now, known), [], "one attempt at a time");
  }
});

test("a lost link is opened again at once; a wish may have to wait", () => {
  const r = routes();
  r.want("a", "w", 0, 0, known);
  r.linkUp("g1", 0, known);
  r.linkLost("g1");
  assert.deepEqual(r.want("a", "w", 50, 10, known), []);
  assert.deepEqual(r.resolve(49, known), []);
  assert.deepEqual(r.resolve(50, known), [{ type: "connect", node: "g1" }]);
});
