import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  cordonNode,
  createWorld,
  generationOf,
  type KeyValue,
  NODES,
  nodeKey,
  type Proposal,
  SHARDS,
  WORLDS,
  worldKey,
} from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { worldRecord } from "@atlasnet/core/testing";
import { RESTORE_FENCE } from "../store/restore-fence.ts";
import { ReplicaGroup } from "./testing/replica-group.ts";
import { LEASE_MS, LOAD, ownerOf, read, TestNode, wantedOf } from "./testing/test-node.ts";

interface Scene {
  readonly group: ReplicaGroup;
  run<T>(work: Promise<T>): Promise<T>;
  node(id: string): Promise<TestNode>;
  world(name: string): Promise<void>;
  stateOf(node: string): Promise<string | undefined>;
}

/** Replica a leads. */
async function scene(t: TestContext): Promise<Scene> {
  const group = new ReplicaGroup();
  t.after(() => group.stop());
  const run = <T>(work: Promise<T>) => group.clock.drive(work, settle);
  const txn = async (made: Proposal<string>) => {
    assert.ok(made.ok);
    assert.ok((await group.leading.store.txn(made.txn)).succeeded);
  };
  group.elect("a");
  await group.elapse(100);
  return {
    group,
    run,
    node: async (id) => {
      const node = new TestNode(id, group);
      assert.ok(await run(node.register()));
      await run(node.renew());
      return node;
    },
    world: async (name) => {
      const { store } = group.leading;
      const before = await read(store, "world", worldKey(name));
      await run(txn(createWorld(name, before, worldRecord())));
    },
    stateOf: async (node) => (await read(group.leading.store, "node", nodeKey(node))).record?.state,
  };
}

test("worlds are placed; whoever renews is kept over a change of the leader, whoever does not is lost, and replaced", async (t) => {
  const { group, run, node, world, stateOf } = await scene(t);
  const first = await node("gs-1");
  await world("arena");
  await group.elapse(500);
  assert.equal(await wantedOf(group.leading.store, "arena"), "gs-1");
  assert.equal(await run(first.claim("arena")), true);
  const second = await node("gs-2");
  group.elect("b");
  await group.elapse(100);
  assert.equal(((await run(first.renew())) as { ok: boolean }).ok, true);
  await group.elapse(5 * LEASE_MS);
  assert.deepEqual([await stateOf("gs-1"), await stateOf("gs-2")], ["ready", "ready"]);
  assert.equal(await ownerOf(group.leading.store, "arena"), "gs-1");
  first.kill();
  const killedAt = group.clock.now();
  while (first.lease.mayAct()) {
    assert.equal(await stateOf("gs-1"), "ready", "lost while it may act");
    await group.elapse(10);
  }
  await group.elapse(LEASE_MS);
  assert.ok(group.clock.now() - killedAt < 3 * LEASE_MS);
  assert.equal(await stateOf("gs-1"), "lost");
  assert.equal(await wantedOf(group.leading.store, "arena"), "gs-2");
  assert.equal(await run(second.claim("arena")), true);
  assert.deepEqual(await run(first.renew()), { ok: false, code: "unknown-node" });
  assert.ok(await run(first.register()));
  assert.equal(((await run(first.renew())) as { ok: boolean }).ok, true);
});

test("a new leader declares nobody lost before a full lease, whoever is gone", async (t) => {
  const { group, node, stateOf } = await scene(t);
  const gone = await node("gs-1");
  gone.kill();
  await group.elapse(LEASE_MS * 0.9);
  group.elect("b");
  await group.elapse(LEASE_MS);
  assert.equal(await stateOf("gs-1"), "ready");
  await group.elapse(LEASE_MS * 0.1);
  assert.equal(await stateOf("gs-1"), "lost");
});

