import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogFacts, type Logger, noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { defineWorld, uint } from "@atlasnet/world";
import type { Ownership } from "./plan-run.ts";
import { openShardStorage, type ShardStorage } from "./shard-storage.ts";
import type { ShardStorageOptions, StorageFault } from "./storage-options.ts";

const { data: schema } = defineWorld({ name: "arena", components: { box: { size: uint(9) } } });
const facts = (tick: number) => ({ module: { name: "arena", version: "1" }, schema, tick });
const bytes = (text: string) => Buffer.from(text);

class Bench {
  readonly clock = new SimClock();
  readonly sim = new SimDisk({}, { random: new SeededRandom(1) });
  readonly faults: StorageFault[] = [];
  readonly lines: { message: string; facts: LogFacts | undefined }[] = [];

  open(options: Partial<ShardStorageOptions> = {}): ShardStorage {
    const note = (message: string, facts?: LogFacts) => this.lines.push({ message, facts });
    const logger: Logger = { ...noopLogger, warn: note, error: note, child: () => logger };
    return openShardStorage(
      { dir: "/data", world: "Arena", shard: "main", ...options },
      {
        disk: this.sim.process(),
        clock: this.clock,
        logger,
        onFault: (fault) => this.faults.push(fault),
      },
    );
  }

  /** A storage that has begun its run with a snapshot at tick 0. */
  async running(options: Partial<ShardStorageOptions> = {}): Promise<ShardStorage> {
    const storage = this.open(options);
    await storage.recover();
    await storage.nextEpoch();
    await storage.writeSnapshot(facts(0), bytes("at 0"));
    return storage;
  }

  async elapse(ms: number): Promise<void> {
    await this.clock.elapse(ms, settle);
  }

  async files(storage: ShardStorage): Promise<readonly string[]> {
    return this.sim.process().list(storage.dir);
  }
}

const texts = (deltas: { bytes: Uint8Array }[]) =>
  deltas.map((delta) => Buffer.from(delta.bytes).toString());

test("a world that never ran has nothing and lost nothing", async () => {
  const storage = new Bench().open();
  const { snapshot, deltas, clean, lost } = await storage.recover();
  assert.deepEqual(
    { snapshot, deltas, clean, lost },
    {
      snapshot: undefined,
      deltas: [],
      clean: true,
      lost: false,
    },
  );
  assert.deepEqual(await storage.nextEpoch(), { epoch: 1, timeline: 1 });
  assert.equal(storage.needsSnapshot, true);
  assert.equal(storage.append(1, bytes("x")), false, "there is nothing it would follow");
});

test("after a clean stop the timeline goes on, after a crash a new one begins", async () => {
  const bench = new Bench();
  const first = await bench.running();
  assert.equal(first.append(1, bytes("one")), true);
  assert.equal(await first.markClean(1), true);
  await first.stop();
  const second = bench.open();
  const recovery = await second.recover();
  assert.equal(recovery.clean, true);
  assert.deepEqual(texts(recovery.deltas), ["one"]);
  assert.deepEqual(await second.nextEpoch(), { epoch: 2, timeline: 1 });
  bench.sim.crash("process");
  const third = bench.open();
  assert.equal((await third.recover()).clean, false);
  assert.deepEqual(await third.nextEpoch(), { epoch: 3, timeline: 2 });
});

test("a stop is not marked clean when the last tick is not on the disk", async () => {
  const bench = new Bench();
  const storage = await bench.running({ journal: false });
  assert.equal(storage.append(1, bytes("gone")), true);
  assert.equal(await storage.markClean(1), false);
  await storage.writeSnapshot(facts(1), bytes("at 1"));
  assert.equal(await storage.markClean(1), true);
});

test("deltas are synced when the interval is over, and not before", async () => {
  const bench = new Bench();
  const storage = await bench.running({ journalSyncMs: 1000 });
  storage.append(1, bytes("one"));
  await bench.elapse(900);
  assert.ok(storage.health().journalWaitingBytes > 0);
  await bench.elapse(200);
  assert.equal(storage.health().journalWaitingBytes, 0);
  assert.equal(bench.clock.pending, 0, "an idle journal has no timer");
});

