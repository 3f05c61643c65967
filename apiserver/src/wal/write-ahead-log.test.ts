import assert from "node:assert/strict";
import { test } from "node:test";
import { type Disk, type Logger, noopLogger, type OperatingError } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import type { Entry } from "../raft/core/types.ts";
import type { Save, Stored, WalOptions } from "./wal-options.ts";
import { WriteAheadLog } from "./write-ahead-log.ts";

const DIR = "/log";
const MEMBERS = { voters: ["a"], learners: [], incarnations: { a: 7 } };

function entry(index: number, bytes = 3): Entry {
  return { term: 1, index, type: "command", data: new Uint8Array(bytes).fill(index) };
}

class Scene {
  readonly random = new SeededRandom(1);
  readonly sim = new SimDisk({}, { random: this.random });
  readonly clock = new SimClock();
  readonly lines: string[] = [];
  readonly failures: unknown[] = [];

  get disk(): Disk {
    return this.sim.process();
  }

  open(options: Partial<WalOptions> = {}): Promise<{ log: WriteAheadLog; stored: Stored }> {
    const write = (message: string): void => {
      this.lines.push(message);
    };
    const logger: Logger = { ...noopLogger, info: write, warn: write, error: write };
    const { clock, random, disk } = this;
    return WriteAheadLog.open(
      { dir: DIR, identity: { cluster: "c", node: "a" }, segmentBytes: 16 * 1024, ...options },
      { disk, clock, logger, random, onFailed: (error) => this.failures.push(error) },
    );
  }

  /** Opens, saves, closes; what the next opening finds. */
  async saved(...saves: Save[]): Promise<Stored> {
    const { log } = await this.open();
    for (const save of saves) await log.save(save);
    await log.close();
    const again = await this.open();
    await again.log.close();
    return again.stored;
  }

  async names(end: string): Promise<string[]> {
    return (await this.disk.list(DIR)).filter((name) => name.endsWith(end));
  }

  async refused(options: Partial<WalOptions> = {}): Promise<OperatingError> {
    let found: OperatingError | undefined;
    await assert.rejects(this.open(options), (error: OperatingError) => {
      found = error;
      return error.hint !== undefined && error.hint.length > 20;
    });
    if (found === undefined) throw new Error("unreachable");
    return found;
  }

  async checkpoint(log: WriteAheadLog, index: number, state: string) {
    const writer = log.beginCheckpoint({ index, term: 1, members: MEMBERS });
    await writer.write(Buffer.from(state));
    return await writer.finish();
  }
}

async function stateOf(log: WriteAheadLog): Promise<string | undefined> {
  const reader = await log.readCheckpoint();
  if (reader === undefined) return undefined;
  const state: Buffer[] = [];
  for await (const chunk of reader.chunks()) state.push(Buffer.from(chunk));
  reader.close();
  return Buffer.concat(state).toString();
}

const plain = (entries: readonly Entry[]) =>
  entries.map(({ term, index, type, data }) => ({
    term,
    index,
    type,
    data: Uint8Array.from(data),
  }));

test("a new log is empty; what was saved is there again, all of it", async () => {
  const scene = new Scene();
  const { log, stored } = await scene.open();
  assert.deepEqual(stored, {
    hardState: { term: 0, vote: "" },
    checkpoint: undefined,
    entries: [],
  });
  assert.equal(log.life, 1);
  await log.close();
  const entries: Entry[] = [
    entry(1),
    { term: 1, index: 2, type: "no-op", data: new Uint8Array(0) },
    { term: 1, index: 3, type: "members", data: Uint8Array.of(1, 2) },
  ];
  const found = await scene.saved(
    { hardState: { term: 3, vote: "nöd" } },
    { entries },
    { truncateFrom: 3, entries: [entry(3, 0)], hardState: { term: 4, vote: "" } },
  );
  assert.deepEqual(found.hardState, { term: 4, vote: "" });
  assert.deepEqual(plain(found.entries), plain([...entries.slice(0, 2), entry(3, 0)]));
});