test("a former leader that does not know so answers nobody and declares nobody", async (t) => {
  const { group, run, node, stateOf } = await scene(t);
  const one = await node("gs-1");
  const old = group.get("a");
  old.isCut = true;
  group.elect("b");
  await group.elapse(50);
  const asked = old.role.leases.renew("gs-1", { boot: one.boot, number: 99, load: LOAD });
  await assert.rejects(run(asked), { code: "timeout" });
  await group.elapse(5 * LEASE_MS);
  assert.equal(await stateOf("gs-1"), "ready");
  assert.ok(old.role.figures.leases.declared > 0, "it believed to lead, and tried");
  old.learn();
  await group.elapse(2 * LEASE_MS);
  assert.equal(await stateOf("gs-1"), "ready");
  const { leads, leases, placement } = old.role.figures;
  assert.deepEqual([leads, leases.known, placement.pending], [false, 0, 0]);
  assert.deepEqual(
    await run(old.role.leases.renew("gs-1", { boot: one.boot, number: 100, load: LOAD })),
    {
      ok: false,
      code: "not-leader",
    },
  );
});

test("a renewal whose round goes over a change of the leader is not answered", async (t) => {
  const { group, run, node } = await scene(t);
  const one = await node("gs-1");
  const asked = group
    .get("a")
    .role.leases.renew("gs-1", { boot: one.boot, number: 99, load: LOAD });
  group.elect("b");
  assert.deepEqual(await run(asked), { ok: false, code: "not-leader" });
});

test("from the moment that this apiserver does not lead any more it holds no lease, also before it was told", async (t) => {
  const { group, run, node } = await scene(t);
  const one = await node("gs-1");
  const old = group.get("a");
  assert.equal(old.role.leases.holds("gs-1"), true);
  const renewal = { boot: one.boot, number: 99, load: LOAD };
  const asked = old.role.leases.renew("gs-1", renewal);
  old.isCut = true;
  group.elect("b");
  old.learnSilently();
  assert.equal(old.role.leases.holds("gs-1"), false);
  old.isCut = false;
  assert.deepEqual(await run(asked), { ok: false, code: "not-leader" });
  assert.deepEqual(old.role.leases.expired(1e9), []);
  assert.equal(old.role.leases.declare("gs-1", 1e9), false);
});

test("a new leader begins once it has applied what it inherited", async (t) => {
  const { group, run, node, stateOf } = await scene(t);
  const next = group.get("b");
  next.isBehind = true;
  const one = await node("gs-1");
  group.elect("b");
  await group.elapse(500);
  assert.equal(next.role.figures.leads, false);
  assert.deepEqual(await run(one.renew()), { ok: false, code: "not-leader" });
  next.isBehind = false;
  next.catchUp();
  await group.elapse(500);
  assert.equal(next.role.figures.leads, true);
  await group.elapse(3 * LEASE_MS);
  assert.equal(await stateOf("gs-1"), "ready");
});

test("while a loss is on its way no renewal is answered; when it fails they are again", async (t) => {
  const { group, run, node, stateOf } = await scene(t);
  const one = await node("gs-1");
  one.kill();
  const { store, role } = group.leading;
  // The record changes right before the loss: the loss does not count.
  const before = await read(store, "node", nodeKey("gs-1"));
  const cordon = cordonNode("gs-1", before, generationOf(before.modified), true);
  assert.ok(cordon.ok);
  await group.elapse(LEASE_MS * 0.9);
  group.held = true;
  const cordoned = store.txn(cordon.txn);
  await group.elapse(LEASE_MS * 0.3);
  assert.equal(role.figures.leases.declared, 1);
  assert.equal(role.leases.holds("gs-1"), false);
  const asked = one.renew();
  await group.elapse(20);
  group.release();
  assert.ok((await run(cordoned)).succeeded);
  await run(asked);
  assert.equal(await stateOf("gs-1"), "ready");
  const answer = await run(one.renew());
  assert.ok(answer !== "failed" && answer.ok);
  assert.equal(role.leases.holds("gs-1"), true);
  assert.ok(role.figures.placement.transactions.failed > 0);
});

