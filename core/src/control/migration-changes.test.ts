import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { claimView, wantShard } from "../testing/claims.ts";
import { migrationView, migrationWish } from "../testing/migrations.ts";
import { nodeRecord } from "../testing/node-record.ts";
import { TinyStore } from "../testing/tiny-store.ts";
import { worldRecord } from "../testing/world-record.ts";
import type { TxnRequest } from "./control-store.ts";
import { abortMigration, beginMigration, measureMove, switchShard } from "./migration-changes.ts";
import { changeNodeState, cordonNode, markLost, registerNode } from "./node-changes.ts";
import { claimShard, reclaimShard, releaseShard } from "./ownership.ts";
import { firstShard, migrationKey, movedKey, nodeKey, ownerKey, worldKey } from "./record-keys.ts";
import type { MigrationRecord, NodeRecord } from "./records.ts";
import { createWorld, forgetShard, removeWorld, updateWorld } from "./world-changes.ts";

const shard = firstShard("arena");
const ENDED = 2_000;

let store = new TinyStore();
let ids = 0;

type Made =
  | { readonly ok: true; readonly txn: TxnRequest }
  | { readonly ok: false; readonly code: string };

/** Proposes it: the revision of the transaction, or why not. */
function propose(made: Made): number | string {
  if (!made.ok) return made.code;
  const { succeeded, revision } = store.txn(made.txn);
  return succeeded ? revision : "failed";
}

const node = (id: string) => store.seen("node", nodeKey(id));
const world = () => store.seen("world", worldKey("arena"));
const owner = () => store.seen("owner", ownerKey(shard));
const migration = () => store.seen("migration", migrationKey(shard));
const moved = () => store.seen("moved", movedKey(shard));
const view = (to = "b") => migrationView(store, "arena", to);
const me = (id: string) => ({ node: id, boot: `${id}1`, generation: store.generation });

const begin = (to = "b", seen = view(to)) =>
  propose(beginMigration(shard, seen, migrationWish(++ids, { to }), store.generation));
const takeOver = (to = "b", seen = view(to)) =>
  propose(switchShard(shard, seen, me(to), { ended: ENDED }));
const abort = (seen = migration()) =>
  propose(abortMigration(shard, seen, { by: "a", problem: "too slow", ended: ENDED }));

function enter(id: string, fields: Partial<NodeRecord> = {}): void {
  const record = nodeRecord({ boot: `${id}1`, ...fields });
  const { generation } = store;
  propose(registerNode(id, node(id), { record, generation, previousBoot: undefined }));
  store.leases.add(id);
  propose(changeNodeState(id, node(id), `${id}1`, "ready"));
}

function claim(id: string): number | string {
  store.txn(wantShard(store, "arena", id));
  return propose(claimShard(shard, claimView(store, "arena", id), me(id)));
}

beforeEach(() => {
  store = new TinyStore();
  propose(createWorld("arena", world(), worldRecord()));
  for (const id of ["a", "b", "c"]) enter(id);
  assert.equal(typeof claim("a"), "number");
});

test("a migration names the ownership that it ends, and both boots", () => {
  const epoch = owner().modified;
  begin();
  const expected: Partial<MigrationRecord> = {
    ...{ world: world().created, from: "a", fromBoot: "a1", epoch, to: "b", toBoot: "b1" },
    ...{ reason: "operator", started: 1_000, deadlineMs: 60_000 },
  };
  const { id: _, ...record } = migration().record ?? assert.fail("there is none");
  assert.deepEqual(record, expected);
});

test("the switch gives owner and wish to the target at once, and says how it ended", () => {
  begin();
  const { id } = migration().record ?? assert.fail();
  const epoch = takeOver();
  assert.equal(owner().modified, epoch);
  assert.deepEqual(owner().record, {
    ...{ world: world().created, node: "b", boot: "b1", state: "owned" },
  });
  assert.deepEqual(view().shard.record, { wanted: "b", reason: "operator" });
  assert.equal(migration().record, undefined);
  assert.deepEqual(moved().record, {
    ...{ id, from: "a", to: "b", reason: "operator", outcome: "moved", by: "b", problem: "" },
    ...{ started: 1_000, ended: ENDED },
  });
  assert.equal(begin("c"), store.revision, "the next one may begin");
});

