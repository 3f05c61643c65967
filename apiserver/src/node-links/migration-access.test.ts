import assert from "node:assert/strict";
import { test } from "node:test";
import {
  abortMigration,
  beginMigration,
  type Compare,
  changeNodeState,
  claimShard,
  createWorld,
  decodeRecord,
  encodeRecord,
  firstShard,
  type MigrationRecord,
  measureMove,
  migrationKey,
  mirrorKey,
  movedKey,
  nodeKey,
  type Operation,
  ownerKey,
  type Peer,
  type Proposal,
  registerNode,
  shardKey,
  switchShard,
  type TxnRequest,
  worldKey,
} from "@atlasnet/core";
import {
  claimView,
  migrationView,
  migrationWish,
  nodeRecord,
  TinyStore,
  wantShard,
  worldRecord,
} from "@atlasnet/core/testing";
import { txnProblem } from "./node-access.ts";

const shard = firstShard("arena");
const SOURCE: Peer = { role: "gameserver", node: "gs-1" };
const TARGET: Peer = { role: "gameserver", node: "gs-2" };
const OTHER: Peer = { role: "gameserver", node: "gs-3" };

function made<C extends string>(proposal: Proposal<C>): TxnRequest {
  return proposal.ok ? proposal.txn : assert.fail(proposal.problem);
}

/** A shard of gs-1 on its way to gs-2, as the real transactions have it. */
function scene(wish: Partial<MigrationRecord> = {}, keeps = false) {
  const store = new TinyStore();
  const propose = (txn: TxnRequest) => assert.ok(store.txn(txn).succeeded);
  const me = (node: string) => ({ node, boot: node, generation: store.generation });
  const world = worldRecord(keeps ? { durability: "mirror", failover: "manual" } : {});
  propose(made(createWorld("arena", store.seen("world", worldKey("arena")), world)));
  for (const { node } of [SOURCE, TARGET, OTHER]) {
    const seen = () => store.seen("node", nodeKey(node));
    const record = nodeRecord({ boot: node });
    const generation = store.generation;
    propose(made(registerNode(node, seen(), { record, generation, previousBoot: undefined })));
    store.leases.add(node);
    propose(made(changeNodeState(node, seen(), node, "ready")));
  }
  propose(wantShard(store, "arena", SOURCE.node));
  propose(made(claimShard(shard, claimView(store, "arena", SOURCE.node), me(SOURCE.node))));
  const view = () => migrationView(store, "arena", TARGET.node);
  const begun = beginMigration(
    shard,
    view(),
    migrationWish(1, { to: TARGET.node, ...wish }),
    store.generation,
  );
  assert.ok(begun.ok);
  propose(begun.txn);
  const switched = made(switchShard(shard, view(), me(TARGET.node), { ended: 2_000, keeps }));
  const abortedBy = (by: string) =>
    made(abortMigration(shard, view().migration, { by, problem: "why not", ended: 2_000 }));
  return { store, begin: begun.txn, switched, abortedBy };
}

const may = (peer: Peer, request: TxnRequest) => txnProblem(peer, request) === undefined;

/** The request, with what is returned in place of each operation or compare. */
function changed(
  request: TxnRequest,
  operation: (each: Operation) => readonly Operation[],
  compare: (each: Compare) => readonly Compare[] = (each) => [each],
): TxnRequest {
  return {
    ...request,
    then: request.then.flatMap(operation),
    compare: request.compare.flatMap(compare),
  };
}

/** A record of the switch as a node would write it that makes itself the owner, and knows how. */
function named(node: string, value: Uint8Array): Uint8Array {
  const [owner, wish, moved] = [
    decodeRecord("owner", value),
    decodeRecord("shard", value),
    decodeRecord("moved", value),
  ];
  if (owner.ok) return encodeRecord("owner", { ...owner.record, node });
  if (wish.ok) return encodeRecord("shard", { ...wish.record, wanted: node });
  return moved.ok ? encodeRecord("moved", { ...moved.record, by: node }) : value;
}