test("a declared node gets no answer but that, until it is decided", async (t) => {
  const { group, run, node } = await scene(t);
  const one = await node("gs-1");
  one.kill();
  await group.elapse(LEASE_MS * 0.9);
  const { role } = group.leading;
  // Its round is over before the loss is decided, for rounds do not wait for proposals.
  const { append } = group;
  group.append = (entry) => {
    const index = append.call(group, entry);
    return index;
  };
  for (let i = 0; i < 200 && role.figures.leases.declared === 0; i++) await group.elapse(1);
  assert.equal(role.figures.leases.declared, 1);
  const answer = await run(one.renew());
  assert.ok(answer !== "failed" && !answer.ok, JSON.stringify(answer));
});

test("proxies have leases and no worlds", async (t) => {
  const { group, run, world, stateOf } = await scene(t);
  const proxy = new TestNode("px-1", group);
  assert.ok(await run(proxy.register({ role: "proxy" })));
  await world("arena");
  await group.elapse(5 * LEASE_MS);
  assert.equal(await stateOf("px-1"), "ready");
  assert.equal(await wantedOf(group.leading.store, "arena"), undefined);
  proxy.kill();
  await group.elapse(2 * LEASE_MS);
  assert.equal(await stateOf("px-1"), "lost");
});

test("the leader says why a world is nowhere and how nodes are loaded; others do not", async (t) => {
  const { group, run, world } = await scene(t);
  await world("arena");
  await group.elapse(50);
  const { role } = group.leading;
  assert.deepEqual(role.problems("arena"), ["no gameserver is registered"]);
  assert.equal(group.get("b").role.problems("arena"), undefined);
  const one = new TestNode("gs-1", group);
  assert.ok(await run(one.register({ labels: { zone: "eu" } })));
  assert.deepEqual(role.loads(), new Map());
  await run(one.renew());
  assert.deepEqual(role.loads(), new Map([["gs-1", LOAD]]));
  assert.equal(group.get("b").role.loads(), undefined);
});

test("the leader knows what a node could not open, until it says otherwise or comes anew", async (t) => {
  const { group, run } = await scene(t);
  const one = new TestNode("gs-1", group);
  assert.ok(await run(one.register()));
  const { role } = group.leading;
  assert.deepEqual(role.failures(), []);
  const problem = { shard: "arena/0", problem: "no such file" };
  await run(one.renew([problem]));
  assert.deepEqual(role.failures(), [{ node: "gs-1", ...problem }]);
  assert.equal(group.get("b").role.failures(), undefined);
  await run(one.renew());
  assert.deepEqual(role.failures(), []);
  await run(one.renew([problem]));
  assert.ok(await run(one.register()));
  await group.elapse(50);
  assert.deepEqual(role.failures(), [], "of another boot nothing is known yet");
});

test("the leader knows how migrations come along, as their nodes said last", async (t) => {
  const { group, run } = await scene(t);
  const one = new TestNode("gs-1", group);
  assert.ok(await run(one.register()));
  const { role } = group.leading;
  const progress = {
    ...{ shard: "arena/0", id: "00ff00ff00ff00ff", phase: "copying" as const },
    ...{ bytes: 1, totalBytes: 2, lagTicks: 0 },
  };
  await run(one.renew([], [progress]));
  assert.deepEqual(role.migrations(), [{ node: "gs-1", ...progress }]);
  assert.equal(group.get("b").role.migrations(), undefined);
  await run(one.renew());
  assert.deepEqual(role.migrations(), []);
  await run(one.renew([], [progress]));
  assert.ok(await run(one.register()));
  await group.elapse(50);
  assert.deepEqual(role.migrations(), [], "of another boot nothing is known yet");
});

test("the leader knows which shards sleep, of those that the node which said so owns", async (t) => {
  const { group, run, node, world } = await scene(t);
  const one = await node("gs-1");
  await world("arena");
  await group.elapse(500);
  assert.equal(await run(one.claim("arena")), true);
  await group.elapse(50);
  const { role } = group.leading;
  const asleep = () => role.asleep(["arena/0", "lobby/0"]);
  assert.deepEqual(asleep(), []);
  await run(one.renew([], [], { shards: ["arena/0", "lobby/0"] }));
  assert.deepEqual(asleep(), ["arena/0"], "nobody owns the other");
  assert.equal(group.get("b").role.asleep(["arena/0"]), undefined);
  const two = new TestNode("gs-2", group);
  assert.ok(await run(two.register()));
  await run(two.renew([], [], { after: "arena/0", shards: [] }));
  assert.deepEqual(asleep(), ["arena/0"], "what another node says is of its own");
  await run(one.renew([], [], { after: "arena/0", shards: ["cave/0"] }));
  assert.deepEqual(asleep(), ["arena/0"], "it is not in that part");
  await run(one.renew());
  assert.deepEqual(asleep(), [], "none sleeps");
  await run(one.renew([], [], { shards: ["arena/0"] }));
  assert.ok(await run(one.register()));
  await group.elapse(50);
  assert.deepEqual(asleep(), [], "of another boot nothing is known yet");
});

