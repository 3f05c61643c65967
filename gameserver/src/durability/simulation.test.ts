import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { basename, dirname, join } from "node:path";
import { test } from "node:test";
import { type Disk, type DiskFile, noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimDisk, type SimDiskFaults } from "@atlasnet/core/sim";
import { defineWorld, uint } from "@atlasnet/world";
import { JournalEncoder, type JournalRecord } from "./journal-file.ts";
import type { Position } from "./position.ts";
import { openShardStorage, type ShardStorage } from "./shard-storage.ts";

/**
 * A shard that lives, crashes and is restored, again and again, on a simulated disk under a seed.
 * Its state is a hash over everything that ever happened to it, so a delta left out, doubled, or
 * taken from another history shows. Checked after every restart:
 *
 * 1. What is restored is a state that was lived, and the state of that very position.
 * 2. It is not older than what was durable.
 * 3. The epoch grows, and the timeline goes on only where nothing was lost.
 */

const { data: schema } = defineWorld({ name: "sim", components: { box: { size: uint(9) } } });
const RUNS = 6;
const ACTIONS = 40;

interface Plan {
  seed: number;
  journal?: boolean;
  faults?: SimDiskFaults;
  /** Planted errors: the disk as a wrong storage would use it. */
  plant?: (disk: Disk) => Disk;
  maxQueueBytes?: number;
}

class Simulation {
  private readonly plan: Plan;
  private readonly random: SeededRandom;
  private readonly clock = new SimClock();
  private readonly disk: SimDisk;
  private readonly lived = new Map<string, string>();
  private epoch = 0;
  private timeline = 0;
  private end: Position | undefined;
  private floor: Position | undefined;
  /** The newest delta the journal took in this run. */
  private lastDelta: Position | undefined;
  private tick = 0;
  private hash = "";
  restored = 0;

  constructor(plan: Plan) {
    this.plan = plan;
    this.random = new SeededRandom(plan.seed);
    const slow = this.random.float() < 0.5;
    const latency = (): Promise<void> =>
      new Promise((resolve) => this.clock.setTimer(this.random.float() * (slow ? 40 : 2), resolve));
    this.disk = new SimDisk({}, { random: this.random, latency });
  }

  async run(): Promise<void> {
    for (let run = 0; run < RUNS; run++) {
      this.disk.setFaults({});
      if (this.random.float() < 0.3) await this.dieAtStart();
      const storage = this.open();
      await this.drive(this.restore(storage));
      this.disk.setFaults(this.plan.faults ?? {});
      await this.live(storage);
    }
  }

  private open(): ShardStorage {
    const process = this.disk.process();
    return openShardStorage(
      {
        dir: "/data",
        world: "sim",
        shard: "main",
        keepSnapshots: 2,
        journalSyncMs: 50,
        journal: this.plan.journal ?? true,
        maxJournalQueueBytes: this.plan.maxQueueBytes ?? 4096,
      },
      { disk: this.plan.plant?.(process) ?? process, clock: this.clock, logger: noopLogger },
    );
  }

  private async dieAtStart(): Promise<void> {
    const storage = this.open();
    void storage.recover().then(() => storage.nextEpoch());
    await this.elapse(this.random.float() * 150);
    this.crash(storage);
  }

  private async restore(storage: ShardStorage): Promise<void> {
    const { snapshot, deltas, tip, clean } = await storage.recover();
    let hash = snapshot === undefined ? "" : Buffer.from(snapshot.state).toString();
    for (const { bytes } of deltas) hash = next(hash, bytes);
    const there = `restored ${show(tip)}, last lived ${show(this.end)}, durable ${show(this.floor)}`;
    if (tip !== undefined) assert.equal(hash, this.lived.get(show(tip)), `not lived: ${there}`);
    if (this.floor !== undefined) {
      assert.ok(tip !== undefined && tip.epoch >= this.floor.epoch, `lost: ${there}`);
      assert.ok(tip.epoch > this.floor.epoch || tip.tick >= this.floor.tick, `lost: ${there}`);
    }
    assert.ok(!clean || show(tip) === show(this.end), `not the newest, yet clean: ${there}`);
    const { epoch, timeline } = await storage.nextEpoch();
    assert.ok(epoch > this.epoch, `epoch ${epoch} after ${this.epoch}`);
    assert.ok(clean ? timeline >= this.timeline : timeline > this.timeline, `timeline ${timeline}`);
    this.epoch = epoch;
    this.timeline = timeline;
    this.hash = hash;
    this.tick = tip?.tick ?? 0;
    this.end = this.floor = tip;
    this.lastDelta = undefined;
    if (tip !== undefined) this.restored++;
    // Half of the runs go on in the old journal, the other half begin with a snapshot.
    if (tip !== undefined && this.random.float() < 0.5) storage.continueRecovered();
  }

  private async live(storage: ShardStorage): Promise<void> {
    const running: Promise<void>[] = [];
    // A refusal is a fault of the disk: expected, and nothing counts as durable by it.
    const begin = (work: Promise<void>) => running.push(work.catch(() => undefined));
    for (let action = 0; action < ACTIONS; action++) {
      const dice = this.random.float();
      if (storage.needsSnapshot || dice < 0.06) begin(this.snapshot(storage));
      else if (dice < 0.12) begin(this.flush(storage));
      else if (dice < 0.7) this.append(storage);
      else await this.elapse(this.random.float() * 60);
      if (dice > 0.97) return this.crash(storage);
    }
    if (this.random.float() < 0.5) return this.crash(storage);
    this.disk.setFaults({});
    await this.drive(Promise.all(running).then(() => this.snapshot(storage)));
    assert.equal(await this.drive(storage.markClean(this.tick)), true);
    await this.drive(storage.stop());
    this.disk.crash("power");
  }

