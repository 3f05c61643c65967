import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { ArtifactStore } from "@atlasnet/artifacts";
import {
  beginMigration,
  InProcessNetwork,
  type LinkMessage,
  migrationKey,
  nodeKey,
  removeWorld,
  shardChannel,
  snapshotKey,
  updateWorld,
  worldKey,
} from "@atlasnet/core";
import { claimView, TinyStore } from "@atlasnet/core/testing";
import { shardFolder } from "../durability/file-names.ts";
import { openSnapshotStore, type StoreOfShard } from "../snapshots/snapshot-store.ts";
import { type Counted, CountingNode, until } from "../testing/counting-node.ts";

const SHARD = "arena/0";

async function scene(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "atlasnet-asleep-"));
  const tiny = new TinyStore();
  const opened = openSnapshotStore(join(dir, "store"), {});
  let isDown = false;
  const storeOf: StoreOfShard = (world, shard) => {
    const store = opened(world, shard);
    const put: ArtifactStore["put"] = async (...all) =>
      isDown ? Promise.reject(new Error("the store is down")) : store.put(...all);
    return new Proxy(store, {
      get: (target, name) => (name === "put" ? put : Reflect.get(target, name).bind(target)),
    });
  };
  const network = new InProcessNetwork({ verify: true });
  const make = (node: string) => new CountingNode({ node, dir, tiny, storeOf, network });
  const g = make("g");
  const h = make("h");
  t.after(async () => {
    await Promise.all([g.stop(), h.stop()]);
    rmSync(dir, { recursive: true, force: true });
  });
  await Promise.all([g.start(), h.start()]);
  await until(() => [g, h].every(({ control }) => control.states.includes("ready")));
  const record = { graceSeconds: 0, sleepAfterSeconds: 1 } as const;
  g.control.createWorld(
    "arena",
    { module: { source: "node", path: "./counter.mjs" }, ...record },
    "g",
  );
  const owner = () => g.control.owner("arena");
  const recorded = () => tiny.seen("snapshot", snapshotKey(SHARD)).record;
  const asleep = () => until(() => g.server.asleep === 1);
  /** A player comes, and goes; then the world sleeps. */
  const visit = async (before?: Counted) => {
    const player = await g.watch(before);
    g.leave(player);
    await asleep();
    return player;
  };
  const setDown = (down: boolean) => {
    isDown = down;
  };
  const world = () => {
    const { record } = tiny.seen("world", worldKey("arena"));
    assert.ok(record !== undefined);
    return record;
  };
  return { g, h, dir, tiny, network, owner, recorded, asleep, visit, setDown, world };
}

/** A busy machine is slow. */
const isOfItsOwn = (line: string) => !line.includes("cannot keep up");

const last = (counts: readonly number[]) => counts.at(-1) ?? 0;

test("a world sleeps when its last player has gone, stays this node's, and wakes for the next one", async (t) => {
  const { g, tiny, owner, visit, asleep } = await scene(t);
  const ann = await visit();
  const { modified } = owner();
  assert.deepEqual(
    g.server.hosted.map(({ shard, epoch }) => ({ shard, epoch })),
    [{ shard: SHARD, epoch: modified }],
    "proxies find it here",
  );
  assert.deepEqual(g.control.asleep?.(), { shards: [SHARD] }, "the control plane hears of it");
  const lists = g.told.filter(({ type }) => type === "hosting");
  assert.equal(lists.length, 1, "of a control plane, proxies are told once, when they link");
  const bob = await g.watch();
  assert.equal(owner().modified, modified, "it was not claimed again");
  assert.deepEqual([bob.epoch, bob.timeline], [modified, ann.timeline]);
  assert.ok((bob.counts[0] ?? 0) > last(ann.counts), "it goes on where it was");
  assert.equal(g.server.asleep, 0);
  assert.equal(g.control.asleep?.(), undefined);
  g.leave(bob);
  await asleep();
  const before = tiny.seen("world", worldKey("arena"));
  assert.ok(before.record !== undefined);
  const made = updateWorld("arena", before, before.record);
  assert.ok(made.ok && tiny.txn(made.txn).succeeded);
  await until(() => g.server.wakes.woken === 2);
  assert.equal(owner().modified, modified, "an operator has woken it");
  await asleep();
  assert.deepEqual(g.lines.filter(isOfItsOwn), []);
});

test("a world that sleeps is given back as it is, with its last state recorded", async (t) => {
  const { g, h, recorded, owner, visit } = await scene(t);
  const ann = await visit();
  await until(() => (recorded()?.newest.tick ?? 0) > last(ann.counts));
  assert.equal(recorded()?.final, false, "it may wake and go on");
  g.control.want("arena", "h");
  const bob = await h.watch();
  assert.equal(owner().record?.node, "h");
  assert.equal(bob.timeline, ann.timeline);
  assert.ok((bob.counts[0] ?? 0) > last(ann.counts));
  assert.deepEqual([g.server.asleep, g.server.wakes.woken], [0, 0], "nobody had to wake it");
  assert.deepEqual(g.lines.filter(isOfItsOwn), []);
});