test("a switch may record its source as the mirror, and nobody else, nor in another way", () => {
  const { switched } = scene({}, true);
  const key = mirrorKey(shard);
  assert.equal(txnProblem(TARGET, switched), undefined);
  const recorded = switched.then.find((each) => each.type === "put" && each.key === key);
  assert.ok(recorded?.type === "put");
  const decoded = decodeRecord("mirror", recorded.value);
  assert.ok(decoded.ok);
  for (const other of [
    { node: OTHER.node },
    { boot: "another" },
    { epoch: 7 },
    { state: "asked" },
    { id: "f".repeat(16) },
  ] as const) {
    const value = encodeRecord("mirror", { ...decoded.record, ...other });
    const request = changed(switched, (each) => [
      each.type === "put" && each.key === key ? { ...each, value } : each,
    ]);
    assert.match(txnProblem(TARGET, request) ?? "", /is its source, in sync/);
  }
  const alone = changed(switched, (each) => ("key" in each && each.key === key ? [each] : []));
  assert.ok(!may(TARGET, alone) && !may(SOURCE, alone));
});

test("the target switches, and nobody else; source and target abort, and nobody else", () => {
  const { switched, abortedBy } = scene();
  assert.equal(txnProblem(TARGET, switched), undefined);
  assert.ok(!may(SOURCE, switched));
  assert.ok(!may(OTHER, switched));
  for (const peer of [SOURCE, TARGET])
    assert.equal(txnProblem(peer, abortedBy(peer.node)), undefined);
  assert.match(txnProblem(OTHER, abortedBy(OTHER.node)) ?? "", /no part in it/);
  assert.match(txnProblem(SOURCE, abortedBy(TARGET.node)) ?? "", /itself only/);
  const stolen = changed({ ...switched, leases: [OTHER.node] }, (each) => [
    each.type === "put" ? { ...each, value: named(OTHER.node, each.value) } : each,
  ]);
  assert.match(txnProblem(OTHER, stolen) ?? "", /on its way to gs-2, and not to gs-3/);
  const proxy: Peer = { role: "proxy", node: TARGET.node };
  assert.ok(!may(proxy, switched));
  assert.match(txnProblem(proxy, abortedBy(proxy.node)) ?? "", /only gameservers/);
});

test("no node begins a migration, or changes what the control plane wants, by itself", () => {
  const { begin, store } = scene();
  for (const peer of [SOURCE, TARGET, OTHER]) {
    assert.ok(!may(peer, begin));
    assert.ok(!may(peer, wantShard(store, "arena", peer.node)));
    for (const key of [migrationKey(shard), movedKey(shard), shardKey(shard)])
      assert.ok(!may(peer, { compare: [], then: [{ type: "delete", key }] }), key);
    assert.ok(!may(peer, { compare: [], then: [{ type: "delete", prefix: "shards/" }] }));
  }
});

test("a switch is whole, and compares the migration and the epoch that it ends", () => {
  const { switched } = scene();
  const keep = (each: Operation) => [each];
  for (const key of [ownerKey(shard), shardKey(shard), migrationKey(shard), movedKey(shard)]) {
    const without = changed(switched, (each) => ("key" in each && each.key === key ? [] : [each]));
    assert.equal(without.then.length, 3);
    assert.ok(!may(TARGET, without), `without ${key}`);
    const twice = changed(switched, (each) =>
      "key" in each && each.key === key ? [each, each] : [each],
    );
    assert.ok(!may(TARGET, twice), `twice ${key}`);
  }
  const free = changed(switched, keep, (each) => (each.type === "value" ? [] : [each]));
  assert.match(txnProblem(TARGET, free) ?? "", /compares its record/);
  const other = changed(switched, keep, (each) =>
    each.type === "modified" && each.key === ownerKey(shard)
      ? [{ ...each, revision: each.revision + 1 }]
      : [each],
  );
  assert.match(txnProblem(TARGET, other) ?? "", /the epoch that ends/);
  assert.match(txnProblem(TARGET, { ...switched, leases: [] }) ?? "", /lease/);
  const wants = encodeRecord("shard", { wanted: "gs-3", reason: "operator" });
  const elsewhere = changed(switched, (each) =>
    each.type === "put" && each.key === shardKey(shard) ? [{ ...each, value: wants }] : [each],
  );
  assert.match(txnProblem(TARGET, elsewhere) ?? "", /ask for gs-2/);
  assert.ok(!may(TARGET, { ...switched, then: [], otherwise: switched.then }));
});

