import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import type { Ownership } from "../durability/plan-run.ts";
import { FIRST, moduleFile, SHARD, settingsOf, simDisk } from "../testing/herd.ts";
import { SimThread } from "../testing/sim-thread.ts";

/** At 20 ticks a second: 10 s after its first tick. It has nothing to do until then, and makes no ticks. */
const RINGS = moduleFile(`
  create(ctx) { ctx.after(200, "ring", 1); },
  timer: { ring(ctx) { ctx.log("ring", { tick: ctx.tick }); } },`);
const TICK_MS = 50;
const NEXT: Ownership = { epoch: 9, world: 1, turn: 2, lastTurn: 1 };

const rings = (thread: SimThread) =>
  thread.of("log").filter(({ message }) => message === "ring").length;

/** Ms from now until it rings. */
function untilRing(clock: SimClock, thread: SimThread): number {
  const before = clock.now();
  while (rings(thread) === 0) {
    assert.ok(clock.now() - before < 60_000, "it never rings");
    clock.advance(TICK_MS / 5);
  }
  return clock.now() - before;
}

const isAbout = (ms: number, wanted: number) =>
  assert.ok(Math.abs(ms - wanted) <= TICK_MS, `${ms} ms, not ${wanted}`);

test("the timer of a world at rest does not wait longer than the world stood still", async () => {
  const clock = new SimClock();
  const thread = new SimThread(clock, simDisk());
  await thread.open(settingsOf({ file: RINGS, ownership: FIRST }));
  clock.advance(6_000);
  for (const message of [
    { type: "seal", sealed: true },
    { type: "hold-shard", shard: SHARD, held: true },
  ] as const)
    thread.tell(message);
  clock.advance(3_000);
  thread.tell({ type: "seal", sealed: false });
  clock.advance(3_000);
  thread.tell({ type: "hold-shard", shard: SHARD, held: false });
  assert.equal(rings(thread), 0);
  isAbout(untilRing(clock, thread), 4_000);
});

test("a world at rest that is closed has its time counted: opened again, its timer does not begin anew", async () => {
  const clock = new SimClock();
  const disk = simDisk();
  const thread = new SimThread(clock, disk);
  await thread.open(settingsOf({ file: RINGS, ownership: FIRST }));
  clock.advance(6_000);
  thread.tell({ type: "close", shard: SHARD, handedOver: false });
  await thread.answer("closed");
  const later = new SimThread(clock, disk);
  await later.open(settingsOf({ file: RINGS, ownership: NEXT }));
  isAbout(untilRing(clock, later), 4_000);
});
