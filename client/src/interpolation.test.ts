import assert from "node:assert/strict";
import { test } from "node:test";
import { grid2d } from "@atlasnet/world";
import { Interpolator } from "./interpolation.ts";
import { RenderClock } from "./render-clock.ts";

const space = grid2d({ component: "position", size: [100, 100], cell: 10 });
const at = (x: number) => ({ id: 1, own: false, position: { x, y: 0 } });

/** An interpolator whose clock heard every tick up to 100, the last of them at 5,000 ms. */
function started(): Interpolator {
  const interpolator = new Interpolator(space, 20);
  for (let tick = 1; tick <= 100; tick++) interpolator.heard(tick, tick * 50, 1);
  return interpolator;
}

test("an entity that stood still does not crawl to its next position", () => {
  const interpolator = started();
  interpolator.sample(at(0), 50);
  interpolator.sample(at(3), 100);
  // Drawn at tick 96, it still stands.
  assert.equal(interpolator.at(at(3), 4900)?.x, 0);
  assert.equal(interpolator.at(at(3), 5000)?.x, 1);
  assert.equal(interpolator.at(at(3), 5100)?.x, 3);
});

test("an entity that was put elsewhere is there at once", () => {
  const interpolator = started();
  interpolator.sample(at(0), 99);
  interpolator.sample(at(50), 100);
  assert.equal(interpolator.at(at(50), 5000)?.x, 50);
});

test("without a position there is no point, and history is forgotten with it", () => {
  const interpolator = started();
  const gone = { id: 1, own: false, position: undefined };
  interpolator.sample(at(0), 99);
  interpolator.sample(gone, 100);
  assert.equal(interpolator.at(gone, 5000), undefined);
});

test("the clock smooths jitter, never goes back, and follows slow time", () => {
  const clock = new RenderClock(20);
  let last = Number.NEGATIVE_INFINITY;
  for (let tick = 1; tick <= 200; tick++) {
    const late = (tick * 7) % 30;
    clock.heard(tick, tick * 50 + late, 1);
    const drawn = clock.renderTick(tick * 50 + late);
    assert.ok(drawn >= last && drawn < tick, `${drawn} at ${tick}`);
    last = drawn;
  }
  assert.ok(200 - last < 5, `${200 - last} ticks behind`);
  const start = 200 * 50;
  for (let i = 1; i <= 100; i++) clock.heard(200 + i, start + i * 100, 0.5);
  const [a, b] = [clock.renderTick(start + 10_000), clock.renderTick(start + 10_100)];
  assert.ok(Math.abs(b - a - 1) < 0.01, `${b - a} ticks in 100 ms at half speed`);
});

test("the clock jumps when the world's time does", () => {
  const clock = new RenderClock(20);
  clock.heard(1000, 0, 1);
  clock.renderTick(0);
  clock.heard(10, 50, 1);
  assert.ok(clock.renderTick(50) < 10);
});
