import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Logger } from "@atlasnet/core";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { defineWorld } from "@atlasnet/world";
import type { FromThread, ThreadSettings, WorldSettings } from "./protocol.ts";
import { ShardRunner } from "./shard-runner.ts";
import { TickLoop } from "./tick-loop.ts";

const root = mkdtempSync(join(tmpdir(), "atlasnet-runner-"));
after(() => rmSync(root, { recursive: true, force: true }));

const data = JSON.stringify(defineWorld({ name: "quiet", tickRate: 20, components: {} }).data);
let files = 0;

function moduleFile(behaviour: string): string {
  const file = join(root, `m${files++}.mjs`);
  writeFileSync(
    file,
    `export const world = { definition: { data: ${data} }, behaviour: {${behaviour}} };`,
  );
  return file;
}

const THREAD: ThreadSettings = {
  dataDir: undefined,
  tickLimitMs: 0,
  snapshotIntervalMs: 300_000,
  keepSnapshots: 2,
  journalSyncMs: 1_000,
  development: false,
};

function simDisk(): SimDisk {
  return new SimDisk({}, { random: new SeededRandom(1) });
}

async function open(behaviour: string, options: { disk?: SimDisk; clock?: SimClock } = {}) {
  const { disk = simDisk(), clock = new SimClock() } = options;
  const posts: FromThread[] = [];
  const errors: string[] = [];
  const quiet = () => undefined;
  const logger: Logger = {
    debug: quiet,
    info: quiet,
    warn: quiet,
    error: (message) => errors.push(message),
    child: () => logger,
  };
  const settings: WorldSettings = {
    world: "quiet",
    shard: "quiet/0",
    file: moduleFile(behaviour),
    generation: 0,
    config: null,
    durability: options.disk === undefined ? "none" : "journal",
    fresh: false,
    graceSeconds: 5,
    maxSessions: 10,
    outboxMessages: 100,
    outboxBytes: 100_000,
    seed: 1,
    lastEpoch: 0,
  };
  const runner = await ShardRunner.open(
    settings,
    { ...THREAD, dataDir: options.disk === undefined ? undefined : "/data" },
    {
      clock,
      disk: disk.process(),
      logger,
      loop: new TickLoop(clock),
      guard: (run) => {
        run();
        return "done";
      },
      post: (message) => posts.push(message),
      unixMs: () => 1_000_000 + clock.now(),
    },
  );
  const logs = () =>
    posts.flatMap((post) => (post.type === "log" ? [[post.message, post.facts["tick"]]] : []));
  return { runner, clock, disk, posts, logs, errors };
}

test("an idle world sets no timer and makes no tick", async () => {
  const { runner, clock } = await open("");
  assert.equal(runner.nextAt, Number.POSITIVE_INFINITY);
  assert.equal(clock.pending, 0);
});

test("timers of a world without a tick handler fire at their tick and on time", async () => {
  const { clock, logs, runner } = await open(`
    create(ctx) { ctx.after(100, "ring", 1); ctx.after(5000, "ring", 2); },
    timer: { ring(ctx, n) { ctx.log("ring " + n, { tick: ctx.tick }); } },`);
  clock.advance(4_999);
  assert.deepEqual(logs(), []);
  clock.advance(2);
  assert.deepEqual(logs(), [["ring 1", 101]]);
  clock.advance(250_000);
  assert.deepEqual(logs(), [
    ["ring 1", 101],
    ["ring 2", 5001],
  ]);
  assert.equal(runner.nextAt, Number.POSITIVE_INFINITY);
});

test("a lost player of an idle world leaves when its grace period is over, and no dilation is told", async () => {
  const { runner, clock, logs, posts } = await open(`
    leave(ctx, player, reason) { ctx.log(reason, { tick: ctx.tick }); },`);
  const address = { shard: "quiet/0", epoch: runner.epoch, attach: 1 };
  runner.receive(1, [
    {
      type: "attach",
      ...address,
      account: "ann",
      name: "",
      data: null,
      stream: new Uint8Array(8),
      attempt: 0,
      firstUnacked: 1,
      lastReceived: 0,
    },
  ]);
  clock.advance(10_000);
  // Now and then something comes: the gaps between are no overload.
  for (let i = 0; i < 40; i++) {
    runner.receive(1, [
      { type: "watch", ...address, attach: 2 + i, topic: "no", authorized: false },
    ]);
    clock.advance(250);
  }
  assert.equal(runner.stats()?.dilationPerMille, 1000);
  runner.receive(1, [{ type: "detach", ...address }]);
  clock.advance(4_900);
  assert.deepEqual(logs(), []);
  clock.advance(200);
  assert.equal(logs()[0]?.[0], "grace-expired");
  assert.equal(runner.nextAt, Number.POSITIVE_INFINITY);
  assert.ok(posts.length > 0);
});

