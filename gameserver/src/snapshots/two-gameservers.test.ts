import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { FakeBucket } from "@atlasnet/artifacts/testing";
import { snapshotKey } from "@atlasnet/core";
import { TinyStore } from "@atlasnet/core/testing";
import { CountingNode, holdRecords, until } from "../testing/counting-node.ts";
import { openSnapshotStore } from "./snapshot-store.ts";

const SHARD = "arena/0";

interface SceneOptions {
  readonly place?: string;
  readonly env?: { readonly [name: string]: string };
  readonly finishMs?: number;
}

async function scene(t: TestContext, { place, env = {}, finishMs }: SceneOptions = {}) {
  const dir = mkdtempSync(join(tmpdir(), "atlasnet-snapshots-"));
  const tiny = new TinyStore();
  // Revisions are above 2^40, as after a restore.
  tiny.restore(tiny.backup());
  const storeOf = openSnapshotStore(place ?? join(dir, "store"), env);
  const make = (node: string) =>
    new CountingNode({ node, dir, tiny, storeOf, ...(finishMs !== undefined && { finishMs }) });
  const g = make("g");
  const h = make("h");
  t.after(async () => {
    await Promise.all([g.stop(), h.stop()]);
    rmSync(dir, { recursive: true, force: true });
  });
  await Promise.all([g.start(), h.start()]);
  g.control.createWorld("arena", { module: { source: "node", path: "./counter.mjs" } }, "g");
  const record = () => tiny.seen("snapshot", snapshotKey(SHARD)).record;
  const owner = () => g.control.owner("arena");
  const objects = join(dir, "store", "arena", "0");
  return { g, h, tiny, record, owner, objects };
}

const last = (counts: readonly number[]) => counts.at(-1) ?? 0;

for (const store of ["a folder", "a bucket"])
  test(`a world that is given back goes on elsewhere exactly where it was: ${store}`, async (t) => {
    const options: { place?: string; env?: { [name: string]: string } } = {};
    if (store === "a bucket") {
      const key = { accessKeyId: "AKID", secretAccessKey: "s3cr3t", region: "eu-central-1" };
      const bucket = new FakeBucket({ bucket: "games", key, pageKeys: 100 });
      await bucket.start();
      t.after(() => bucket.stop());
      options.place = `s3://games/snaps?region=${key.region}&endpoint=${encodeURIComponent(bucket.endpoint)}`;
      options.env = { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "s3cr3t" };
    }
    const { g, h, record, owner } = await scene(t, options);
    const before = await g.watch();
    await until(() => record() !== undefined && last(before.counts) > 20);
    g.control.want("arena", "h");
    const after = await h.watch();
    assert.equal(after.timeline, before.timeline, "its players notice nothing but a pause");
    assert.ok((after.counts[0] ?? 0) > last(before.counts), "nothing that was seen is lost");
    assert.equal(owner().record?.node, "h");
    assert.deepEqual([record()?.node, record()?.final], ["g", true]);
    await until(() => last(after.counts) > 30 + last(before.counts));
    h.control.want("arena", "g");
    const back = await g.watch();
    assert.equal(back.timeline, before.timeline);
    assert.ok((back.counts[0] ?? 0) > last(after.counts), "its own older files do not count");
  });

test("what was not recorded when a node is lost is gone, also for that node, and it is told", async (t) => {
  const { g, h, record, owner } = await scene(t);
  const before = await g.watch();
  await until(() => record() !== undefined && last(before.counts) > 120);
  await g.control.lose();
  g.control.want("arena", "h");
  const after = await h.watch();
  assert.notEqual(after.timeline, before.timeline, "time went back");
  assert.equal(after.timeline, h.epoch);
  assert.ok((after.counts[0] ?? 0) < last(before.counts));
  assert.equal(record()?.epoch, owner().modified);
  assert.deepEqual([record()?.node, record()?.final], ["h", false], "the rest was given up");
  // It is lost as well, before it has a snapshot of its own: the other one has files of a branch that is over.
  g.control.register();
  await h.control.lose();
  g.control.want("arena", "g");
  const back = await g.watch();
  assert.ok(![before.timeline, after.timeline].includes(back.timeline));
  assert.ok((back.counts[0] ?? 0) < last(before.counts), "files of a branch that was given up");
});

test("what others did is given up before a world opens, not after", async (t) => {
  const { g, h, record, owner } = await scene(t);
  const before = await g.watch();
  await until(() => record() !== undefined && last(before.counts) > 120);
  const held = holdRecords(h);
  await g.control.lose();
  h.control.want("arena", "h");
  await until(() => held.length > 0);
  assert.equal(h.epoch, undefined, "nobody is told of another branch than the recorded one");
  // It is lost before anything of it is recorded: the files of the first one are still the newest.
  await h.control.lose();
  g.control.register();
  const alsoHeld = holdRecords(g);
  g.control.want("arena", "g");
  await until(() => alsoHeld.length > 0);
  assert.equal(
    g.epoch,
    undefined,
    "the other one may have gone on from the snapshot, and come back",
  );
  for (const go of [...held, ...alsoHeld]) go();
  const back = await g.watch();
  assert.ok((back.counts[0] ?? 0) > last(before.counts), "its own files count");
  assert.notEqual(back.timeline, before.timeline);
  assert.deepEqual([record()?.node, record()?.epoch], ["g", owner().modified]);
});