test("a world that sleeps moves like any other: it wakes for that", async (t) => {
  const { h, tiny, owner, visit } = await scene(t);
  const ann = await visit();
  const view = {
    ...claimView(tiny, "arena", "h"),
    migration: tiny.seen("migration", migrationKey(SHARD)),
  };
  const target = tiny.seen("node", nodeKey("h"));
  const wish = {
    id: "0".repeat(16),
    to: "h",
    reason: "operator",
    started: Date.now(),
    deadlineMs: 30_000,
  } as const;
  const made = beginMigration(SHARD, { ...view, target }, wish, tiny.generation);
  assert.ok(made.ok && tiny.txn(made.txn).succeeded);
  await until(() => owner().record?.node === "h");
  const bob = await h.watch();
  assert.equal(bob.timeline, ann.timeline);
  assert.ok((bob.counts[0] ?? 0) > last(ann.counts));
  h.leave(bob);
  await until(() => h.server.asleep === 1);
});

test("a world whose files were changed while it slept is claimed anew, and opened from what there is", async (t) => {
  const { g, dir, owner, recorded, visit } = await scene(t);
  const ann = await visit();
  await until(() => (recorded()?.newest.tick ?? 0) > last(ann.counts));
  const { modified } = owner();
  const folder = shardFolder(join(dir, "g"), "arena", SHARD);
  const names = readdirSync(folder).filter((name) => name.includes("snapshot"));
  assert.ok(names.length > 0, readdirSync(folder).join());
  for (const name of names) {
    const file = join(folder, name);
    writeFileSync(
      file,
      readFileSync(file).map((byte, at) => (at === 200 ? byte ^ 1 : byte)),
    );
  }
  g.server.wake(SHARD);
  await until(() => owner().modified > modified && g.epoch === owner().modified);
  const bob = await g.watch();
  assert.ok((bob.counts[0] ?? 0) > last(ann.counts), "the snapshot store had it");
  assert.ok(g.lines.some((line) => line.includes("could not fall asleep or wake")));
});

test("a node that is lost, or stops, while its world sleeps leaves it in order", async (t) => {
  const { g, h, owner, recorded, asleep, visit } = await scene(t);
  const ann = await visit();
  await g.control.lose();
  assert.deepEqual(g.server.hosted, []);
  g.control.register();
  await until(() => g.epoch !== undefined);
  assert.equal(g.epoch, owner().modified);
  const bob = await g.watch();
  assert.equal(bob.timeline, ann.timeline);
  g.leave(bob);
  await asleep();
  await g.host.drain();
  assert.equal(owner().record?.state, "released");
  assert.equal(recorded()?.final, true);
  h.control.want("arena", "h");
  assert.equal((await h.watch()).timeline, ann.timeline);
});

test("two players who come at the same time wake a world once, and both are in", async (t) => {
  const { g, network, owner, visit } = await scene(t);
  await visit();
  const link = await network.node({ role: "proxy", node: "q" }).connect("g");
  const { modified: epoch } = owner();
  const second = new Promise<LinkMessage>((resolve) => {
    link.channel(shardChannel(SHARD)).onMessage((message) => {
      if (message.type === "attached" || message.type === "closed") resolve(message);
    });
  });
  const first = g.watch();
  link.channel(shardChannel(SHARD)).send({
    ...{ type: "attach", shard: SHARD, epoch, attach: 1, account: "bea", name: "Bea", data: null },
    ...{ stream: new Uint8Array(8), attempt: 1, firstUnacked: 1, lastReceived: 0 },
  });
  assert.equal((await second).type, "attached");
  assert.equal((await first).epoch, epoch);
  assert.equal(g.server.wakes.woken, 1);
});

test("a world that sleeps is disabled, changed and removed as it is: nobody wakes it for that", async (t) => {
  const { g, tiny, owner, asleep, visit, world } = await scene(t);
  const ann = await visit();
  g.control.changeWorld("arena", { ...world(), enabled: false });
  await until(() => owner().record?.state === "released");
  assert.deepEqual([g.server.hosted, g.server.asleep, g.server.wakes.woken], [[], 0, 0]);
  g.control.changeWorld("arena", { ...world(), enabled: true });
  const bob = await g.watch();
  assert.equal(bob.timeline, ann.timeline);
  assert.ok((bob.counts[0] ?? 0) > last(ann.counts), "it goes on where it was");
  g.leave(bob);
  await asleep();
  const { modified } = owner();
  g.control.changeWorld("arena", { ...world(), config: { level: 2 } });
  await until(() => owner().modified > modified && g.epoch === owner().modified);
  await asleep();
  const seen = tiny.seen("world", worldKey("arena"));
  const removed = removeWorld("arena", seen);
  assert.ok(removed.ok && tiny.txn(removed.txn).succeeded);
  await until(() => g.server.hosted.length === 0);
  assert.deepEqual([g.server.asleep, g.server.wakes.woken], [0, 0]);
  assert.deepEqual(g.lines.filter(isOfItsOwn), []);
});

test("a snapshot store that is down keeps no world awake; what it slept in is recorded later", async (t) => {
  const { g, recorded, visit, setDown } = await scene(t);
  setDown(true);
  const ann = await visit();
  assert.equal(recorded(), undefined);
  setDown(false);
  await until(() => (recorded()?.newest.tick ?? 0) > last(ann.counts));
  assert.deepEqual([g.server.asleep, g.server.wakes.woken], [1, 0]);
});