test("placement goes on after a time without a quorum", async (t) => {
  const { group, run, node, world } = await scene(t);
  const one = await node("gs-1");
  group.held = true;
  const created = world("arena");
  await group.elapse(200);
  group.release();
  await created;
  group.held = true;
  await group.elapse(10_000);
  group.release();
  await group.elapse(20_000);
  assert.ok(group.leading.role.figures.placement.transactions.unknown > 0);
  assert.ok(await run(one.register()));
  await run(one.renew());
  await group.elapse(20_000);
  assert.equal(await wantedOf(group.leading.store, "arena"), "gs-1");
  assert.equal(await run(one.claim("arena")), true);
});

/** As a backup restores. */
async function restore(
  { group, run }: Scene,
  name: string,
  items: readonly KeyValue[],
  before: () => void = () => {},
): Promise<void> {
  const { store } = group.leading;
  await run(store.administer({ type: "restore-begin", restore: name }));
  await run(store.administer({ type: "restore-part", restore: name, part: 0, items }));
  before();
  await run(store.administer({ type: "restore-end", restore: name, parts: 1 }));
}

async function itemsOf({ group }: Scene): Promise<readonly KeyValue[]> {
  const { store } = group.leading;
  const all = await Promise.all(
    [NODES, WORLDS, SHARDS].map((prefix) => store.range({ prefix, consistency: "local" })),
  );
  return all.flatMap(({ items }) => items);
}

test("after a restore nobody owns a shard before one longest lease has passed", async (t) => {
  const all = await scene(t);
  const { group, run, node, world } = all;
  const one = await node("gs-1");
  const two = new TestNode("gs-2", group);
  assert.ok(await run(two.register({ leaseMs: 3 * LEASE_MS })));
  await world("arena");
  await group.elapse(200);
  const backup = (await itemsOf(all)).filter(({ key }) => key !== nodeKey("gs-2"));
  await restore(all, "r", backup);
  const restoredAt = group.clock.now();
  const { store, role } = group.leading;
  assert.equal(generationOf(store.revision), 1);
  for (const each of [one, two])
    assert.deepEqual(await run(each.renew()), { ok: false, code: "unknown-node" });
  assert.ok(await run(one.register()));
  const granted = await run(one.renew());
  assert.ok(granted !== "failed" && granted.ok);
  assert.equal(role.leases.holds("gs-1"), true);
  // Placed anew, for the backup does not know gs-2.
  await group.elapse(1500);
  assert.equal(await wantedOf(store, "arena"), "gs-1");
  assert.equal(await run(one.claim("arena")), false);
  assert.equal(role.figures.waitsAfterRestore, true);
  while ((await run(one.claim("arena"))) !== true) await group.elapse(20);
  const waited = group.clock.now() - restoredAt;
  assert.ok(waited >= 3 * LEASE_MS * 1.01, `only ${waited} ms`);
  assert.ok(waited < 4 * LEASE_MS);
  assert.equal(role.figures.waitsAfterRestore, false);
});

test("a leader elected after a restore waits one longest lease from its election", async (t) => {
  const all = await scene(t);
  const { group, run, node, world } = all;
  const one = await node("gs-1");
  await world("arena");
  await group.elapse(200);
  await restore(all, "r", await itemsOf(all));
  assert.ok(await run(one.register()));
  await group.elapse(LEASE_MS * 0.9);
  group.elect("b");
  const electedAt = group.clock.now();
  await group.elapse(50);
  await run(one.renew());
  while ((await run(one.claim("arena"))) !== true) await group.elapse(20);
  assert.ok(group.clock.now() - electedAt >= LEASE_MS);
  assert.ok(group.clock.now() - electedAt < 2 * LEASE_MS);
  group.elect("c");
  await group.elapse(50);
  const { items } = await run(group.leading.store.range({ key: RESTORE_FENCE }));
  assert.deepEqual(items, []);
});