test("restarts do not pile up segments, and count lives under one incarnation", async () => {
  const scene = new Scene();
  await scene.saved({ entries: [entry(1)] });
  const incarnations = new Set<number>();
  for (let life = 3; life < 9; life++) {
    const { log, stored } = await scene.open({ create: false });
    assert.equal(log.life, life);
    assert.equal(stored.entries.length, 1);
    incarnations.add(log.identity.incarnation);
    await log.close();
  }
  assert.equal(incarnations.size, 1);
  assert.equal((await scene.disk.list(DIR)).length, 1);
});

test("entries larger than a segment get one of their own", async () => {
  const scene = new Scene();
  const large = [entry(1, 40_000), entry(2), entry(3, 100_000)];
  const { entries } = await scene.saved(...large.map((one) => ({ entries: [one] })));
  assert.deepEqual(plain(entries), plain(large));
});

test("a directory of another cluster or node is refused, saying which", async () => {
  const scene = new Scene();
  await scene.saved({ entries: [entry(1)] });
  const cluster = await scene.refused({ identity: { cluster: "other", node: "a" } });
  assert.equal(cluster.code, "wal-wrong-cluster");
  assert.match(cluster.message, /segment-0000000002.wal belongs to the cluster "c".*"other"/);
  const node = await scene.refused({ identity: { cluster: "c", node: "b" } });
  assert.equal(node.code, "wal-wrong-node");
  assert.match(node.message, /belongs to the node "a"; this node is "b"/);
});

test("files of two logs in one directory are refused", async () => {
  const [one, two] = [new Scene(), new Scene()];
  two.random.float();
  await one.saved(...[1, 2, 3, 4].map((i) => ({ entries: [entry(i, 6_000)] })));
  await two.saved({ entries: [entry(1)] });
  const [name = ""] = await two.names(".wal");
  const bytes = await two.disk.read(`${DIR}/${name}`);
  const file = await one.disk.open(`${DIR}/segment-0000000099.wal`);
  await file.write(bytes);
  assert.equal((await one.refused()).code, "wal-mixed");
});

test("a node that must have a log does not make one", async () => {
  const scene = new Scene();
  const refused = await scene.refused({ create: false });
  assert.equal(refused.code, "wal-missing");
  assert.deepEqual(await scene.disk.list(DIR), []);
});

test("a newer format is refused by name, not taken for damage", async () => {
  const scene = new Scene();
  await scene.saved({ entries: [entry(1)] });
  const [name = ""] = await scene.names(".wal");
  const path = `${DIR}/${name}`;
  const bytes = await scene.disk.read(path);
  bytes[8] = 9;
  await scene.disk.remove(path);
  await (await scene.disk.open(path)).write(bytes);
  const refused = await scene.refused();
  assert.equal(refused.code, "wal-newer-format");
  assert.match(refused.message, /has format version 9; this AtlasNet reads up to 1/);
});

test("a segment that is missing or cut short is refused, naming it", async () => {
  const scene = new Scene();
  const saves = Array.from({ length: 12 }, (_, i) => ({ entries: [entry(i + 1, 6_000)] }));
  await scene.saved(...saves);
  const segments = await scene.names(".wal");
  assert.ok(segments.length > 3);
  const path = `${DIR}/${segments[1]}`;
  const bytes = await scene.disk.read(path);
  await scene.disk.remove(path);
  const missing = await scene.refused();
  assert.equal(missing.code, "wal-incomplete");
  assert.match(missing.message, new RegExp(`${segments[2]} begins with frame \\d+, and frames`));
  await (await scene.disk.open(path)).write(bytes.subarray(0, 9_000));
  const short = await scene.refused();
  assert.equal(short.code, "wal-damaged");
  assert.match(short.message, new RegExp(`${segments[1]} is damaged at byte 9000`));
  const first = `${DIR}/${segments[0]}`;
  await scene.disk.remove(path);
  await (await scene.disk.open(path)).write(bytes);
  await scene.disk.remove(first);
  assert.match((await scene.refused()).message, /entries 1 to \d+ are in no file/);
});

