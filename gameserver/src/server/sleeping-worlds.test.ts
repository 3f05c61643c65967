import assert from "node:assert/strict";
import { test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import type { SleptState, WakingState } from "../sleep/slept-state.ts";
import { MAX_HELD_MESSAGES } from "./held-messages.ts";
import { SleepingWorlds } from "./sleeping-worlds.ts";

const SHARD = "arena/0";
const SLEPT: SleptState = { fileEpoch: 1, tick: 5, timeline: 1, crc: 7 };

/** Its threads answer when the test says so. */
function scene() {
  const clock = new SimClock();
  const asked: string[] = [];
  const answers: { resolve(slept: SleptState | undefined): void; reject(error: Error): void }[] =
    [];
  const wakes: WakingState[] = [];
  const ask = (what: string) =>
    new Promise<SleptState | undefined>((resolve, reject) => {
      asked.push(what);
      answers.push({ resolve, reject });
    });
  const worlds = new SleepingWorlds({
    ...{ clock, logger: noopLogger },
    sleep: () => ask("sleep"),
    wake: async (_, waking) => {
      wakes.push(waking);
      await ask("wake");
    },
    lost: (shard, problem) => void asked.push(`lost ${shard}: ${problem}`),
    onAsleep: () => void asked.push("asleep"),
  });
  const taken: number[] = [];
  const send = (number: number, wakesIt = true) =>
    worlds.keep(SHARD, () => taken.push(number), wakesIt);
  const answer = async (slept?: SleptState | Error) => {
    const next = answers.shift();
    if (slept instanceof Error) next?.reject(slept);
    else next?.resolve(slept);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { clock, worlds, asked, wakes, taken, send, answer };
}

test("who comes while a world falls asleep is there when it wakes, behind what came before", async () => {
  const { clock, worlds, asked, wakes, taken, send, answer } = scene();
  assert.equal(send(0), "awake");
  worlds.quiet(SHARD);
  assert.equal(send(1, false), "held");
  assert.equal(send(2), "held");
  clock.advance(10);
  await answer(SLEPT);
  assert.deepEqual(asked, ["sleep", "asleep", "wake"]);
  assert.equal(send(3, false), "held");
  assert.deepEqual(taken, []);
  await answer();
  assert.deepEqual(taken, [1, 2, 3]);
  assert.equal(send(4), "awake");
  assert.deepEqual(wakes, [{ ...SLEPT, elapsedMs: 0 }]);
  assert.deepEqual([worlds.figures.fallen, worlds.figures.woken], [1, 1]);
});

test("a world that stays awake gets what came meanwhile; one that sleeps is not woken for nothing", async () => {
  const { worlds, taken, asked, send, answer } = scene();
  worlds.quiet(SHARD);
  send(1);
  await answer(undefined);
  assert.deepEqual(taken, [1]);
  worlds.quiet(SHARD);
  assert.equal(send(2, false), "held");
  await answer(SLEPT);
  assert.equal(send(3, false), "asleep");
  assert.equal(worlds.count, 1);
  assert.deepEqual(worlds.stateOf(SHARD), SLEPT);
  worlds.wake(SHARD);
  await answer();
  assert.deepEqual(taken, [1], "nobody was there to whom the others could have mattered");
  assert.deepEqual(asked, ["sleep", "sleep", "asleep", "wake"]);
});

test("a timer of the world wakes it when it is due, and not before", async () => {
  const { clock, worlds, asked, wakes, answer } = scene();
  worlds.quiet(SHARD);
  await answer({ ...SLEPT, wakeInMs: 90_000 });
  clock.advance(89_999);
  assert.equal(asked.includes("wake"), false);
  clock.advance(1);
  assert.equal(asked.at(-1), "wake");
  assert.equal(wakes[0]?.elapsedMs, 90_000);
});

test("a world that cannot wake, or is closed meanwhile, lets go of who waits for it", async () => {
  const { worlds, taken, asked, send, answer } = scene();
  worlds.quiet(SHARD);
  await answer(SLEPT);
  send(1);
  await answer(new Error("the disk is gone"));
  assert.equal(asked.at(-1), `lost ${SHARD}: the disk is gone`);
  assert.deepEqual(taken, [1]);
  worlds.quiet(SHARD);
  await answer(SLEPT);
  send(2);
  const awake = worlds.awake(SHARD);
  worlds.ended(SHARD);
  await awake;
  assert.deepEqual(taken, [1, 2]);
  assert.equal(send(3), "awake", "it is not this one's any more");
  await answer();
  assert.equal(worlds.count, 0);
});

test("what waits for a world is bounded; nothing waits for one that is about to stop", async () => {
  const { worlds, send, answer } = scene();
  worlds.quiet(SHARD);
  for (let n = 0; n < MAX_HELD_MESSAGES; n++) assert.equal(send(n), "held");
  assert.equal(send(MAX_HELD_MESSAGES), "full");
  await answer(undefined);
  worlds.quiet(SHARD);
  await answer(SLEPT);
  worlds.stop();
  assert.equal(send(1), "full");
  await worlds.awake(SHARD);
});
