import assert from "node:assert/strict";
import { test } from "node:test";
import {
  askMirror,
  beginMigration,
  type Compare,
  changeNodeState,
  claimShard,
  clearMirror,
  confirmMirror,
  createWorld,
  encodeRecord,
  firstShard,
  mirrorKey,
  nodeKey,
  type Operation,
  ownerKey,
  type Peer,
  type Proposal,
  promoteMirror,
  registerNode,
  releaseShard,
  shardKey,
  switchShard,
  type TxnRequest,
  withdrawMirror,
  worldKey,
} from "@atlasnet/core";
import {
  claimView,
  migrationView,
  migrationWish,
  mirrorView,
  nodeRecord,
  TinyStore,
  wantShard,
  worldRecord,
} from "@atlasnet/core/testing";
import { txnProblem } from "./node-access.ts";

const shard = firstShard("arena");
const OWNER: Peer = { role: "gameserver", node: "gs-1" };
const MIRROR: Peer = { role: "gameserver", node: "gs-2" };
const OTHER: Peer = { role: "gameserver", node: "gs-3" };

function made<C extends string>(proposal: Proposal<C>): TxnRequest {
  return proposal.ok ? proposal.txn : assert.fail(proposal.problem);
}

/** A shard of gs-1 that gs-2 is asked to mirror, then does, as the real transactions have it. */
function scene() {
  const store = new TinyStore();
  const propose = (txn: TxnRequest) => assert.ok(store.txn(txn).succeeded);
  const me = (node: string) => ({ node, boot: node, generation: store.generation });
  const world = worldRecord({ durability: "mirror" });
  propose(made(createWorld("arena", store.seen("world", worldKey("arena")), world)));
  for (const { node } of [OWNER, MIRROR, OTHER]) {
    const seen = () => store.seen("node", nodeKey(node));
    const { generation } = store;
    const record = nodeRecord({ boot: node });
    propose(made(registerNode(node, seen(), { record, generation, previousBoot: undefined })));
    store.leases.add(node);
    propose(made(changeNodeState(node, seen(), node, "ready")));
  }
  propose(wantShard(store, "arena", OWNER.node));
  propose(made(claimShard(shard, claimView(store, "arena", OWNER.node), me(OWNER.node))));
  const view = () => mirrorView(store, "arena", MIRROR.node);
  const { generation } = store;
  const id = "0".repeat(16);
  const asked = askMirror(shard, view(), { id, node: MIRROR.node, generation });
  assert.ok(asked.ok);
  propose(asked.txn);
  const epoch = view().owner.modified;
  const confirm = made(confirmMirror(shard, view().mirror, { epoch }));
  propose(confirm);
  const clear = made(clearMirror(shard, view(), { epoch }));
  const withdraw = made(withdrawMirror(shard, view().mirror, { ...me(MIRROR.node), follows: id }));
  const promote = made(promoteMirror(shard, view(), { ...me(MIRROR.node), follows: id }));
  const release = made(releaseShard(shard, view().owner, me(OWNER.node), view().mirror));
  const moving = migrationView(store, "arena", OTHER.node);
  const begun = beginMigration(shard, moving, migrationWish(1, { to: OTHER.node }), generation);
  assert.ok(begun.ok);
  propose(begun.txn);
  const toSwitch = migrationView(store, "arena", OTHER.node);
  const switched = made(switchShard(shard, toSwitch, me(OTHER.node), { ended: 2_000 }));
  return {
    ask: asked.txn,
    confirm,
    clear,
    withdraw,
    promote,
    release,
    switched,
    record: view().mirror.record,
  };
}

const may = (peer: Peer, request: TxnRequest) => txnProblem(peer, request) === undefined;
const without = (request: TxnRequest, drop: (each: Compare) => boolean): TxnRequest => ({
  ...request,
  compare: request.compare.filter((each) => !drop(each)),
});
const about = (key: string) => (each: Compare) => each.type !== "term" && each.key === key;
const puts = (request: TxnRequest, key: string, value: Uint8Array): TxnRequest => ({
  ...request,
  then: request.then.map((each) =>
    each.type === "put" && each.key === key ? { ...each, value } : each,
  ),
});

test("gameservers confirm, clear, release with and promote mirrors; nobody else does, and none asks", () => {
  const { ask, ...requests } = scene();
  const { confirm, clear, withdraw, promote, release, switched } = requests;
  for (const request of [confirm, clear, release])
    assert.equal(txnProblem(OWNER, request), undefined);
  for (const request of [promote, withdraw]) assert.equal(txnProblem(MIRROR, request), undefined);
  assert.equal(txnProblem(OTHER, switched), undefined, "a switch ends the source's mirror");
  for (const request of [confirm, clear, withdraw, promote, release])
    assert.ok(!may({ role: "proxy", node: "gs-2" }, request));
  for (const peer of [OWNER, MIRROR, OTHER]) {
    assert.ok(!may(peer, ask));
    for (const { then } of [confirm, clear, withdraw, promote]) {
      assert.ok(!may(peer, { compare: [], then: [], otherwise: then }));
      assert.ok(!may(peer, { compare: [], then }));
    }
  }
});

