import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attach } from "@atlasnet/core";
import { SimClock, type SimDisk } from "@atlasnet/core/sim";
import type { Ownership } from "../durability/plan-run.ts";
import type { SleptState } from "../sleep/slept-state.ts";
import { FIRST, moduleFile, SHARD, settingsOf, simDisk } from "../testing/herd.ts";
import { SimThread, until } from "../testing/sim-thread.ts";
import type { WorldSettings } from "./protocol.ts";

const SLEEP_AFTER_MS = 3_000;
/** Counts its ticks, and says so in its log. */
const COUNTS = moduleFile(`
  create(ctx) { ctx.kv.set("n", 0); },
  tick(ctx) { const n = ctx.kv.get("n") + 1; ctx.kv.set("n", n); ctx.log("t", { tick: ctx.tick, n }); },`);
/** Has something to do in a while, and nothing until then. */
const RINGS = moduleFile(`
  create(ctx) { ctx.after(200, "ring", 1); },
  timer: { ring(ctx) { ctx.log("ring", { tick: ctx.tick }); } },`);

type Scene = ReturnType<typeof scene>;

function scene(file: string, more: Partial<WorldSettings> = {}, disk: SimDisk = simDisk()) {
  const clock = new SimClock();
  const thread = new SimThread(clock, disk);
  const settings = (extra: Partial<WorldSettings> = {}) =>
    settingsOf({ file, ownership: FIRST, sleepAfterMs: SLEEP_AFTER_MS, ...more, ...extra });
  /** A second of the thread's life. */
  const second = () => {
    clock.advance(1_000);
    thread.report();
  };
  return { clock, disk, thread, settings, second };
}

const logs = ({ thread }: Scene) =>
  thread.of("log").flatMap(({ level, facts }) => (level === "info" ? [facts] : []));

async function isQuiet({ thread, second }: Scene): Promise<number> {
  let seconds = 0;
  for (; thread.of("quiet").length === 0; seconds++) {
    assert.ok(seconds < 30, "it is never quiet");
    second();
  }
  return seconds;
}

async function asleep(at: Scene): Promise<SleptState> {
  at.thread.tell({ type: "sleep", shard: SHARD });
  return (await at.thread.answer("asleep")).slept;
}

async function wake(at: Scene, slept: SleptState, elapsedMs: number): Promise<number> {
  at.clock.advance(elapsedMs);
  return at.thread.open(at.settings({ waking: { ...slept, elapsedMs } }));
}

test("a world without players sleeps, and wakes at its epoch in exactly that state", async () => {
  const at = scene(COUNTS);
  const epoch = await at.thread.open(at.settings());
  const seconds = await isQuiet(at);
  assert.ok(seconds > SLEEP_AFTER_MS / 1000, "not before its time");
  const slept = await asleep(at);
  const before = logs(at).length;
  for (let n = 0; n < 5; n++) at.second();
  assert.equal(logs(at).length, before, "it does nothing any more");
  assert.equal(await wake(at, slept, 60_000), epoch);
  await until(at.clock, () => logs(at).length > before + 10);
  const facts = logs(at);
  for (const [index, { tick, n }] of facts.entries()) {
    assert.equal(n, index + 1, "no tick is lost, and none is made twice");
    assert.equal(tick, (facts[0]?.["tick"] as number) + index, "its time has stood still");
  }
  const again = await asleep(at);
  assert.equal(again.timeline, slept.timeline);
  assert.ok(again.tick > slept.tick && again.fileEpoch > slept.fileEpoch);
  assert.notEqual(again.crc, slept.crc);
});

test("a timer goes on while its world sleeps, and wakes it", async () => {
  const at = scene(RINGS);
  await at.thread.open(at.settings());
  await isQuiet(at);
  const slept = await asleep(at);
  const { wakeInMs = 0 } = slept;
  assert.ok(wakeInMs > 4_000 && wakeInMs < 7_000, `${wakeInMs}`);
  await wake(at, slept, 2_000);
  const early = await asleep(at);
  assert.ok(Math.abs((early.wakeInMs ?? 0) - (wakeInMs - 2_000)) < 100, `${early.wakeInMs}`);
  await wake(at, early, early.wakeInMs ?? 0);
  await until(at.clock, () => logs(at).length > 0);
  assert.deepEqual(logs(at)[0]?.["tick"], 201);
  const late = scene(RINGS);
  await late.thread.open(late.settings());
  await isQuiet(late);
  await wake(late, await asleep(late), 3_600_000);
  await until(late.clock, () => logs(late).length > 0);
  assert.deepEqual(logs(late)[0]?.["tick"], 201, "the next one is not overslept");
});