test("the switch records the module that the migration brings, with all else of the world; an abort does not", () => {
  const module = { source: "node", path: "./next.js" } as const;
  const beginUpgrade = () =>
    propose(
      beginMigration(
        shard,
        view(),
        migrationWish(++ids, { to: "b", reason: "upgraded", module }),
        store.generation,
      ),
    );
  beginUpgrade();
  const before = world();
  abort();
  assert.deepEqual(world(), before);
  beginUpgrade();
  const seen = view();
  propose(updateWorld("arena", world(), worldRecord({ graceSeconds: 7 })));
  assert.equal(takeOver("b", seen), "failed", "it was decided by another record");
  const epoch = takeOver();
  assert.equal(world().modified, epoch, "with the switch, and not behind it");
  assert.deepEqual(world().record, worldRecord({ graceSeconds: 7, module }));
  assert.deepEqual(view().shard.record, { wanted: "b", reason: "operator" });
  assert.equal(moved().record?.reason, "upgraded");
});

test("an abort leaves the owner as it is, and says who ended it and why", () => {
  begin();
  const before = owner();
  abort();
  assert.deepEqual(owner(), before);
  assert.equal(migration().record, undefined);
  const { outcome, by, problem } = moved().record ?? assert.fail();
  assert.deepEqual([outcome, by, problem], ["aborted", "a", "too slow"]);
  assert.equal(abort(), "ended");
});

test("what was measured stands beside how it ended, until somebody else has the shard", () => {
  begin();
  takeOver();
  const seen = moved();
  const measured = { gapMs: 40, bytes: 1_000 };
  assert.equal(typeof propose(measureMove(shard, seen, measured)), "number");
  assert.deepEqual(moved().record, { ...seen.record, ...measured });
  begin("c");
  takeOver("c");
  assert.equal(propose(measureMove(shard, seen, measured)), "failed");
  begin("b");
  abort();
  assert.equal(propose(measureMove(shard, moved(), measured)), "ended");
});

test("nothing begins without a world, an owner, a target that takes shards, or beside another one", () => {
  const refusal = (to: string) => {
    const made = beginMigration(shard, view(to), migrationWish(++ids, { to }), store.generation);
    return made.ok ? "begins" : made.code;
  };
  assert.equal(refusal("b"), "begins");
  assert.equal(refusal("a"), "own");
  assert.equal(refusal("nobody"), "no-node");
  enter("p", { role: "proxy" });
  assert.equal(refusal("p"), "no-node");
  propose(cordonNode("c", node("c"), store.generation, true));
  assert.equal(refusal("c"), "not-ready");
  propose(changeNodeState("b", node("b"), "b1", "draining"));
  assert.equal(refusal("b"), "not-ready");
  propose(changeNodeState("b", node("b"), "b1", "ready"));
  begin();
  assert.equal(refusal("b"), "migrating");
  abort();
  const { record } = world();
  propose(updateWorld("arena", world(), { ...(record ?? worldRecord()), enabled: false }));
  assert.equal(refusal("b"), "disabled");
  propose(updateWorld("arena", world(), worldRecord()));
  propose(releaseShard(shard, owner(), me("a")));
  assert.equal(refusal("b"), "not-owned");
  propose(removeWorld("arena", world()));
  assert.equal(refusal("b"), "no-world");
});