test("a damaged snapshot is named, put aside, and the one before it reaches as far", async () => {
  const bench = new Bench();
  const storage = await bench.running();
  storage.append(1, bytes("one"));
  await storage.writeSnapshot(facts(1), bytes("at 1"));
  storage.append(2, bytes("two"));
  await storage.flush();
  await storage.stop();
  const name = "0000000001-0000000000000001.snapshot";
  bench.sim.damage(`${storage.dir}/${name}`, 40);
  const recovery = await bench.open().recover();
  assert.equal(Buffer.from(recovery.snapshot?.state ?? []).toString(), "at 0");
  assert.deepEqual(texts(recovery.deltas), ["one", "two"]);
  assert.deepEqual(recovery.damaged, [{ file: name, problem: "does not match its checksum" }]);
  assert.ok((await bench.files(storage)).includes(`${name}.damaged`));
  assert.equal(bench.lines.at(-1)?.message, "A damaged file was found.");
});

test("when no snapshot is good the state is called lost, and fresh begins anew", async () => {
  const bench = new Bench();
  const storage = await bench.running();
  bench.sim.damage(`${storage.dir}/0000000001-0000000000000000.snapshot`, 40);
  const second = bench.open();
  const recovery = await second.recover();
  assert.equal(recovery.lost, true);
  assert.equal(recovery.clean, false);
  const third = bench.open();
  assert.equal((await third.recover()).lost, true, "a second try does not begin empty");
  await third.discard();
  assert.deepEqual(await third.nextEpoch(), { epoch: 2, timeline: 2 });
  assert.equal((await bench.open().recover()).lost, false);
});

test("fresh puts the old state aside", async () => {
  const bench = new Bench();
  const first = await bench.running();
  first.append(1, bytes("one"));
  assert.equal(await first.markClean(1), true);
  const second = bench.open();
  await second.recover();
  await second.discard();
  assert.deepEqual(await second.nextEpoch(), { epoch: 2, timeline: 2 });
  const third = bench.open();
  assert.equal((await third.recover()).snapshot, undefined);
  assert.equal((await bench.files(first)).filter((name) => name.endsWith(".discarded")).length, 2);
});

test("a lost run file makes the epoch jump, so that none is used twice", async () => {
  const bench = new Bench();
  const storage = await bench.running();
  bench.sim.damage(`${storage.dir}/run`, 3);
  const second = bench.open();
  const recovery = await second.recover();
  assert.deepEqual(
    recovery.damaged.map(({ file }) => file),
    ["run"],
  );
  assert.deepEqual(await second.nextEpoch(), { epoch: 1001, timeline: 2 });
});

test("a full disk fails loudly, the shard goes on, and nothing is missing in the end", async () => {
  const bench = new Bench();
  const storage = await bench.running({ journalSyncMs: 10 });
  bench.sim.setFaults({ capacityBytes: bench.sim.usedBytes + 5 });
  assert.equal(storage.append(1, bytes("one")), true);
  await bench.elapse(2000);
  assert.equal(storage.append(2, bytes("two")), true);
  const health = storage.health();
  assert.equal(health.journal, "failing");
  assert.ok(health.journalFaults >= 3, `${health.journalFaults} tries`);
  assert.match(health.problem ?? "", /journal could not be written: write .*ENOSPC/);
  assert.deepEqual(
    bench.faults.slice(0, 3).map(({ retryMs }) => retryMs),
    [250, 500, 1000],
  );
  await assert.rejects(storage.writeSnapshot(facts(2), bytes("at 2")), {
    code: "snapshot-failed",
    hint: /Free space/,
  });
  assert.equal(storage.health().snapshot, "failing");
  assert.ok(!(await bench.files(storage)).some((name) => name.endsWith(".tmp")));
  bench.sim.setFaults({});
  await bench.elapse(30_000);
  assert.equal(storage.health().journal, "ok");
  await storage.writeSnapshot(facts(2), bytes("at 2"));
  assert.equal(storage.health().problem, undefined);
  storage.append(3, bytes("three"));
  await storage.flush();
  bench.sim.crash("power");
  const { deltas, tip } = await bench.open().recover();
  assert.deepEqual(texts(deltas), ["three"]);
  assert.deepEqual(tip, { epoch: 1, tick: 3 });
});

