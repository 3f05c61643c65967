import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { NodeDisk, systemClock } from "@atlasnet/core/system";
import { defineWorld, uint } from "@atlasnet/world";
import { sortShardFiles } from "./file-names.ts";
import { decodeJournal } from "./journal-file.ts";
import type { Recovery } from "./recover-shard.ts";
import { openShardStorage, type ShardStorage } from "./shard-storage.ts";

/**
 * A real process that writes deltas and snapshots into a real folder as fast as it can, and is killed
 * with SIGKILL at a moment of its own. It never syncs deltas (the interval is an hour), so what is
 * found afterwards is there because writing does not wait for syncing.
 */
const ROUNDS = 5;
const TICKS_PER_SNAPSHOT = 15;
const STATE_BYTES = 1_000_000;
const HASH_BYTES = 40;

function open(dir: string): ShardStorage {
  return openShardStorage(
    { dir, world: "kill", shard: "main", journalSyncMs: 3_600_000 },
    { disk: new NodeDisk(), clock: systemClock, logger: noopLogger },
  );
}

function next(hash: string, bytes: Uint8Array): string {
  return createHash("sha1").update(hash).update(bytes).digest("hex");
}

function restore({ snapshot, deltas }: Recovery): string {
  let hash =
    snapshot === undefined
      ? "none"
      : Buffer.from(snapshot.state.subarray(0, HASH_BYTES)).toString().trim();
  for (const { bytes } of deltas) hash = next(hash, bytes);
  return hash;
}

/** The newest tick that is whole in the newest journal. */
async function lastWritten(disk: NodeDisk, dir: string): Promise<number> {
  const newest = sortShardFiles(await disk.list(dir)).journals.at(-1);
  if (newest === undefined) return 0;
  const bytes = await disk.read(join(dir, newest.name));
  if (bytes.length < 300) return 0;
  return decodeJournal(bytes).records.at(-1)?.tick ?? 0;
}

/** Writes until it is killed. Says `tick hash` before it appends, `written tick` when it is there. */
async function writer(dir: string): Promise<never> {
  const { data: schema } = defineWorld({ name: "kill", components: { a: { b: uint(1) } } });
  const disk = new NodeDisk();
  const storage = open(dir);
  const recovery = await storage.recover();
  await storage.nextEpoch();
  let tick = recovery.tip?.tick ?? 0;
  let hash = restore(recovery);
  let snapshot: Promise<unknown> | undefined;
  const write = (): Promise<unknown> => {
    const state = Buffer.alloc(STATE_BYTES, "#");
    state.write(hash.padEnd(HASH_BYTES));
    return storage.writeSnapshot({ module: { name: "kill", version: "1" }, schema, tick }, state);
  };
  writeSync(1, `${tick} ${hash}\n`);
  await write();
  for (;;) {
    const bytes = Buffer.from(`delta ${++tick}`.repeat(1 + (tick % 50)));
    hash = next(hash, bytes);
    writeSync(1, `${tick} ${hash}\n`);
    assert.equal(storage.append(tick, bytes), true);
    await settle();
    if (tick % 4 === 0) writeSync(1, `written ${await lastWritten(disk, storage.dir)}\n`);
    if (tick % TICKS_PER_SNAPSHOT === 0) {
      await snapshot;
      snapshot = write();
    }
  }
}

/** Runs a writer and kills it after that many lines. */
async function runAndKill(dir: string, lines: number) {
  const script = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [script, "writer", dir], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const hashes = new Map<number, string>();
  let written = 0;
  let count = 0;
  const closed = once(child, "close");
  for await (const line of createInterface({ input: child.stdout })) {
    const [first = "", second = ""] = line.split(" ");
    if (first === "written") written = Math.max(written, Number(second));
    else hashes.set(Number(first), second);
    if (++count === lines) child.kill("SIGKILL");
  }
  const [, signal] = await closed;
  assert.ok(count >= lines, `the writer ended by itself (${signal})`);
  return { hashes, written };
}

if (process.argv[2] === "writer") {
  await writer(process.argv[3] ?? "");
} else {
  test("kill -9 at any moment loses nothing that was written, and damages nothing", async (t) => {
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-kill-"));
    t.after(() => rm(dir, { recursive: true }));
    let timeline = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { hashes, written } = await runAndKill(dir, 20 + Math.floor(Math.random() * 150));
      const storage = open(dir);
      const recovery = await storage.recover();
      const { tip } = recovery;
      assert.ok(tip !== undefined && tip.tick >= written, `${tip?.tick} of ${written}`);
      assert.equal(restore(recovery), hashes.get(tip.tick));
      assert.deepEqual(recovery.damaged, []);
      assert.equal(recovery.clean, false);
      const run = await storage.nextEpoch();
      assert.ok(run.timeline > timeline);
      timeline = run.timeline;
      await storage.stop();
    }
  });
}