test("a world stays awake while somebody is there, follows it, or its next timer is near", async () => {
  const at = scene(COUNTS);
  await at.thread.open(at.settings());
  at.thread.tell({ type: "copy", shard: SHARD, copy: 1 });
  for (let n = 0; n < 6; n++) at.second();
  at.thread.tell({ type: "sleep", shard: SHARD });
  await at.thread.answer("stays-awake");
  at.thread.tell({ type: "end-copy", shard: SHARD, copy: 1 });
  assert.equal(at.thread.of("quiet").length, 0);
  const attach: Attach = {
    ...{ shard: SHARD, epoch: FIRST.epoch, attach: 1, account: "ann", name: "Ann" },
    ...{ data: null, stream: new Uint8Array(8), attempt: 1, firstUnacked: 1, lastReceived: 0 },
    type: "attach",
  };
  at.thread.tell({ type: "messages", shard: SHARD, peer: 1, messages: [attach] });
  // Not even ticked yet.
  at.thread.tell({ type: "sleep", shard: SHARD });
  await at.thread.answer("stays-awake");
  for (let n = 0; n < 6; n++) at.second();
  at.thread.tell({ type: "disconnect", peer: 1 });
  for (let n = 0; n < 3; n++) at.second();
  assert.equal(at.thread.of("quiet").length, 0, "the player's place is kept for its grace");
  await isQuiet(at);
  const ringing = scene(RINGS, { sleepAfterMs: 11_000 });
  await ringing.thread.open(ringing.settings());
  for (let n = 0; n < 9; n++) ringing.second();
  ringing.thread.tell({ type: "sleep", shard: SHARD });
  await ringing.thread.answer("stays-awake");
  for (const more of [{ durability: "none" }, { sleepAfterMs: 0 }] as const) {
    const never = scene(COUNTS, more);
    await never.thread.open(never.settings());
    for (let n = 0; n < 9; n++) never.second();
    assert.deepEqual(never.thread.of("quiet"), []);
  }
});

const NEXT: Ownership = { epoch: 9, world: 1, turn: 2, lastTurn: 1 };

test("a node that ends while a world sleeps has it on its disk, on the same timeline", async () => {
  const at = scene(COUNTS);
  await at.thread.open(at.settings());
  await isQuiet(at);
  const slept = await asleep(at);
  at.disk.crash("power");
  const later = scene(COUNTS, { ownership: NEXT }, at.disk);
  assert.equal(await later.thread.open(later.settings()), NEXT.epoch);
  await until(later.clock, () => logs(later).length > 0);
  assert.equal(logs(later)[0]?.["tick"], slept.tick + 1);
  await isQuiet(later);
  assert.equal((await asleep(later)).timeline, slept.timeline);
});

test("a world does not wake from another state than the one it slept in", async () => {
  const at = scene(COUNTS);
  await at.thread.open(at.settings());
  await isQuiet(at);
  const slept = await asleep(at);
  for (const wrong of [{ tick: slept.tick - 1 }, { fileEpoch: 99 }, { crc: slept.crc ^ 1 }]) {
    const waking = { ...slept, ...wrong, elapsedMs: 0 };
    at.thread.tell({ type: "open", settings: at.settings({ waking }) });
    assert.equal((await at.thread.failure()).error.code, "not-as-it-slept");
  }
  assert.equal(await wake(at, slept, 0), FIRST.epoch, "nothing was spoilt");
  // Somebody else has opened it, and lived on.
  const next = await asleep(at);
  const other = scene(COUNTS, {}, at.disk);
  await other.thread.open(other.settings({ ownership: NEXT }));
  await isQuiet(other);
  await asleep(other);
  at.thread.tell({ type: "open", settings: at.settings({ waking: { ...next, elapsedMs: 0 } }) });
  assert.equal((await at.thread.failure()).error.code, "not-as-it-slept");
});

test("a world that cannot be saved stays awake", async () => {
  const at = scene(COUNTS);
  await at.thread.open(at.settings());
  await isQuiet(at);
  at.disk.setFaults({ capacityBytes: 0 });
  at.thread.tell({ type: "sleep", shard: SHARD });
  await at.thread.answer("stays-awake");
  at.disk.setFaults({});
  const before = logs(at).length;
  await until(at.clock, () => logs(at).length > before + 10);
  assert.deepEqual(
    logs(at).map(({ n }) => n),
    logs(at).map((_, index) => index + 1),
  );
  assert.ok((await asleep(at)).tick > 0);
});
