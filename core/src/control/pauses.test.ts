import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { settle } from "../node/settle.ts";
import { SeededRandom } from "../sim/seeded-random.ts";
import { SimClock } from "../sim/sim-clock.ts";
import { Pauses, SharedPauses } from "./pauses.ts";

function scene() {
  return { clock: new SimClock(), random: new SeededRandom(1), ending: new AbortController() };
}

test("pauses grow to the longest, by chance down to half of it, and begin anew after a success", async () => {
  const { clock, random, ending } = scene();
  const pauses = new Pauses({ minMs: 100, maxMs: 800 }, { clock, random, signal: ending.signal });
  const next = async () => {
    const before = clock.now();
    await clock.drive(pauses.wait(), settle);
    return clock.now() - before;
  };
  for (const longest of [100, 200, 400, 800, 800]) {
    const ms = await next();
    assert.ok(ms >= longest / 2 && ms <= longest, `${ms} of ${longest}`);
  }
  pauses.reset();
  assert.ok((await next()) <= 100);
  assert.equal(getEventListeners(ending.signal, "abort").length, 0);
});

test("a pause ends with its signal, and is none after that", async () => {
  const { clock, random, ending } = scene();
  const pauses = new Pauses({ minMs: 100, maxMs: 100 }, { clock, random, signal: ending.signal });
  const waiting = pauses.wait();
  ending.abort();
  await waiting;
  await pauses.wait();
  assert.equal(clock.now(), 0);
});

test("shared pauses end by themselves, or all at once; later ones are pauses again", async () => {
  const { clock, random } = scene();
  const pauses = new SharedPauses({ clock, random });
  await clock.drive(pauses.pause(100), settle);
  const first = clock.now();
  assert.ok(first >= 50 && first <= 100);
  const waiting = Promise.all([pauses.pause(1_000), pauses.pause(2_000)]);
  pauses.endAll();
  await waiting;
  assert.equal(clock.now(), first);
  await clock.drive(pauses.pause(100), settle);
  assert.ok(clock.now() > first);
});