test("a switch writes the module that the migration brings into the world's record, and nothing else of a world", () => {
  const module = { source: "node", path: "./next.js" } as const;
  const { store, switched, abortedBy } = scene({ module });
  assert.equal(txnProblem(TARGET, switched), undefined);
  const mirror: Operation = { type: "delete", key: mirrorKey(shard) };
  assert.ok(may(TARGET, { ...switched, then: [...switched.then, mirror] }), "it ends with it");
  const key = worldKey("arena");
  const keep = (each: Operation) => [each];
  const isWorld = (each: Operation | Compare) => "key" in each && each.key === key;
  const without = changed(switched, (each) => (isWorld(each) ? [] : [each]));
  assert.match(txnProblem(TARGET, without) ?? "", /all of this, once: .*put world/);
  const removed = changed(switched, (each) => (isWorld(each) ? [{ type: "delete", key }] : [each]));
  assert.ok(!may(TARGET, removed));
  const blind = changed(switched, keep, (each) =>
    each.type === "value" && isWorld(each) ? [] : [each],
  );
  assert.match(txnProblem(TARGET, blind) ?? "", /compares the world's record, as bytes/);
  const others = [
    worldRecord({ module, weight: 2 }),
    worldRecord({ module: { source: "node", path: "./other.js" } }),
    worldRecord(),
  ];
  for (const other of others) {
    const put: Operation = { type: "put", key, value: encodeRecord("world", other) };
    const instead = changed(switched, (each) => (isWorld(each) ? [put] : [each]));
    assert.match(txnProblem(TARGET, instead) ?? "", /changes nothing else of it/);
  }
  // Not by an abort, not where no module was asked for, not of another world, and not by itself.
  const put = switched.then.find(isWorld) ?? assert.fail("the switch writes it");
  const abort = abortedBy(TARGET.node);
  assert.match(txnProblem(TARGET, { ...abort, then: [...abort.then, put] }) ?? "", /no more/);
  const plain = scene().switched;
  assert.ok(!may(TARGET, { ...plain, then: [...plain.then, put] }));
  const value = encodeRecord("world", worldRecord({ module }));
  const lobby: Operation = { type: "put", key: worldKey("lobby"), value };
  assert.ok(!may(TARGET, { ...switched, then: [...switched.then, lobby] }));
  assert.match(txnProblem(TARGET, { ...switched, then: [put] }) ?? "", /may not write worlds/);
  assert.ok(store.txn(switched).succeeded);
  assert.deepEqual(store.seen("world", key).record, worldRecord({ module }));
});

test("an abort ends the migration that it compares, and does nothing else to the shard", () => {
  const { store, abortedBy } = scene();
  const abort = abortedBy(SOURCE.node);
  const { record } = store.seen("migration", migrationKey(shard));
  assert.ok(record !== undefined);
  const equals = encodeRecord("migration", { ...record, id: "f".repeat(16) });
  const another = changed(
    abort,
    (each) => [each],
    (each) => (each.type === "value" ? [{ ...each, equals }] : [each]),
  );
  assert.match(txnProblem(SOURCE, another) ?? "", /another migration/);
  const wish: Operation = {
    type: "put",
    key: shardKey(shard),
    value: encodeRecord("shard", { wanted: SOURCE.node, reason: "operator" }),
  };
  assert.match(txnProblem(SOURCE, { ...abort, then: [...abort.then, wish] }) ?? "", /no more/);
  const ofOther: Operation = { type: "delete", key: migrationKey("other/0") };
  assert.ok(!may(SOURCE, { ...abort, then: [...abort.then, ofOther] }));
  assert.ok(!may(SOURCE, { ...abort, then: [], otherwise: abort.then }));
});

test("the target adds what it measured to how its own switch ended", () => {
  const { store, switched } = scene();
  assert.ok(store.txn(switched).succeeded);
  const seen = store.seen("moved", movedKey(shard));
  const measure = made(measureMove(shard, seen, { gapMs: 40, bytes: 100 }));
  assert.equal(txnProblem(TARGET, measure), undefined);
  assert.ok(!may(SOURCE, measure));
  assert.ok(!may(TARGET, { ...measure, compare: measure.compare.slice(0, 1) }));
  assert.ok(!may(TARGET, { ...measure, compare: measure.compare.slice(1) }));
  assert.ok(store.txn(measure).succeeded);
});
