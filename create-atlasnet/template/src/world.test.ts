import assert from "node:assert/strict";
import test from "node:test";
import { testWorld } from "@atlasnet/testing";
import { world } from "./world.ts";

test("a runner runs where it is steered to, and the edge holds it back", () => {
  const game = testWorld(world, { seed: 1 });
  const ann = game.join("ann", { params: { name: "Ann" } });
  const before = ann.player.entity?.position?.x ?? 0;
  ann.input("steer", { x: 1, y: 0 });
  game.run(2);
  assert.ok((ann.player.entity?.position?.x ?? 0) > before);
  game.run(200);
  assert.equal(ann.player.entity?.position?.x, 100);
});

test("who touches a star scores, everybody hears of it, and a new star appears", () => {
  const game = testWorld(world, { seed: 1 });
  const ann = game.join("ann", { params: { name: "Ann" } });
  const bob = game.join("bob", { params: { name: "Bob" } });
  const stars = [...game.ctx.query("position", "star")];
  const [star] = stars;
  assert.ok(star !== undefined);
  const { x, y } = star.position;
  ann.player.entity?.add("position", { x, y });
  game.run();
  assert.equal(ann.player.entity?.runner?.score, 1);
  assert.deepEqual(bob.received("caught"), [{ name: "Ann", score: 1 }]);
  assert.equal([...game.ctx.query("star")].length, stars.length);
});

test("a name is taken once", () => {
  const game = testWorld(world);
  game.join("ann", { params: { name: "Ann" } });
  assert.throws(() => game.join("bob", { params: { name: "Ann" } }), /is playing already/);
});

test("the same game played again comes out the same", () => {
  const game = testWorld(world, { seed: 7 });
  const ann = game.join("ann", { params: { name: "Ann" } });
  ann.input("steer", { x: -1, y: 1 });
  game.run(100);
  game.checkDeterminism();
});
