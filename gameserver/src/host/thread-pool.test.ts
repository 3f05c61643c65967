import assert from "node:assert/strict";
import test from "node:test";
import { noopLogger } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import type { FromThread, ThreadSettings, ToThread } from "./protocol.ts";
import { MAX_SILENT_LOOKS, ThreadPool, type WorldWorker } from "./thread-pool.ts";

interface Listeners {
  message(message: FromThread): void;
  error(error: unknown): void;
  exit(code: number): void;
}

/** A thread that says what the test has it say. */
class FakeWorker implements WorldWorker {
  ended = false;
  private readonly listeners: Partial<Listeners> = {};

  postMessage(_message: ToThread): void {}
  on<E extends keyof Listeners>(event: E, listener: Listeners[E]): void {
    this.listeners[event] = listener;
  }
  async terminate(): Promise<void> {
    this.ended = true;
  }
  say(message: FromThread): void {
    this.listeners.message?.(message);
  }
}

const SECOND = 1_000;

function scene({ tickLimitMs = 500 } = {}) {
  const clock = new SimClock();
  const workers: FakeWorker[] = [];
  const died: string[] = [];
  const settings: ThreadSettings = {
    dataDir: undefined,
    tickLimitMs,
    snapshotIntervalMs: 60_000,
    keepSnapshots: 1,
    journalSyncMs: 1_000,
    development: false,
  };
  const pool = new ThreadPool(
    { threads: 2, settings },
    {
      logger: noopLogger,
      clock,
      startWorker: () => {
        const worker = new FakeWorker();
        workers.push(worker);
        return worker;
      },
      events: { message: () => {}, died: (shards) => died.push(...shards) },
    },
  );
  const [healthy, frozen] = workers;
  assert.ok(healthy && frozen);
  return { clock, pool, workers, died, healthy, frozen };
}

/** Every second for so long, all but the frozen one say that they are there. */
function pass(s: ReturnType<typeof scene>, seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    for (const worker of s.workers) if (worker !== s.frozen) worker.say({ type: "alive" });
    s.clock.advance(SECOND);
  }
}

const settingsOf = (shard: string) => ({
  ...{ world: shard, shard, file: "/w.js", generation: 0, config: {}, durability: "none" as const },
  ...{ fresh: false, graceSeconds: 30, maxSessions: 10, outboxMessages: 10, outboxBytes: 1_000 },
  ...{ seed: 1, lastEpoch: 0 },
});

test("a thread that says nothing any more is ended, and another takes its place", async () => {
  const s = scene();
  const first = s.pool.open(settingsOf("a/0"));
  s.healthy.say({ type: "opened", shard: "a/0", epoch: 1, tickRate: 20, definition: "{}" });
  await first;
  const second = s.pool.open(settingsOf("b/0"));
  second.catch(() => {});
  await new Promise((resolve) => setImmediate(resolve));

  pass(s, MAX_SILENT_LOOKS - 1);
  assert.deepEqual([s.frozen.ended, s.died], [false, []]);
  pass(s, 1);
  assert.deepEqual([s.frozen.ended, s.died, s.workers.length], [true, ["b/0"], 3]);
  await assert.rejects(second, { code: "thread-frozen", message: /30 s.*opening.*b\/0/ });
  assert.equal(s.healthy.ended, false);

  pass(s, 2 * MAX_SILENT_LOOKS);
  assert.equal(s.workers.length, 3, "the others speak");
  await s.pool.stop();
});

test("a thread that was ended has no say any more", async () => {
  const s = scene();
  const opened = (epoch: number): FromThread => ({
    ...{ type: "opened", shard: "a/0", epoch, tickRate: 20, definition: "{}" },
  });
  // The first one is the silent one here, as the fewest shards are there.
  const { frozen: speaking, healthy: silent } = s;
  const first = s.pool.open(settingsOf("a/0"));
  first.catch(() => {});
  for (let second = 0; second < MAX_SILENT_LOOKS; second++) {
    speaking.say({ type: "alive" });
    s.clock.advance(SECOND);
  }
  await assert.rejects(first, { code: "thread-frozen" });
  assert.equal(silent.ended, true);

  const second = s.pool.open(settingsOf("a/0"));
  await new Promise((resolve) => setImmediate(resolve));
  silent.say(opened(1));
  s.workers.at(-1)?.say(opened(2));
  assert.equal((await second).epoch, 2);
  await s.pool.stop();
});

test("a word in time, and a debugger, keep a thread", async () => {
  const s = scene();
  pass(s, MAX_SILENT_LOOKS - 1);
  s.frozen.say({ type: "stats", shards: [] });
  pass(s, MAX_SILENT_LOOKS - 1);
  assert.equal(s.frozen.ended, false);
  await s.pool.stop();

  const debugged = scene({ tickLimitMs: 0 });
  pass(debugged, 2 * MAX_SILENT_LOOKS);
  assert.equal(debugged.frozen.ended, false);
  await debugged.pool.stop();
});
