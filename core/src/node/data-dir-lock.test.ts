import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { noopLogger } from "../logging/logger.ts";
import { SimClock } from "../sim/sim-clock.ts";
import { systemClock } from "../system/system-clock.ts";
import { lockDataDir } from "./data-dir-lock.ts";
import { judgeLock, type LockFacts, parseLock } from "./lock-holder.ts";
import { settle } from "./settle.ts";

const real = { clock: systemClock, logger: noopLogger };

async function scratch(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-lock-"));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

function lockOf(pid: number, host = hostname()): string {
  return JSON.stringify({ pid, host, token: "theirs", takenAtMs: Date.now() });
}

/** A process that has ended, by its number. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ["-e", ""]);
  await once(child, "exit");
  assert.ok(child.pid !== undefined);
  return child.pid;
}

test("a second start is refused, naming the process; a release lets the next one in", async (t) => {
  const dir = join(await scratch(t), "made", "on", "the", "way");
  const lock = await lockDataDir(dir, real);
  await assert.rejects(lockDataDir(dir, real), (error: Error) => {
    assert.match(error.message, new RegExp(`in use by process ${process.pid} on `));
    return "code" in error && error.code === "data-dir-locked";
  });
  await lock.release();
  await lock.release();
  assert.deepEqual(await readdir(dir), []);
  await (await lockDataDir(dir, real)).release();
});

test("a living process of another number keeps its lock", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "lock"), lockOf(process.ppid));
  await assert.rejects(lockDataDir(dir, real), { code: "data-dir-locked" });
});

test("the lock of a dead process is taken over, by one of many only", async (t) => {
  const dir = await scratch(t);
  await writeFile(join(dir, "lock"), lockOf(await deadPid()));
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataDir(dir, real)));
  const won = tries.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
  assert.equal(won.length, 1);
  await won[0]?.release();
  assert.deepEqual(await readdir(dir), []);
});

test("the lock of another machine is taken over when it shows no sign of life", async (t) => {
  const dir = await scratch(t);
  const path = join(dir, "lock");
  const clock = new SimClock();
  const wait = async () => {
    // Real files, so promises need real turns beside the simulated ones.
    await settle();
    await new Promise((resolve) => setImmediate(resolve));
  };
  await writeFile(path, lockOf(1, "elsewhere"));
  const before = clock.now();
  let lock: Awaited<ReturnType<typeof lockDataDir>> | undefined;
  void lockDataDir(dir, { clock, logger: noopLogger }).then((taken) => {
    lock = taken;
  });
  while (lock === undefined) {
    await wait();
    if (clock.pending > 0 && lock === undefined) clock.step();
  }
  assert.ok(clock.now() - before >= 15_000);
  assert.equal(parseLock(await readFile(path, "utf8"))?.pid, process.pid);
  await lock.release();
});

test("the lock of another machine that lives is respected", async (t) => {
  const dir = await scratch(t);
  const path = join(dir, "lock");
  await writeFile(path, lockOf(1, "elsewhere"));
  const clock = new SimClock();
  const refused = assert.rejects(lockDataDir(dir, { clock, logger: noopLogger }), {
    code: "data-dir-locked",
  });
  while (clock.pending === 0) await settle();
  await utimes(path, new Date(0), new Date(0));
  clock.step();
  await refused;
});

test("a directory that cannot be used is named with what to do", async (t) => {
  const dir = await scratch(t);
  const file = join(dir, "file");
  await writeFile(file, "");
  await assert.rejects(lockDataDir(join(file, "data"), real), (error: Error) => {
    assert.match(error.message, /data directory .*file.* cannot be used/);
    return "code" in error && error.code === "data-dir-unusable" && "hint" in error;
  });
});

test("what makes a lock count", () => {
  const facts: LockFacts = {
    pid: 50,
    host: "here",
    bootedAtMs: 1_000_000,
    isAlive: (pid) => pid === 50 || pid === 60,
    isOwn: (token) => token === "own",
  };
  const holder = { pid: 60, host: "here", token: "x", takenAtMs: 2_000_000 };
  assert.equal(judgeLock(holder, facts), "held");
  assert.equal(judgeLock({ ...holder, pid: 61 }, facts), "stale");
  assert.equal(judgeLock({ ...holder, pid: 50 }, facts), "stale", "our number, not our lock");
  assert.equal(judgeLock({ ...holder, pid: 50, token: "own" }, facts), "held");
  assert.equal(judgeLock({ ...holder, takenAtMs: 900_000 }, facts), "stale", "before the boot");
  assert.equal(judgeLock({ ...holder, host: "there" }, facts), "unknown");
  assert.equal(parseLock("{"), undefined);
  assert.equal(parseLock('{"pid":-1,"host":"h","token":"t","takenAtMs":1}'), undefined);
});
