import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  claimShard,
  createWorld,
  encodeRecord,
  firstShard,
  migrationKey,
  mirrorKey,
  nodeKey,
  ownerKey,
  type Proposal,
  registerNode,
  shardKey,
  worldKey,
} from "@atlasnet/core";
import { nodeRecord, worldRecord } from "@atlasnet/core/testing";
import type { RebalancePlan } from "../../placement/rebalance-plan.ts";
import { readRecord } from "../record-access.ts";
import { apiScene } from "../testing/scene.ts";

const MOVE = {
  ...{ from: "gs-1", to: "gs-2", live: true, reason: "it has stayed overloaded" },
  fromLoad: { before: 0.9, after: 0.7 },
  toLoad: { before: 0.1, after: 0.3 },
};
const move = (world: string) => ({ ...MOVE, world, shard: firstShard(world) });
const PLAN: RebalancePlan = {
  ...{ enabled: true, liveMoves: true, moves: [], stay: [], more: 0 },
};

/** An API whose placement has a plan, and two gameservers; the first has the world arena. */
async function scene(t: TestContext, plan: RebalancePlan | undefined) {
  const api = await apiScene({}, { rebalance: { plan: async () => plan } });
  t.after(() => api.close());
  const { store, leases } = api;
  const run = async (made: Proposal<string>) => {
    assert.ok(made.ok);
    assert.ok((await store.txn(made.txn)).succeeded);
  };
  for (const node of ["gs-1", "gs-2"]) {
    const record = nodeRecord({ boot: `${node}-boot`, state: "ready" });
    const before = await readRecord(store, "node", nodeKey(node));
    await run(registerNode(node, before, { record, generation: 0, previousBoot: undefined }));
    leases.add(node);
  }
  const [shard, world] = [firstShard("arena"), worldKey("arena")];
  await run(createWorld("arena", await readRecord(store, "world", world), worldRecord()));
  const value = encodeRecord("shard", { wanted: "gs-1", reason: "placed" });
  await store.txn({ compare: [], then: [{ type: "put", key: shardKey(shard), value }] });
  const view = {
    world: await readRecord(store, "world", world),
    shard: await readRecord(store, "shard", shardKey(shard)),
    owner: await readRecord(store, "owner", ownerKey(shard)),
    ownerNode: await readRecord(store, "node", nodeKey("")),
    node: await readRecord(store, "node", nodeKey("gs-1")),
    mirror: await readRecord(store, "mirror", mirrorKey(shard)),
  };
  await run(claimShard(shard, view, { node: "gs-1", boot: "gs-1-boot", generation: 0 }));
  const ask = async (method: "GET" | "POST") => {
    const answer = await fetch(`${api.addresses[0]}/v1/rebalance`, {
      method,
      headers: { authorization: `Bearer ${api.token}` },
    });
    const body: unknown = await answer.json();
    return { status: answer.status, body };
  };
  const migration = () => readRecord(store, "migration", migrationKey(shard));
  return { ask, migration };
}

test("the plan is shown as it is, and changes nothing", async (t) => {
  const plan = { ...PLAN, moves: [move("arena")], stay: [{ node: "gs-2", load: 0.1, why: "so" }] };
  const { ask, migration } = await scene(t, plan);
  assert.deepEqual(await ask("GET"), { status: 200, body: plan });
  assert.equal((await migration()).record, undefined);
});

test("a round begins the moves of the plan, and says what cannot be moved", async (t) => {
  const plan = { ...PLAN, moves: [move("arena"), move("gone"), { ...move("x"), live: false }] };
  const { ask, migration } = await scene(t, plan);
  const { status, body } = await ask("POST");
  assert.equal(status, 200, JSON.stringify(body));
  const { record } = await migration();
  assert.deepEqual([record?.from, record?.to], ["gs-1", "gs-2"]);
  assert.deepEqual(body, {
    begun: [{ shard: "arena/0", id: record?.id, from: "gs-1", to: "gs-2" }],
    refused: [{ shard: "gone/0", code: "not-found", message: "there is no world gone" }],
  });
});

test("a round is refused where worlds are not moved while they run; a plan, while nobody leads", async (t) => {
  const off = await scene(t, { ...PLAN, liveMoves: false, moves: [move("arena")] });
  assert.equal((await off.ask("POST")).status, 409);
  assert.equal((await off.migration()).record, undefined);
  const alone = await scene(t, undefined);
  assert.equal((await alone.ask("GET")).status, 503);
});