/** Lets simulated time pass until the work is done. */
async function drive<T>(clock: SimClock, work: Promise<T>): Promise<T> {
  let done = false;
  const settled = work.finally(() => {
    done = true;
  });
  settled.catch(() => undefined);
  while (!done) {
    clock.advance(10);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return settled;
}

let attaches = 0;

/** What a client hears that joins now: epoch, timeline, and the number the world keeps. */
async function facts({ runner, clock, posts }: Awaited<ReturnType<typeof open>>) {
  const attach = ++attaches;
  runner.receive(1, [
    {
      type: "attach",
      shard: "quiet/0",
      epoch: runner.epoch,
      attach,
      account: "ann",
      name: "",
      data: null,
      stream: new Uint8Array(8),
      attempt: 0,
      firstUnacked: 1,
      lastReceived: 0,
    },
  ]);
  clock.advance(200);
  for (const post of posts)
    if (post.type === "out")
      for (const { message } of post.messages)
        if (message.type === "attached" && message.attach === attach)
          return { epoch: message.epoch, timeline: message.timeline };
  return assert.fail("no answer");
}

const COUNTS = `
  join(ctx) { ctx.kv.set("joins", (ctx.kv.get("joins") ?? 0) + 1); },
  resume(ctx) { ctx.log("resume " + ctx.kv.get("joins")); },`;

test("a clean close goes on in its timeline, kill -9 in a new one; a refused module costs nothing", async () => {
  const disk = simDisk();
  const clock = new SimClock();
  const first = await drive(clock, open(COUNTS, { disk, clock }));
  const one = await facts(first);
  await drive(clock, first.runner.close());
  // The module's create is not asked again; one that does not even load changes nothing.
  await assert.rejects(drive(clock, open("nonsense() {},", { disk, clock })), /unknown handler/);
  const second = await drive(clock, open(COUNTS, { disk, clock }));
  const two = await facts(second);
  assert.equal(two.timeline, one.timeline);
  assert.ok(two.epoch > one.epoch);
  assert.equal(second.logs()[0]?.[0], "resume 1");
  // Long enough that the group commit has it.
  clock.advance(5_000);
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
  disk.crash("process");
  const third = await drive(clock, open(COUNTS, { disk, clock }));
  const three = await facts(third);
  assert.notEqual(three.timeline, two.timeline);
  assert.ok(three.epoch > two.epoch);
  assert.equal(third.logs()[0]?.[0], "resume 1", "the session and the state came back");
});

test("a snapshot of an idle world that fails is tried again, and said", async () => {
  const disk = simDisk();
  const clock = new SimClock();
  const run = await drive(clock, open(COUNTS, { disk, clock }));
  disk.setFaults({ writeError: 1 });
  await facts(run);
  await drive(clock, settled());
  assert.ok(run.errors.includes("A snapshot failed and is tried again."));
  disk.setFaults({});
  clock.advance(6_000);
  await facts(run);
  await drive(clock, settled());
  run.errors.length = 0;
  await drive(clock, run.runner.close());
  const again = await drive(clock, open(COUNTS, { disk, clock }));
  await facts(again);
  assert.equal(again.logs()[0]?.[0], "resume 1");
  assert.deepEqual(run.errors, []);
});

async function settled(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

test("a proxy whose batches are malformed does not fill the log", async () => {
  const { runner, clock, errors } = await open("");
  const { epoch } = runner;
  const batch = new Uint8Array([255, 255, 255]);
  for (let n = 0; n < 1000; n++)
    runner.receive(1, [{ type: "upstream", shard: "quiet/0", epoch, batch }]);
  assert.equal(errors.length, 1);
  clock.advance(10_000);
  runner.receive(1, [{ type: "upstream", shard: "quiet/0", epoch, batch }]);
  assert.equal(errors.length, 2);
});

test("a sealed world stands still, and goes on as if no time had passed", async () => {
  const { clock, logs, runner } = await open(`tick(ctx) { ctx.log("tick", { tick: ctx.tick }); },`);
  clock.advance(1_000);
  const before = logs().length;
  assert.ok(before >= 19);
  runner.seal(true);
  clock.advance(60_000);
  assert.equal(logs().length, before);
  assert.equal(runner.nextAt, Number.POSITIVE_INFINITY);
  runner.seal(false);
  clock.advance(1_000);
  const after = logs().length - before;
  assert.ok(after >= 19 && after <= 21, `${after} ticks in the second after it`);
  const ticks = logs().map(([, tick]) => Number(tick));
  for (const [at, tick] of ticks.entries()) assert.equal(tick, (ticks[0] ?? 0) + at);
});

test("who attaches at the next epoch while a module is swapped in is told to come again", async () => {
  const { runner, posts } = await open("");
  const epoch = runner.epoch + 5;
  const ownership = { epoch, world: 1, turn: 2, lastTurn: 1 } as const;
  const swap = runner.swap(moduleFile(""), 1, ownership);
  const address = { shard: "quiet/0", epoch, attach: 7 };
  runner.receive(3, [{ type: "watch", ...address, topic: "no", authorized: false }]);
  await swap;
  assert.equal(runner.epoch, epoch);
  // Without a tick: an idle world makes none.
  const told = posts.flatMap((post) => (post.type === "out" ? post.messages : []));
  assert.deepEqual(
    told.map(({ peer, message }) =>
      message.type === "closed" ? [peer, message.attach, message.code] : message.type,
    ),
    [[3, 7, "world-unavailable"]],
  );
});