test("a claim that was taken in before a restore and comes after it in the log does not count", async (t) => {
  const all = await scene(t);
  const { group, run, node, world } = all;
  const one = await node("gs-1");
  await world("arena");
  await group.elapse(200);
  const items = await itemsOf(all);
  const { store } = group.leading;
  await run(store.administer({ type: "restore-begin", restore: "r" }));
  await run(store.administer({ type: "restore-part", restore: "r", part: 0, items }));
  const claim = await one.claimOf("arena");
  assert.ok(claim.ok);
  const ended = store.administer({ type: "restore-end", restore: "r", parts: 1 });
  const claimed = store.txn(claim.txn);
  await run(ended);
  assert.equal((await run(claimed)).succeeded, false);
  assert.equal(generationOf(store.revision), 1);
  assert.equal(await ownerOf(store, "arena"), undefined);
});

test("a change to a restored record does not revive its boot; nodes that stay away are lost in the end", async (t) => {
  const all = await scene(t);
  const { group, run, node, stateOf } = all;
  const one = await node("gs-1");
  await node("gs-2").then((two) => two.kill());
  await restore(all, "r", await itemsOf(all));
  const { store } = group.leading;
  const before = await read(store, "node", nodeKey("gs-1"));
  assert.equal(cordonNode("gs-1", before, generationOf(store.revision), true).ok, false);
  // As one that was made before the restore and is applied after it.
  const cordon = cordonNode("gs-1", before, generationOf(before.modified), true);
  assert.ok(cordon.ok && (await run(store.txn(cordon.txn))).succeeded);
  assert.deepEqual(await run(one.renew()), { ok: false, code: "unknown-node" });
  await group.elapse(30_000);
  assert.equal(await stateOf("gs-2"), "ready");
  await group.elapse(35_000);
  assert.equal(await stateOf("gs-2"), "lost");
});

test("what a restore took away is gone from the view", async (t) => {
  const all = await scene(t);
  const { group, world } = all;
  await world("arena");
  await world("race");
  await group.elapse(100);
  const { role } = group.leading;
  assert.deepEqual(role.problems("race"), ["no gameserver is registered"]);
  await restore(
    all,
    "r",
    (await itemsOf(all)).filter(({ key }) => key !== worldKey("race")),
  );
  await group.elapse(100);
  assert.deepEqual(role.problems("race"), ["there is no world race"]);
  assert.deepEqual(role.problems("arena"), ["no gameserver is registered"]);
});

test("after a restore the view has nobody own anything", async (t) => {
  const all = await scene(t);
  const { group, run, node, world } = all;
  const one = await node("gs-1");
  await world("arena");
  await group.elapse(200);
  assert.equal(await run(one.claim("arena")), true);
  await group.elapse(50);
  const { role } = group.leading;
  assert.equal(role.problems("arena"), undefined);
  await restore(all, "r", await itemsOf(all));
  await group.elapse(10);
  assert.deepEqual(role.problems("arena"), ["gs-1 has not registered"]);
});

test("a role that was stopped sets no timer and answers nobody", async (t) => {
  const { group, run, node } = await scene(t);
  const one = await node("gs-1");
  one.kill();
  const { leases } = group.leading.role;
  for (const { role } of group.replicas) role.stop();
  await group.elapse(2000);
  const { pending } = group.clock;
  await group.elapse(60_000);
  assert.equal(pending, 0);
  assert.deepEqual(
    group.replicas.map(({ store }) => store.figures.watches),
    [0, 0, 0],
  );
  assert.deepEqual(await run(leases.renew("gs-1", { boot: one.boot, number: 9, load: LOAD })), {
    ok: false,
    code: "not-leader",
  });
});