test("retries on a failing disk do not fill it with copies of the journal", async () => {
  const bench = new Bench();
  const storage = await bench.running({ journalSyncMs: 10 });
  bench.sim.setFaults({ syncError: 1 });
  storage.append(1, bytes("one"));
  await bench.elapse(120_000);
  assert.ok(storage.health().journalFaults > 5);
  const journals = (await bench.files(storage)).filter((name) => name.endsWith(".journal"));
  assert.ok(journals.length <= 2, journals.join(", "));
});

test("a full queue refuses: the tick may be offered again, or a snapshot helps", async () => {
  const bench = new Bench();
  const storage = await bench.running({ maxJournalQueueBytes: 100 });
  assert.equal(storage.append(1, Buffer.alloc(60)), true);
  assert.equal(storage.append(2, Buffer.alloc(60)), false);
  assert.equal(storage.needsSnapshot, true);
  assert.equal(storage.append(3, bytes("x")), false, "tick 2 is missing");
  await storage.flush();
  assert.equal(storage.append(2, Buffer.alloc(60)), true);
  assert.equal(storage.needsSnapshot, false);
  assert.equal(storage.append(3, Buffer.alloc(60)), false);
  await storage.writeSnapshot(facts(3), bytes("at 3"));
  assert.equal(storage.needsSnapshot, false);
  assert.equal(storage.health().journalRefused, 2);
});

test("deltas behind a snapshot that failed are not called durable", async () => {
  const bench = new Bench();
  const storage = bench.open();
  await storage.recover();
  await storage.nextEpoch();
  bench.sim.setFaults({ writeError: 1 });
  const failed = assert.rejects(storage.writeSnapshot(facts(0), bytes("at 0")), {
    code: "snapshot-failed",
  });
  assert.equal(storage.append(1, bytes("one")), true);
  const flushed = assert.rejects(storage.flush(), { code: "snapshot-failed" });
  await failed;
  await flushed;
  await assert.rejects(storage.flush(), { code: "journal-gap" });
  assert.equal(storage.needsSnapshot, true);
  assert.equal(await storage.markClean(1), false);
});

test("one snapshot at a time", async () => {
  const storage = await new Bench().running();
  const first = storage.writeSnapshot(facts(1), bytes("at 1"));
  await assert.rejects(storage.writeSnapshot(facts(1), bytes("at 1")), {
    code: "snapshot-running",
  });
  await first;
});

test("only so many snapshots are kept", async () => {
  const bench = new Bench();
  const storage = await bench.running({ keepSnapshots: 2 });
  for (let tick = 1; tick <= 5; tick++) {
    storage.append(tick, bytes(`${tick}`));
    await storage.writeSnapshot(facts(tick), bytes(`at ${tick}`));
  }
  storage.append(6, bytes("6"));
  await storage.flush();
  assert.deepEqual(await bench.files(storage), [
    "0000000001-0000000000000004-000005.journal",
    "0000000001-0000000000000004.snapshot",
    "0000000001-0000000000000005-000006.journal",
    "0000000001-0000000000000005.snapshot",
    "run",
  ]);
});

test("a folder that cannot be read stops the start and says what to do", async () => {
  const bench = new Bench();
  bench.sim.setFaults({ otherError: 1 });
  await assert.rejects(bench.open().recover(), {
    code: "storage-unusable",
    message: /files of world Arena cannot be used: make folder/,
    hint: /The disk reports errors/,
  });
});