test("a migration does not begin when anything of what it was decided by has changed", () => {
  const changes = {
    world: () => propose(updateWorld("arena", world(), worldRecord({ weight: 2 }))),
    wish: () => store.txn(wantShard(store, "arena", "c")).revision,
    owner: () => propose(reclaimShard(shard, claimView(store, "arena", "a"), me("a"))),
    migration: () => begin("c"),
    source: () => propose(changeNodeState("a", node("a"), "a1", "draining")),
    target: () => propose(cordonNode("b", node("b"), store.generation, true)),
  };
  for (const [what, change] of Object.entries(changes)) {
    const seen = view();
    assert.equal(typeof change(), "number", what);
    assert.equal(begin("b", seen), "failed", what);
    abort();
  }
});

test("a switch does not happen when anything of what it was decided by has changed", () => {
  const changes = {
    world: () => propose(updateWorld("arena", world(), worldRecord({ weight: 2 }))),
    wish: () => store.txn(wantShard(store, "arena", "c")).revision,
    reclaim: () => propose(reclaimShard(shard, claimView(store, "arena", "a"), me("a"))),
    release: () => propose(releaseShard(shard, owner(), me("a"))),
    abort: () => abort(),
    target: () => propose(changeNodeState("b", node("b"), "b1", "draining")),
  };
  for (const [what, change] of Object.entries(changes)) {
    store = new TinyStore();
    propose(createWorld("arena", world(), worldRecord()));
    for (const id of ["a", "b", "c"]) enter(id);
    claim("a");
    begin();
    const seen = view();
    assert.equal(typeof change(), "number", what);
    assert.equal(takeOver("b", seen), "failed", what);
  }
});

test("a target takes over under its lease only, with the boot that was asked, for the owner that was meant", () => {
  begin();
  const made = (boot: string) =>
    switchShard(shard, view(), { node: "b", boot, generation: store.generation }, { ended: ENDED });
  const code = (result: ReturnType<typeof switchShard>) => (result.ok ? "ok" : result.code);
  assert.equal(code(made("b2")), "ended");
  assert.equal(code(switchShard(shard, view("c"), me("c"), { ended: ENDED })), "ended");
  store.leases.delete("b");
  assert.equal(takeOver(), "failed");
  store.leases.add("b");
  propose(changeNodeState("b", node("b"), "b1", "draining"));
  assert.equal(takeOver(), "not-ready");
  propose(changeNodeState("b", node("b"), "b1", "ready"));
  propose(reclaimShard(shard, claimView(store, "arena", "a"), me("a")));
  assert.equal(takeOver(), "ended");
  const backup = store.backup();
  abort();
  begin();
  store.restore(backup);
  for (const id of ["a", "b", "c"]) enter(id);
  assert.equal(takeOver(), "ended", "after a restore nobody owns anything");
});

test("a claim after the source was lost, and the switch, exclude each other", () => {
  for (const first of ["claim", "switch"] as const) {
    store = new TinyStore();
    propose(createWorld("arena", world(), worldRecord()));
    for (const id of ["a", "b", "c"]) enter(id);
    claim("a");
    begin();
    store.leases.delete("a");
    propose(markLost("a", node("a"), store.term));
    store.txn(wantShard(store, "arena", "c"));
    const [toSwitch, toClaim] = [view(), claimView(store, "arena", "c")];
    const acts = {
      claim: () => propose(claimShard(shard, toClaim, me("c"))),
      switch: () => takeOver("b", toSwitch),
    };
    assert.equal(typeof acts[first](), "number", first);
    assert.equal(acts[first === "claim" ? "switch" : "claim"](), "failed", first);
  }
});

test("a world that is removed is forgotten with all that says how it moved, once nothing moves", () => {
  begin();
  propose(removeWorld("arena", world()));
  assert.equal(takeOver(), "no-world");
  propose(releaseShard(shard, owner(), me("a")));
  const forget = () =>
    propose(forgetShard(shard, "arena", claimView(store, "arena", ""), store.generation));
  assert.equal(forget(), "failed");
  abort();
  assert.equal(typeof forget(), "number");
  assert.deepEqual(store.keys("shards/"), []);
});