test("a torn end is cut off and said; damage is refused with file and byte, and nothing is changed", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  await log.save({ entries: [entry(1)] });
  await log.save({ entries: [entry(2, 2_000)] });
  const [name = ""] = await scene.names(".wal");
  const path = `${DIR}/${name}`;
  const bytes = await scene.disk.read(path);
  scene.sim.damage(path, 700);
  const before = await scene.disk.list(DIR);
  const refused = await scene.refused();
  assert.equal(refused.code, "wal-damaged");
  assert.deepEqual(refused.facts, { path, at: 576 });
  assert.deepEqual(await scene.disk.list(DIR), before);
  await scene.disk.remove(path);
  await (await scene.disk.open(path)).write(Buffer.from(bytes).fill(0, 2_000));
  const { stored } = await scene.open();
  assert.equal(stored.entries.length, 1);
  assert.ok(scene.lines.some((line) => line.startsWith("The end of the Raft log was torn")));
});

test("many saves at once take few syncs", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  await Promise.all(Array.from({ length: 200 }, (_, i) => log.save({ entries: [entry(i + 1)] })));
  assert.equal(log.figures.saves, 200);
  assert.ok(log.figures.groups <= 3, `${log.figures.groups} groups`);
  await log.close();
  await assert.rejects(log.save({ entries: [entry(201)] }), /closed/);
  assert.equal((await scene.open()).stored.entries.length, 200);
});

test("a save that cannot follow is refused, and the log goes on", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  await assert.rejects(log.save({ entries: [entry(2)] }), /entry 2 follows entry 0/);
  await log.save({ entries: [entry(1)] });
  await log.close();
  assert.equal((await scene.open()).stored.entries.length, 1);
});

test("after a failed sync every call fails with the same error, and the node is told once", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  scene.sim.setFaults({ syncError: 1 });
  const errors: unknown[] = [];
  const note = (error: unknown) => errors.push(error);
  await log.save({ entries: [entry(1)] }).catch(note);
  scene.sim.setFaults({});
  await log.save({ entries: [entry(2)] }).catch(note);
  await log.save({}).catch(note);
  assert.equal(errors.length, 3);
  assert.equal(new Set(errors).size, 1);
  assert.deepEqual(scene.failures, [errors[0]]);
  assert.match(String(errors[0]), /the Raft log in \/log failed: sync .*: EIO/);
  await log.close();
});

test("a full disk shows when the next segment is prepared, and fails the log when it is needed", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  scene.sim.setFaults({ capacityBytes: scene.sim.usedBytes + 100 });
  await log.save({ entries: [entry(1, 9_000)] });
  await log.save({ entries: [entry(2, 3_000)] });
  assert.ok(scene.lines.some((line) => line.includes("could not be prepared")));
  await assert.rejects(log.save({ entries: [entry(3, 9_000)] }), { code: "wal-failed" });
  scene.sim.crash("process");
  scene.sim.setFaults({});
  assert.equal((await scene.open()).stored.entries.length, 2);
});

test("a checkpoint covers entries; two are kept, with the segments since the older one", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  for (let index = 1; index <= 20; index++) {
    await log.save({ entries: [entry(index, 6_000)] });
    if (index % 5 !== 0) continue;
    const checkpoint = await scene.checkpoint(log, index - 1, `state ${index - 1}`);
    await log.save({ checkpoint });
  }
  await settle();
  assert.equal(await stateOf(log), "state 19");
  await log.close();
  assert.equal((await scene.names(".ckpt")).length, 2);
  assert.ok((await scene.names(".wal")).length <= 5);
  const { log: again, stored } = await scene.open();
  assert.deepEqual(stored.checkpoint, { index: 19, term: 1, members: MEMBERS, size: 8 });
  assert.deepEqual(plain(stored.entries), plain([entry(20, 6_000)]));
  assert.equal(await stateOf(again), "state 19");
});

test("a checkpoint beyond the end replaces the log, together with what is saved with it", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  await log.save({ entries: [entry(1), entry(2)] });
  const checkpoint = await scene.checkpoint(log, 50, "theirs");
  await log.save({ hardState: { term: 9, vote: "" }, checkpoint, entries: [entry(51)] });
  await log.close();
  const { stored } = await scene.open();
  assert.equal(stored.checkpoint?.index, 50);
  assert.deepEqual(plain(stored.entries), plain([entry(51)]));
});

