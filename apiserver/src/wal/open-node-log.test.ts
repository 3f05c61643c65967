import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeSync } from "node:fs";
import { mkdtemp, rm, unlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { noopLogger } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { Entry } from "../raft/core/types.ts";
import { type NodeLog, openNodeLog } from "./open-node-log.ts";

/**
 * The log on this machine's disk. A process of its own saves, several at a time, says what was
 * acknowledged, and is killed with SIGKILL at a moment of its own.
 */
const ROUNDS = 4;
const SEGMENT_BYTES = 64 * 1024;
const MEMBERS = { voters: ["a"], learners: [], incarnations: {} };

function open(dir: string): Promise<NodeLog> {
  return openNodeLog(
    { dir, identity: { cluster: "kill", node: "a" }, segmentBytes: SEGMENT_BYTES },
    { clock: systemClock, logger: noopLogger, random: systemRandom },
  );
}

function dataOf(index: number): Uint8Array {
  return new Uint8Array((index * 37) % 3_000).fill(index);
}

function entry(index: number): Entry {
  return { term: 1, index, type: "command", data: dataOf(index) };
}

async function writer(dir: string): Promise<never> {
  const { log, stored } = await open(dir);
  let next = (stored.checkpoint?.index ?? 0) + stored.entries.length + 1;
  for (;;) {
    const saves: Promise<void>[] = [];
    for (let i = 0; i < 7; i++) {
      const index = next++;
      const save = log.save({ entries: [entry(index)] });
      saves.push(save.then(() => void writeSync(1, `${index}\n`)));
    }
    await Promise.all(saves);
    if (next % 70 > 6) continue;
    const checkpoint = log.beginCheckpoint({ index: next - 10, term: 1, members: MEMBERS });
    await checkpoint.write(Buffer.from(`state ${next - 10}`));
    await log.save({ checkpoint: await checkpoint.finish() });
  }
}

async function scratch(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-wal-"));
  t.after(() => rm(dir, { recursive: true }));
  return dir;
}

/** The last index that was acknowledged before the kill. */
async function runAndKill(dir: string, lines: number): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), "writer", dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  let acknowledged = 0;
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged = Math.max(acknowledged, Number(line));
    if (++count === lines) child.kill("SIGKILL");
  }
  await closed;
  assert.ok(count >= lines, "the writer ended by itself");
  return acknowledged;
}

if (process.argv[2] === "writer") {
  await writer(process.argv[3] ?? "");
} else {
  test("kill -9 at any moment loses nothing that was acknowledged", async (t) => {
    const dir = await scratch(t);
    for (let round = 0; round < ROUNDS; round++) {
      const acknowledged = await runAndKill(dir, 40 + round * 53);
      const { log, stored, close } = await open(dir);
      const base = stored.checkpoint?.index ?? 0;
      assert.ok(base + stored.entries.length >= acknowledged);
      assert.equal(log.life, 2 * round + 2);
      for (const [i, { index, data }] of stored.entries.entries()) {
        assert.equal(index, base + 1 + i);
        assert.deepEqual(Uint8Array.from(data), dataOf(index));
      }
      const reader = await log.readCheckpoint();
      if (reader !== undefined)
        assert.equal(Buffer.from(await reader.read(0, 100)).toString(), `state ${base}`);
      reader?.close();
      await close();
    }
  });

  test("one process at a time has the folder", async (t) => {
    const dir = await scratch(t);
    const first = await open(dir);
    await assert.rejects(open(dir), { code: "data-dir-locked" });
    await first.close();
    await first.close();
    await (await open(dir)).close();
  });

  test("a log whose lock is taken away fails", async (t) => {
    const dir = await scratch(t);
    const clock = new SimClock();
    let onFailed: (error: unknown) => void = () => undefined;
    const failed = new Promise<unknown>((resolve) => {
      onFailed = resolve;
    });
    const { log, close } = await openNodeLog(
      { dir, identity: { cluster: "kill", node: "a" }, segmentBytes: SEGMENT_BYTES },
      { clock, logger: noopLogger, random: systemRandom, onFailed },
    );
    await unlink(join(dir, "lock"));
    clock.step();
    const error = await failed;
    await assert.rejects(log.save({ entries: [entry(1)] }), (thrown) => thrown === error);
    await close();
  });

  test("a refused log gives the folder up again", async (t) => {
    const dir = await scratch(t);
    await (await open(dir)).close();
    const other = { cluster: "other", node: "a" };
    const dependencies = { clock: systemClock, logger: noopLogger, random: systemRandom };
    for (let round = 0; round < 2; round++)
      await assert.rejects(openNodeLog({ dir, identity: other }, dependencies), {
        code: "wal-wrong-cluster",
      });
  });
}