test("worlds whose names differ in case only have different folders", () => {
  const bench = new Bench();
  assert.notEqual(bench.open({ world: "arena" }).dir, bench.open({ world: "Arena" }).dir);
  assert.match(bench.open({ world: "Arena" }).dir, /worlds.%41rena.main$/);
  assert.match(bench.open({ world: "nul" }).dir, /worlds.%6eul.main$/);
  assert.match(bench.open({ world: "../é" }).dir, /worlds.%2e%2e%2f%c3%a9.main$/);
});

/** As control planes give it: revisions of a store that was restored once are above 2^40. */
const given = (turn: number, lastTurn: Ownership["lastTurn"], world = 7): Ownership => ({
  epoch: 2 ** 40 * 8_191 + turn,
  world,
  turn,
  lastTurn,
});

async function runOwned(bench: Bench, ownership: Ownership, tick: number, clean = true) {
  const storage = bench.open();
  const recovery = await storage.recover();
  const run = await storage.nextEpoch(ownership);
  await storage.writeSnapshot(facts(tick), bytes(`at ${tick}`));
  if (clean) assert.ok(await storage.markClean(tick));
  await storage.stop();
  return { ...run, state: recovery.snapshot && Buffer.from(recovery.snapshot.state).toString() };
}

test("owned by a control plane, a shard acts at the given epoch and goes on if nobody had it since", async () => {
  const bench = new Bench();
  const first = await runOwned(bench, given(1, "none"), 1);
  assert.deepEqual([first.epoch, first.timeline], [given(1, "none").epoch, first.epoch]);
  const second = await runOwned(bench, given(3, 1), 2);
  assert.deepEqual([second.epoch, second.timeline], [given(3, 1).epoch, first.timeline]);
  assert.equal(second.state, "at 1");
  // Another node had turn 5.
  const third = await runOwned(bench, given(7, undefined), 3);
  assert.equal(third.timeline, third.epoch);
  assert.equal(third.state, "at 2");
  // It had turn 9, too, and could not be opened at it.
  const fourth = await runOwned(bench, { ...given(11, 9), sinceTurn: 8 }, 4, false);
  assert.equal(fourth.timeline, fourth.epoch);
  const fifth = await runOwned(bench, given(12, 11), 5);
  assert.equal(fifth.timeline, fifth.epoch, "it was not stopped in order");
  assert.equal(fifth.state, "at 4");
  // Nobody else had it since, but it was not run at turn 13.
  const sixth = await runOwned(bench, { ...given(14, 13), sinceTurn: 11 }, 6);
  assert.equal(sixth.timeline, fifth.timeline);
});

test("what ran without a control plane goes on with the first owner, also from epochs above its own", async () => {
  const bench = new Bench();
  const alone = await bench.running();
  await alone.markClean(0);
  await alone.stop();
  const low = { epoch: 1, world: 7, turn: 1, lastTurn: "none" } as const;
  const first = await runOwned(bench, low, 1);
  assert.deepEqual([first.epoch, first.timeline, first.state], [1, 1, "at 0"]);
  const again = await runOwned(bench, { ...low, epoch: 3, turn: 3, lastTurn: 1 }, 2);
  assert.deepEqual([again.epoch, again.timeline, again.state], [3, 1, "at 1"]);
  const without = await bench.open();
  await without.recover();
  const { epoch, timeline } = await without.nextEpoch();
  assert.deepEqual([epoch, timeline], [4, 1]);
});

test("a world made anew under the same name does not begin with the files of the old one", async () => {
  const bench = new Bench();
  await runOwned(bench, given(1, "none"), 1);
  const storage = bench.open();
  await storage.recover();
  assert.ok(storage.isOf(given(2, undefined)));
  assert.ok(!storage.isOf(given(2, undefined, 8)));
  await storage.discard();
  // A start that failed after it: what was put aside is still there.
  await storage.discard();
  const files = await bench.files(storage);
  assert.equal(files.filter((name) => name.endsWith(".snapshot.discarded")).length, 1);
  await storage.nextEpoch(given(2, undefined, 8));
});