test("a damaged checkpoint is made good by the older one, once; without it the start is refused", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  for (let index = 1; index <= 9; index++) {
    await log.save({ entries: [entry(index, 6_000)] });
    if (index % 4 === 0)
      await log.save({ checkpoint: await scene.checkpoint(log, index, `state ${index}`) });
  }
  await log.close();
  assert.ok((await scene.names(".wal")).length > 1);
  const damage = async (index: number) => {
    const [name = ""] = (await scene.names(".ckpt")).filter((n) =>
      n.startsWith(`checkpoint-${index}-`),
    );
    const { length } = await scene.disk.read(`${DIR}/${name}`);
    scene.sim.damage(`${DIR}/${name}`, length - 20);
  };
  await damage(8);
  for (let round = 0; round < 2; round++) {
    const { log: again, stored } = await scene.open();
    assert.equal(stored.checkpoint?.index, 4);
    assert.deepEqual(
      plain(stored.entries),
      plain([5, 6, 7, 8, 9].map((index) => entry(index, 6_000))),
    );
    assert.equal(await stateOf(again), "state 4");
    await again.close();
    assert.equal((await scene.names(".ckpt")).length, 1);
  }
  assert.equal(scene.lines.filter((line) => line.startsWith("A checkpoint is damaged")).length, 1);
  await damage(4);
  const refused = await scene.refused();
  assert.equal(refused.code, "wal-damaged");
  assert.match(refused.message, /checkpoint-4-[0-9a-f]{8}.ckpt is damaged at byte \d+: chunk 0/);
});

test("a checkpoint in reading stays until the reader is closed", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  for (let index = 1; index <= 4; index++) await log.save({ entries: [entry(index)] });
  await log.save({ checkpoint: await scene.checkpoint(log, 1, "one") });
  const reader = await log.readCheckpoint();
  for (const index of [2, 3])
    await log.save({ checkpoint: await scene.checkpoint(log, index, `${index}`) });
  for (let turn = 0; turn < 10; turn++) await settle();
  assert.equal((await scene.names(".ckpt")).length, 3);
  assert.equal(Buffer.from((await reader?.read(0, 10)) ?? []).toString(), "one");
  reader?.close();
  for (let turn = 0; turn < 10; turn++) await settle();
  assert.equal((await scene.names(".ckpt")).length, 2);
});

test("a checkpoint is written and read in chunks, from any offset", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  await log.save({ entries: [entry(1)] });
  const state = Buffer.from(scene.random.bytes(700_000));
  const writer = log.beginCheckpoint({ index: 1, term: 1, members: MEMBERS });
  for (let at = 0; at < state.length; at += 90_001)
    await writer.write(state.subarray(at, at + 90_001));
  await log.save({ checkpoint: await writer.finish() });
  const reader = await log.readCheckpoint();
  assert.equal(reader?.checkpoint.size, state.length);
  for (const offset of [0, 1, 262_143, 262_144, 600_000, 699_999, 700_000]) {
    const part: Buffer = Buffer.from((await reader?.read(offset, 5_000)) ?? []);
    assert.ok(part.equals(state.subarray(offset, offset + part.length)));
    assert.equal(part.length > 0, offset < state.length);
  }
  reader?.close();
});

test("a checkpoint that is given up or fails leaves nothing behind, and the log goes on", async () => {
  const scene = new Scene();
  const { log } = await scene.open();
  await log.save({ entries: [entry(1)] });
  const place = { index: 1, term: 1, members: MEMBERS };
  const given = log.beginCheckpoint(place);
  await given.write(new Uint8Array(300_000));
  await given.abort();
  await given.abort();
  const failing = log.beginCheckpoint(place);
  scene.sim.setFaults({ capacityBytes: scene.sim.usedBytes + 1000 });
  await assert.rejects(failing.write(new Uint8Array(300_000)), { code: "checkpoint-failed" });
  await assert.rejects(failing.finish(), /failed/);
  await failing.abort();
  assert.equal((await scene.disk.list(DIR)).length, 1);
  await log.save({ entries: [entry(2)] });
});