  private crash(storage: ShardStorage): void {
    this.disk.crash(this.random.float() < 0.5 ? "power" : "process");
    void storage.stop();
  }

  private append(storage: ShardStorage): void {
    const bytes = this.random.bytes(this.random.int(0, 200));
    const tick = this.tick + this.random.int(1, 2);
    // Full: the world pauses, and offers the tick again later.
    if (this.plan.journal !== false && !storage.append(tick, bytes)) return;
    this.tick = tick;
    this.hash = next(this.hash, bytes);
    const position = { epoch: this.epoch, tick };
    this.note(position);
    if (this.plan.journal !== false) this.lastDelta = position;
  }

  private note(position: Position): void {
    this.lived.set(show(position), this.hash);
    this.end = position;
  }

  private durable(position: Position): void {
    const floor = this.floor;
    if (floor === undefined || floor.epoch < position.epoch || floor.tick < position.tick)
      this.floor = position;
  }

  private async flush(storage: ShardStorage): Promise<void> {
    const delta = this.lastDelta;
    await storage.flush();
    if (delta !== undefined) this.durable(delta);
  }

  private async snapshot(storage: ShardStorage): Promise<void> {
    const position = { epoch: this.epoch, tick: this.tick };
    const facts = { module: { name: "sim", version: "1" }, schema, tick: this.tick };
    const written = storage.writeSnapshot(facts, Buffer.from(this.hash));
    this.note(position);
    await written;
    this.durable(position);
  }

  private drive<T>(work: Promise<T>): Promise<T> {
    return this.clock.drive(work, settle);
  }

  private elapse(ms: number): Promise<void> {
    return this.clock.elapse(ms, settle);
  }
}

function next(hash: string, bytes: Uint8Array): string {
  return createHash("sha1").update(hash).update(bytes).digest("hex");
}

function show(position: Position | undefined): string {
  return position === undefined ? "nothing" : `${position.epoch}/${position.tick}`;
}

/** Runs seeds until one fails; the number of restarts that found a state, or the failure. */
async function simulate(seeds: number, plan: Omit<Plan, "seed">): Promise<number> {
  let restored = 0;
  for (let seed = 1; seed <= seeds; seed++) {
    const simulation = new Simulation({ ...plan, seed });
    try {
      await simulation.run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      });
    }
    restored += simulation.restored;
  }
  return restored;
}

test("crashes cost nothing that was durable, and never mix histories", async () => {
  assert.ok((await simulate(60, {})) > 100);
});

test("the same without a journal", async () => {
  assert.ok((await simulate(20, { journal: false })) > 30);
});

test("the same on a disk that fails", async () => {
  const faults = { writeError: 0.05, syncError: 0.1, otherError: 0.03 };
  assert.ok((await simulate(60, { faults })) > 100);
});

test("the same on a full disk and with a tiny queue", async () => {
  assert.ok((await simulate(30, { faults: { capacityBytes: 6000 }, maxQueueBytes: 600 })) > 40);
});

/** A disk whose files are changed in some way. */
function withFiles(disk: Disk, wrap: (file: DiskFile, name: string) => DiskFile): Disk {
  return { ...disk, open: async (path) => wrap(await disk.open(path), basename(path)) };
}

const unsynced = (file: DiskFile): DiskFile => ({
  write: (bytes) => file.write(bytes),
  sync: async () => undefined,
  close: () => file.close(),
});

/** A reader that does not stop at a torn or damaged record. */
function readLax(bytes: Uint8Array): Uint8Array {
  const file = Buffer.from(bytes);
  if (file.length < 14 || file.length < 18 + file.readUInt32LE(10)) return bytes;
  const headerEnd = 14 + file.readUInt32LE(10);
  const header = JSON.parse(file.toString("utf8", 14, headerEnd));
  const records: JournalRecord[] = [];
  let at = headerEnd + 4;
  let tip: number = header.base.tick;
  while (at + 24 <= file.length) {
    const length = file.readUInt32LE(at);
    const tick = Math.max(tip + 1, Number(file.readBigUInt64LE(at + 12)));
    records.push({ previousTick: tip, tick, bytes: file.subarray(at + 20, at + 20 + length) });
    tip = tick;
    at += 24 + length;
  }
  const encoder = new JournalEncoder();
  return Buffer.concat([encoder.begin(header), encoder.records(records)]);
}

const planted: { [name: string]: (disk: Disk) => Disk } = {
  "a snapshot is renamed before it is synced": (disk) =>
    withFiles(disk, (file, name) => (name.endsWith(".snapshot.tmp") ? unsynced(file) : file)),
  "the journal is never synced": (disk) =>
    withFiles(disk, (file, name) => (name.endsWith(".journal") ? unsynced(file) : file)),
  "the folder is never synced": (disk) => ({ ...disk, syncDir: async () => undefined }),
  "old files are removed before the new one is durable": (disk) => ({
    ...disk,
    rename: async (from, to) => {
      const dir = dirname(to);
      const doomed = to.endsWith(".snapshot") ? await disk.list(dir) : [];
      for (const name of doomed)
        if (!name.endsWith(".tmp") && name !== "run") await disk.remove(join(dir, name));
      await disk.rename(from, to);
    },
  }),
  "reading does not stop at a torn record": (disk) => ({
    ...disk,
    read: async (path) =>
      path.endsWith(".journal") ? readLax(await disk.read(path)) : disk.read(path),
  }),
};

for (const [name, plant] of Object.entries(planted)) {
  test(`the checker sees it when ${name}`, async () => {
    await assert.rejects(simulate(200, { plant }), /^Error: seed \d+: /);
  });
}