test("a mirror that a switch has recorded takes over from that switch, and from nothing else", () => {
  const { promote, record } = scene();
  assert.ok(record !== undefined);
  const byte = (epoch: number) => encodeRecord("mirror", { ...record, epoch });
  /** Of a record that names no epoch, and was written at `revision`. */
  const ofSwitch = (revision: number): TxnRequest => ({
    ...promote,
    compare: promote.compare.map((each) => {
      if (each.type === "term" || each.key !== mirrorKey(shard)) return each;
      return each.type === "value" ? { ...each, equals: byte(0) } : { ...each, revision };
    }),
  });
  assert.equal(txnProblem(MIRROR, ofSwitch(record.epoch)), undefined);
  assert.match(txnProblem(MIRROR, ofSwitch(record.epoch + 1)) ?? "", /the epoch that it follows/);
});

test("what an owner does about its mirror compares its ownership and the record", () => {
  const { confirm, clear, record } = scene();
  for (const request of [confirm, clear])
    for (const key of [ownerKey(shard), mirrorKey(shard)])
      assert.ok(!may(OWNER, without(request, about(key))), key);
  const absent: Compare = { type: "modified", key: ownerKey(shard), is: "equal", revision: 0 };
  const unowned = without(clear, about(ownerKey(shard)));
  assert.ok(!may(OWNER, { ...unowned, compare: [...unowned.compare, absent] }));
  assert.ok(record !== undefined);
  const later = encodeRecord("mirror", { ...record, epoch: record.epoch + 1 });
  assert.match(txnProblem(OWNER, puts(confirm, mirrorKey(shard), later)) ?? "", /with the epoch/);
  const asks = encodeRecord("mirror", { ...record, state: "asked" });
  assert.match(txnProblem(OWNER, puts(confirm, mirrorKey(shard), asks)) ?? "", /asks nobody/);
  const more: Operation = { type: "delete", key: shardKey(shard) };
  assert.ok(!may(OWNER, { ...clear, then: [...clear.then, more] }));
});

test("a mirror is cleared by its owner under its lease, withdrawn by itself, and by nobody else", () => {
  const { clear, withdraw } = scene();
  const { leases: _, ...unleased } = clear;
  assert.match(txnProblem(OWNER, unleased) ?? "", /own lease/);
  const isBytes = (each: Compare) => each.type === "value";
  assert.match(txnProblem(OWNER, without(clear, isBytes)) ?? "", /as bytes/);
  for (const peer of [MIRROR, OTHER])
    assert.match(txnProblem(peer, { ...clear, leases: [peer.node] }) ?? "", /gs-1 owns it/);
  for (const peer of [OWNER, OTHER]) assert.ok(!may(peer, withdraw), peer.node);
  assert.ok(!may(MIRROR, without(withdraw, isBytes)));
});

test("a mirror takes over whole, as itself, under its lease, from the epoch that it follows", () => {
  const { promote, record } = scene();
  assert.ok(record !== undefined);
  const isBytes = (each: Compare) => each.type === "value";
  assert.match(txnProblem(MIRROR, without(promote, isBytes)) ?? "", /as bytes/);
  assert.ok(
    !may(
      MIRROR,
      without(promote, (each) => !isBytes(each) && about(ownerKey(shard))(each)),
    ),
  );
  assert.match(txnProblem(MIRROR, { ...promote, leases: [] }) ?? "", /lease/);
  for (const key of [ownerKey(shard), shardKey(shard), mirrorKey(shard)]) {
    const part = promote.then.filter((each) => !("key" in each) || each.key !== key);
    assert.equal(part.length, 2);
    assert.ok(!may(MIRROR, { ...promote, then: part }), `without ${key}`);
  }
  const owned = {
    world: record.world,
    node: OTHER.node,
    boot: OTHER.node,
    state: "owned",
  } as const;
  const forOther = puts(promote, ownerKey(shard), encodeRecord("owner", owned));
  const stolen = { ...forOther, leases: [OTHER.node] };
  assert.match(txnProblem(OTHER, stolen) ?? "", /mirrors it, and not gs-3/);
  const anotherBoot = encodeRecord("owner", { ...owned, node: MIRROR.node, boot: "later" });
  assert.match(
    txnProblem(MIRROR, puts(promote, ownerKey(shard), anotherBoot)) ?? "",
    /with the boot/,
  );
  const wish = encodeRecord("shard", { wanted: OTHER.node, reason: "failover" });
  assert.match(txnProblem(MIRROR, puts(promote, shardKey(shard), wish)) ?? "", /ask for gs-2/);
  const equals = encodeRecord("mirror", { ...record, state: "asked" });
  const notYet = {
    ...promote,
    compare: promote.compare.map((each) => (each.type === "value" ? { ...each, equals } : each)),
  };
  assert.match(txnProblem(MIRROR, notYet) ?? "", /not in sync/);
});

test("a mirror goes with a release only, and not with another owner", () => {
  const { release, record } = scene();
  const owned = { world: record?.world ?? 0, node: OWNER.node, boot: "b", state: "owned" } as const;
  const kept = puts(release, ownerKey(shard), encodeRecord("owner", owned));
  assert.match(txnProblem(OWNER, { ...kept, leases: [OWNER.node] }) ?? "", /wanted at as well/);
  assert.ok(!may(OWNER, without(release, about(ownerKey(shard)))));
  assert.ok(!may(OTHER, release));
});
