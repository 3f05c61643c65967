import assert from "node:assert/strict";
import { test } from "node:test";
import { testWorld } from "@atlasnet/testing";
import { ARENA, MAX_NAME } from "./definition.ts";
import { world } from "./world.ts";

test("a player runs where its input points", () => {
  const arena = testWorld(world, { config: { bots: 0 } });
  const ann = arena.join("ann", { params: { name: "Ann" } });
  const before = ann.player.entity?.position?.x ?? Number.NaN;
  ann.input("move", { dx: 1, dy: 0 });
  arena.run(20);
  assert.equal(ann.player.entity?.position?.x, before + 120);
});

test("a hit costs health, a kill scores, the dead come back", () => {
  const arena = testWorld(world, { config: { bots: 0 } });
  const ann = arena.join("ann", { params: { name: "Ann" } });
  const bob = arena.join("bob", { params: { name: "Bob" } });
  Object.assign(ann.player.entity?.position ?? {}, { x: 500, y: 500 });
  Object.assign(bob.player.entity?.position ?? {}, { x: 560, y: 500 });
  for (let shots = 0; shots < 5; shots++) {
    ann.send("shoot", { angle: 0 });
    arena.run(10);
  }
  assert.equal(bob.player.entity?.fighter?.health, 0);
  assert.equal(ann.player.entity?.fighter?.score, 1);
  assert.deepEqual(bob.received("chat"), [{ from: "arena", text: "Ann leads with 1" }]);
  arena.run(60);
  assert.equal(bob.player.entity?.fighter?.health, 100);
});

test("a bullet hits at arm's length, and ends at the arena's edge", () => {
  const arena = testWorld(world, { config: { bots: 0 } });
  const ann = arena.join("ann", { params: { name: "Ann" } });
  const bob = arena.join("bob", { params: { name: "Bob" } });
  ann.player.entity?.add("position", { x: ARENA - 10, y: 500 });
  bob.player.entity?.add("position", { x: ARENA - 8, y: 500 });
  ann.send("shoot", { angle: 0 });
  arena.run(2);
  assert.equal(bob.player.entity?.fighter?.health, 80);
  bob.player.entity?.add("position", { x: 500, y: 500 });
  arena.run(10);
  ann.send("shoot", { angle: 0 });
  arena.run(2);
  assert.equal([...arena.ctx.query("bullet")].length, 0);
});

test("a name is cut to what fits, whoever gives it", () => {
  const arena = testWorld(world, { config: { bots: 0 } });
  const long = arena.join("long", { name: "ü".repeat(64) });
  assert.equal(long.player.entity?.fighter?.name, "ü".repeat(MAX_NAME));
  const none = arena.join("none", { name: " ", params: { name: "  " } });
  assert.equal(none.player.entity?.fighter?.name, "guest");
});

test("fighters appear within the spread that is configured", () => {
  const arena = testWorld(world, { config: { bots: 50, spread: 10 } });
  arena.run();
  const far = [...arena.ctx.query("position", "fighter")].filter(
    ({ position }) => Math.hypot(position.x - ARENA / 2, position.y - ARENA / 2) > 20,
  );
  assert.equal(far.length, 0);
});

test("chat reaches everybody", () => {
  const arena = testWorld(world, { config: { bots: 0 } });
  const ann = arena.join("ann", { params: { name: "Ann" } });
  const bob = arena.join("bob", { params: { name: "Bob" } });
  ann.send("chat", { text: "hello" });
  arena.run();
  assert.deepEqual(bob.received("chat"), [{ from: "Ann", text: "hello" }]);
  assert.deepEqual(ann.received("chat"), [{ from: "Ann", text: "hello" }]);
});

test("bots fight by themselves, and alike every time", () => {
  const arena = testWorld(world, { seed: 7 });
  const ann = arena.join("ann", { params: { name: "Ann" } });
  for (let i = 0; i < 30; i++) {
    ann.send("shoot", { angle: i / 5 });
    arena.run(10);
  }
  arena.checkDeterminism();
});
