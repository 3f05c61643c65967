import assert from "node:assert/strict";
import { test } from "node:test";
import { testWorld } from "@atlasnet/testing";
import { HEIGHT, MAX_BALLS, WIDTH } from "./definition.ts";
import { world } from "./world.ts";

test("there are as many balls as the configuration asks for, up to the most", () => {
  const balls = (config: { count?: number } = {}) => {
    const sandbox = testWorld(world, { config });
    sandbox.run();
    return [...sandbox.ctx.query("ball")].length;
  };
  assert.equal(balls(), 200);
  assert.equal(balls({ count: 3 }), 3);
  assert.equal(balls({ count: MAX_BALLS + 1 }), MAX_BALLS);
});

test("balls keep moving and bounce off the walls", () => {
  const sandbox = testWorld(world, { config: { count: 20 } });
  sandbox.run();
  const start = new Map(
    [...sandbox.ctx.query("position", "motion")].map(({ id, position, motion }) => [
      id,
      { x: position.x, dx: motion.dx },
    ]),
  );
  sandbox.run();
  for (const [id, { x }] of start) assert.notEqual(sandbox.ctx.entity(id)?.position?.x, x);
  // Longer than the slowest straight way through the sandbox.
  sandbox.run(600);
  const bounced = [...sandbox.ctx.query("position", "motion")];
  assert.ok(bounced.some(({ id, motion }) => motion.dx === -(start.get(id)?.dx ?? 0)));
  for (const { position } of bounced) {
    assert.ok(position.x >= 0 && position.x <= WIDTH, `x ${position.x}`);
    assert.ok(position.y >= 0 && position.y <= HEIGHT, `y ${position.y}`);
  }
});

test("players add balls and take them away, but not each other's view", () => {
  const sandbox = testWorld(world, { config: { count: 10 } });
  const ann = sandbox.join("ann");
  ann.send("add", { count: 5 });
  sandbox.run();
  assert.equal([...sandbox.ctx.query("ball")].length, 15);
  ann.send("remove", { count: 1_000 });
  sandbox.run();
  assert.equal([...sandbox.ctx.query("ball")].length, 0);
  assert.notEqual(ann.player.entity?.position, undefined);
});

test("the same balls bounce alike every time", () => {
  const sandbox = testWorld(world, { seed: 3, config: { count: 50 } });
  sandbox.run(200);
  sandbox.checkDeterminism();
});
