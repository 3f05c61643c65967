import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  encodeRecord,
  type MirrorRecord,
  mirrorKey,
  type NodeState,
  nodeKey,
  ownerKey,
  type RecordKind,
  type Records,
  shardKey,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import { nodeRecord, worldRecord } from "@atlasnet/core/testing";
import type { Target } from "../../leader/move-advice.ts";
import { readRecord } from "../record-access.ts";
import { apiScene } from "../testing/scene.ts";
import { eventOf } from "./events.ts";

const shard = "arena/0";

/** The arena ran on gs-1 and was mirrored on gs-2; gs-3 stands by. */
async function scene(t: TestContext, fields: Partial<WorldRecord> = {}) {
  const moves: { best: Target } = { best: { ok: true, node: "gs-3" } };
  const port = {
    target: () => moves.best,
    refusal: () => undefined,
    crowded: () => undefined,
    reports: async () => [],
  };
  const api = await apiScene({}, { moves: port });
  t.after(() => api.close());
  const { store } = api;
  const client = api.client();
  const put = async <K extends RecordKind>(kind: K, key: string, record: Records[K]) => {
    const value = encodeRecord(kind, record);
    return (await store.txn({ compare: [], then: [{ type: "put", key, value }] })).revision;
  };
  const set = (node: string, state: NodeState) =>
    put("node", nodeKey(node), { ...nodeRecord({ boot: node, state }), cordoned: false });
  for (const node of ["gs-1", "gs-2", "gs-3"]) await set(node, "ready");
  const record = worldRecord({ durability: "mirror", failover: "manual", ...fields });
  const world = await put("world", worldKey("arena"), record);
  await put("shard", shardKey(shard), { wanted: "gs-1", reason: "placed" });
  const owner = { world, node: "gs-1", boot: "gs-1", state: "owned" } as const;
  const epoch = await put("owner", ownerKey(shard), owner);
  const mirror: MirrorRecord = {
    ...{ id: "0".repeat(16), world, epoch, node: "gs-2", boot: "gs-2", state: "in-sync" },
  };
  await put("mirror", mirrorKey(shard), mirror);
  const ask = async (body: object = {}, of = "arena") =>
    Object(
      await client.request({
        ...{ method: "POST", path: `/v1/worlds/${of}/restore-from-snapshot`, body },
        id: client.newId(),
      }),
    );
  const placement = async () => {
    const path = "/v1/placements/arena";
    return Object(await client.request({ method: "GET", path })).placements[0];
  };
  const wanted = async () => (await readRecord(store, "shard", shardKey(shard))).record?.wanted;
  const isMirrored = async () =>
    (await readRecord(store, "mirror", mirrorKey(shard))).record !== undefined;
  return { ask, set, placement, wanted, isMirrored, moves, put, mirror };
}

const refusal = (code: string, message: RegExp) => (error: unknown) => {
  const { code: found, message: text, hint } = Object(error);
  assert.equal(found, code, text);
  assert.match(text, message);
  assert.match(hint, /./);
  return true;
};

test("placements name who mirrors a world, and say what it waits for", async (t) => {
  const { placement, set, put, mirror } = await scene(t);
  assert.deepEqual((await placement()).mirror, { node: "gs-2", state: "in-sync" });
  await set("gs-1", "lost");
  assert.match((await placement()).why[0], /its mirror on gs-2 takes over/);
  await set("gs-2", "lost");
  const { state, why } = await placement();
  assert.equal(state, "unplaced");
  assert.match(why[0], /gs-1, .* on gs-2 are gone, .*restore-from-snapshot/);
  await put("mirror", mirrorKey(shard), { ...mirror, epoch: mirror.epoch - 1 });
  assert.equal((await placement()).mirror, undefined, "it followed an earlier ownership");
});

test("a world begins again from a snapshot only when its owner and its mirror are lost, or by force", async (t) => {
  const { ask, set, wanted, isMirrored } = await scene(t);
  await assert.rejects(ask(), refusal("conflict", /gs-1, which has it, lives/));
  await set("gs-1", "lost");
  await assert.rejects(ask(), refusal("conflict", /mirror on gs-2 lives, and takes over/));
  assert.ok(await isMirrored());
  await set("gs-2", "lost");
  assert.equal((await ask()).node, "gs-3");
  assert.deepEqual([await wanted(), await isMirrored()], ["gs-3", false]);
  await assert.rejects(ask(), refusal("conflict", /no mirror in sync/));
  await assert.rejects(ask({}, "nowhere"), refusal("not-found", /no world nowhere/));
});

test("a world without a mirror in sync whose node is lost says that it waits, and for what", async (t) => {
  const { ask, set, placement, put, mirror } = await scene(t);
  await put("mirror", mirrorKey(shard), { ...mirror, state: "asked" });
  await set("gs-1", "lost");
  const waits = await placement();
  // gs-1 is still the one that was asked, and nobody else will be.
  assert.deepEqual([waits.state, waits.wanted], ["unplaced", "gs-1"]);
  assert.match(waits.why[0], /ran on gs-1, which is gone, .*manual.*--failover automatic/);
  const { hint } = await ask().catch((error: unknown) => Object(error));
  assert.match(hint, /world update arena --failover automatic/);
  await set("gs-1", "ready");
  assert.equal((await placement()).state, "owned");
});

test("by force the mirror of a world that runs is given up, and it stays where it is", async (t) => {
  const { ask, wanted, isMirrored } = await scene(t);
  assert.equal((await ask({ force: true })).node, undefined);
  assert.deepEqual([await wanted(), await isMirrored()], ["gs-1", false]);
});

test("a world whose node is back is left to that, and one with failover automatic to placement", async (t) => {
  const back = await scene(t);
  await back.set("gs-2", "lost");
  const again = { ...nodeRecord({ boot: "gs-1-again", state: "ready" }), cordoned: false };
  await back.put("node", nodeKey("gs-1"), again);
  assert.equal((await back.ask()).node, undefined);
  assert.equal(await back.wanted(), "gs-1", "its files are the newest there are");
  const automatic = await scene(t, { failover: "automatic" });
  for (const node of ["gs-1", "gs-2"]) await automatic.set(node, "lost");
  assert.equal((await automatic.ask()).node, undefined);
  assert.equal(await automatic.isMirrored(), false);
});

test("nothing is given up while there is nowhere to begin again", async (t) => {
  const { ask, set, isMirrored, moves } = await scene(t);
  for (const node of ["gs-1", "gs-2"]) await set(node, "lost");
  moves.best = { ok: false, problems: ["gs-3 is full"] };
  await assert.rejects(ask(), refusal("no-target", /gs-3 is full/));
  assert.ok(await isMirrored());
});

test("a mirror that is asked for, in sync or gone is an event", async (t) => {
  const { mirror } = await scene(t);
  const key = mirrorKey(shard);
  const item = { key, value: encodeRecord("mirror", mirror), created: 5, modified: 7, version: 1 };
  assert.deepEqual(eventOf({ type: "put", item }), {
    ...{ kind: "mirror", name: shard, change: "put", modified: 7, record: mirror },
  });
  const gone = eventOf({ type: "delete", key, modified: 8 });
  assert.deepEqual(gone, { kind: "mirror", name: shard, change: "delete", modified: 8 });
});