test("nodes that are lost in turn before anything was recorded: each goes on from its own files, and tells so", async (t) => {
  const { g, h, record } = await scene(t);
  holdRecords(g);
  holdRecords(h);
  const before = await g.watch();
  await until(() => last(before.counts) > 60);
  await g.control.lose();
  g.control.want("arena", "h");
  const after = await h.watch();
  assert.equal(after.timeline, h.epoch, "it began anew");
  assert.ok((after.counts[0] ?? 0) < last(before.counts));
  await until(() => last(after.counts) > 10);
  await h.control.lose();
  g.control.register();
  g.control.want("arena", "g");
  const back = await g.watch();
  assert.equal(record(), undefined);
  // No record says that the other one acted; that it may have, the owner's history does: nothing goes back in silence.
  assert.equal(back.timeline, g.epoch);
  assert.ok(back.timeline > after.timeline);
  assert.ok((back.counts[0] ?? 0) > last(after.counts), "its own files");
});

test("a damaged snapshot: the world is given back with the reason, and does not start empty", async (t) => {
  const { g, h, record, owner, objects } = await scene(t);
  const before = await g.watch();
  await until(() => record() !== undefined);
  await g.control.lose();
  const [name = ""] = readdirSync(objects);
  const file = join(objects, name);
  const good = readFileSync(file);
  writeFileSync(
    file,
    Uint8Array.from(good, (byte, at) => (at === 200 ? byte ^ 1 : byte)),
  );
  g.control.want("arena", "h");
  await until(() => h.lines.some((line) => line.includes("could not be opened")));
  assert.match(h.lines.join("\n"), /snapshot of world arena .* cannot be had: .*SHA-256/);
  await until(() => owner().record?.state === "released");
  assert.equal(h.epoch, undefined);
  rmSync(file);
  h.control.want("arena", undefined);
  h.control.want("arena", "h");
  await until(() => h.lines.join("\n").includes("holds no snapshot"));
  writeFileSync(file, good);
  h.control.want("arena", undefined);
  await until(() => owner().record?.state === "released");
  h.control.want("arena", "h");
  const after = await h.watch();
  assert.notEqual(after.timeline, before.timeline);
});

test("a node that stops records the last state of its worlds before it gives them back", async (t) => {
  const { g, h, record } = await scene(t);
  const before = await g.watch();
  await until(() => last(before.counts) > 20);
  await g.host.drain();
  assert.equal(record()?.final, true);
  assert.deepEqual(g.control.states.slice(-2), ["draining", "stopped"]);
  h.control.want("arena", "h");
  const after = await h.watch();
  assert.equal(after.timeline, before.timeline);
  assert.ok((after.counts[0] ?? 0) > last(before.counts));
});

test("a store that is away: a world that is to move plays on until it is back", async (t) => {
  const key = { accessKeyId: "AKID", secretAccessKey: "s3cr3t", region: "eu-central-1" };
  const bucket = new FakeBucket({ bucket: "games", key, pageKeys: 100 });
  await bucket.start();
  t.after(() => bucket.stop());
  const place = `s3://games/snaps?region=${key.region}&endpoint=${encodeURIComponent(bucket.endpoint)}`;
  const env = { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "s3cr3t" };
  const { g, h, record } = await scene(t, { place, env });
  const before = await g.watch();
  await until(() => record() !== undefined && g.snapshots.waiting === 0);
  for (let i = 0; i < 3; i++) bucket.faults.push({ type: "status", status: 503 });
  g.control.want("arena", "h");
  await until(() => bucket.faults.length === 0);
  const count = last(before.counts);
  await until(() => last(before.counts) > count + 20);
  assert.equal(g.lines.filter((line) => line.includes("takes no snapshots")).length, 1);
  const after = await h.watch();
  assert.equal(after.timeline, before.timeline);
});

test("a world that cannot be recorded when its node stops is said to be so, and given back in time", async (t) => {
  const key = { accessKeyId: "AKID", secretAccessKey: "s3cr3t", region: "eu-central-1" };
  const bucket = new FakeBucket({ bucket: "games", key, pageKeys: 100 });
  await bucket.start();
  const place = `s3://games/snaps?region=${key.region}&endpoint=${encodeURIComponent(bucket.endpoint)}`;
  const env = { AWS_ACCESS_KEY_ID: "AKID", AWS_SECRET_ACCESS_KEY: "s3cr3t" };
  const { g, record, owner } = await scene(t, { place, env, finishMs: 50 });
  await g.watch();
  await until(() => record() !== undefined);
  await bucket.stop();
  await g.host.drain();
  assert.equal(owner().record?.state, "released");
  assert.equal(record()?.final, false);
  assert.ok(g.lines.some((line) => line.includes("on this node's disk only")));
});
