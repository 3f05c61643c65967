import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { claimView, wantShard } from "../testing/claims.ts";
import { migrationView, migrationWish } from "../testing/migrations.ts";
import { mirrorView } from "../testing/mirrors.ts";
import { nodeRecord } from "../testing/node-record.ts";
import { TinyStore } from "../testing/tiny-store.ts";
import { worldRecord } from "../testing/world-record.ts";
import type { TxnRequest } from "./control-store.ts";
import { beginMigration, switchShard } from "./migration-changes.ts";
import {
  abandonMirror,
  askMirror,
  clearMirror,
  confirmMirror,
  dismissMirror,
  promoteMirror,
  withdrawMirror,
} from "./mirror-changes.ts";
import { changeNodeState, cordonNode, markLost, registerNode } from "./node-changes.ts";
import { claimShard, isMirrored, mirroredEpoch, reclaimShard, releaseShard } from "./ownership.ts";
import { firstShard, mirrorKey, nodeKey, ownerKey, worldKey } from "./record-keys.ts";
import type { MigrationRecord } from "./records.ts";
import { createWorld, forgetShard, removeWorld, updateWorld } from "./world-changes.ts";

/** Of three nodes: `a` owns the shard, `b` is to mirror it, `c` stands by. */
const shard = firstShard("arena");
const WORLD = worldRecord({ durability: "mirror", failover: "manual" });

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
const mirror = () => store.seen("mirror", mirrorKey(shard));
const view = (id: string) => mirrorView(store, "arena", id);
const me = (id: string) => ({ node: id, boot: `${id}1`, generation: store.generation });
const newId = () => (++ids).toString(16).padStart(16, "0");

const ask = (id = "b", seen = view(id)) =>
  propose(askMirror(shard, seen, { id: newId(), node: id, generation: store.generation }));
const confirm = (seen = mirror(), epoch = owner().modified) =>
  propose(confirmMirror(shard, seen, { epoch }));
const clear = (seen = { mirror: mirror(), owner: owner() }) =>
  propose(clearMirror(shard, seen, { epoch: seen.owner.modified }));
const withdraw = (id = "b", seen = mirror(), follows = seen.record?.id ?? "") =>
  propose(withdrawMirror(shard, seen, { ...me(id), follows }));
const promote = (id = "b", seen = view(id), follows = seen.mirror.record?.id ?? "") =>
  propose(promoteMirror(shard, seen, { ...me(id), follows }));
const abandon = () => store.txn(abandonMirror(shard, mirror())).revision;
const claim = (id: string, seen = claimView(store, "arena", id)) =>
  propose(claimShard(shard, seen, me(id)));
const reclaim = (seen = claimView(store, "arena", "a")) =>
  propose(reclaimShard(shard, seen, me("a")));

function enter(id: string): void {
  const record = nodeRecord({ boot: `${id}1` });
  const { generation } = store;
  propose(registerNode(id, node(id), { record, generation, previousBoot: undefined }));
  store.leases.add(id);
  propose(changeNodeState(id, node(id), `${id}1`, "ready"));
}

function lose(id: string): void {
  store.leases.delete(id);
  propose(markLost(id, node(id), store.term));
}

function begin(): void {
  store = new TinyStore();
  propose(createWorld("arena", world(), WORLD));
  for (const id of ["a", "b", "c"]) enter(id);
  store.txn(wantShard(store, "arena", "a"));
  assert.equal(typeof claim("a"), "number");
}

/** `b` mirrors the shard. */
function inSync(): void {
  begin();
  ask();
  assert.equal(typeof confirm(), "number");
}

beforeEach(begin);

test("a mirror is asked for, confirmed by the owner, and takes the shard over", () => {
  const epoch = owner().modified;
  ask();
  const { id, ...asked } = mirror().record ?? assert.fail("nobody is asked");
  assert.deepEqual(asked, {
    ...{ world: world().created, epoch, node: "b", boot: "b1", state: "asked" },
  });
  assert.equal(promote(), "ended", "it is not in sync yet");
  confirm();
  assert.deepEqual(mirror().record, { id, ...asked, state: "in-sync" });
  const promoted = promote();
  assert.equal(owner().modified, promoted);
  assert.deepEqual(owner().record, {
    ...{ world: world().created, node: "b", boot: "b1", state: "owned", promotedOver: epoch },
  });
  assert.deepEqual(view("b").shard.record, { wanted: "b", reason: "failover" });
  assert.equal(mirror().record, undefined);
  assert.equal(ask("a"), store.revision, "the next one may follow");
});

/** Moves the shard from `a` to `c`; `keeps`: as `a` says. */
function move(keeps: boolean, wish: Partial<MigrationRecord> = {}): number {
  const view = () => migrationView(store, "arena", "c");
  const asked = { ...migrationWish(++ids, { to: "c" }), ...wish };
  propose(beginMigration(shard, view(), asked, store.generation));
  const epoch = propose(switchShard(shard, view(), me("c"), { ended: 2_000, keeps }));
  assert.equal(owner().modified, epoch);
  return Number(epoch);
}

test("a switch whose source keeps the state makes that the mirror, in sync, of the ownership that it begins", () => {
  inSync();
  const epoch = move(true);
  const { id: _, ...record } = mirror().record ?? assert.fail("there is none");
  assert.deepEqual(record, {
    ...{ node: "a", boot: "a1", state: "in-sync", epoch: 0, world: world().created },
    unleased: true,
  });
  assert.equal(mirror().modified, epoch);
  assert.equal(mirroredEpoch(mirror()), epoch);
  assert.ok(isMirrored(mirror(), owner(), store.generation));
  assert.equal(ask("b"), "in-sync", "nobody else is needed");
  lose("c");
  store.txn(wantShard(store, "arena", "b"));
  assert.equal(claim("b"), "mirrored", "only the source goes on with it");
  assert.equal(typeof promote("a"), "number");
  assert.equal(owner().record?.promotedOver, epoch);
});

test("the mirror of a switch is cleared, withdrawn and replaced as any other", () => {
  begin();
  move(true);
  assert.equal(typeof clear(), "number");
  assert.equal(mirror().record, undefined);
  begin();
  move(true);
  assert.equal(typeof withdraw("a"), "number");
  begin();
  move(true);
  propose(changeNodeState("a", node("a"), "a1", "draining"));
  assert.equal(ask("b"), "in-sync", "it has to withdraw first");
  begin();
  propose(updateWorld("arena", world(), { ...WORLD, failover: "automatic" }));
  move(true);
  assert.equal(mirror().record?.unleased, undefined);
  propose(changeNodeState("a", node("a"), "a1", "draining"));
  assert.equal(ask("b"), store.revision);
});

test("a mirror of a switch is of no ownership after that", () => {
  begin();
  move(true);
  const seen = mirror();
  const { node: who = "" } = owner().record ?? {};
  store.txn(abandonMirror(shard, mirror()));
  propose(reclaimShard(shard, claimView(store, "arena", who), me(who)));
  assert.ok(!isMirrored(seen, owner(), store.generation));
});

test("a switch leaves no mirror where the source keeps nothing, or another module's state, or the world wants none", () => {
  inSync();
  move(false);
  assert.equal(mirror().record, undefined);
  inSync();
  move(true, { module: { source: "node", path: "./next.js" }, reason: "upgraded" });
  assert.equal(mirror().record, undefined);
  inSync();
  propose(updateWorld("arena", world(), { ...WORLD, durability: "journal" }));
  move(true);
  assert.equal(mirror().record, undefined);
});

test("what a promotion has ended stays ended, whoever owns the world after that; not of another one of its name", () => {
  inSync();
  const ended = owner().modified;
  const promoted = Number(promote());
  const stays = () => assert.equal(owner().record?.promotedOver, ended);
  stays();
  assert.equal(
    typeof propose(reclaimShard(shard, claimView(store, "arena", "b"), me("b"))),
    "number",
  );
  stays();
  const moving = migrationView(store, "arena", "c");
  propose(beginMigration(shard, moving, migrationWish(1, { to: "c" }), store.generation));
  propose(switchShard(shard, migrationView(store, "arena", "c"), me("c"), { ended: 2_000 }));
  assert.equal(owner().record?.node, "c");
  stays();
  propose(releaseShard(shard, owner(), me("c")));
  stays();
  store.txn(wantShard(store, "arena", "a"));
  assert.equal(typeof claim("a"), "number");
  stays();
  const epoch = owner().modified;
  ask();
  confirm();
  promote();
  assert.equal(owner().record?.promotedOver, epoch, "the newest of them");
  assert.ok(epoch > promoted);
  propose(releaseShard(shard, owner(), me("b")));
  propose(removeWorld("arena", world()));
  propose(createWorld("arena", world(), WORLD));
  store.txn(wantShard(store, "arena", "a"));
  assert.equal(typeof claim("a"), "number");
  assert.equal(owner().record?.promotedOver, undefined);
});

test("a mirror is asked for only of what is owned, at another node that takes something new", () => {
  const asked = (id: string) => {
    const made = askMirror(shard, view(id), {
      ...{ id: newId(), node: id, generation: store.generation },
    });
    return made.ok ? "asks" : made.code;
  };
  assert.equal(asked("b"), "asks");
  assert.equal(asked("a"), "own");
  assert.equal(asked("nobody"), "not-ready");
  propose(cordonNode("c", node("c"), store.generation, true));
  assert.equal(asked("c"), "not-ready");
  propose(changeNodeState("c", node("c"), "c1", "draining"));
  assert.equal(asked("c"), "not-ready");
  inSync();
  assert.equal(asked("c"), "in-sync");
  begin();
  propose(releaseShard(shard, owner(), me("a")));
  assert.equal(asked("b"), "not-owned");
  begin();
  lose("a");
  assert.equal(asked("b"), "not-owned");
  propose(updateWorld("arena", world(), { ...WORLD, enabled: false }));
  assert.equal(asked("b"), "no-world");
});

test("nothing about a mirror happens when anything of what it was decided by has changed", () => {
  const changes = {
    owner: () => propose(releaseShard(shard, owner(), me("a"))),
    mirror: () => abandon(),
  };
  const acts = {
    confirm: () => {
      const [seen, epoch] = [mirror(), owner().modified];
      return () => confirm(seen, epoch);
    },
    clear: () => {
      const seen = { mirror: mirror(), owner: owner() };
      return () => clear(seen);
    },
    promote: () => {
      const seen = view("b");
      return () => promote("b", seen);
    },
  };
  for (const [what, change] of Object.entries(changes))
    for (const [act, prepare] of Object.entries(acts)) {
      inSync();
      if (act === "confirm") {
        clear();
        ask();
      }
      const later = prepare();
      assert.equal(typeof change(), "number", what);
      assert.equal(later(), "failed", `${act} after another ${what}`);
    }
  const asked = {
    owner: () => reclaim(),
    ownerNode: () => propose(changeNodeState("a", node("a"), "a1", "draining")),
    node: () => propose(cordonNode("b", node("b"), store.generation, true)),
    world: () => propose(updateWorld("arena", world(), worldRecord())),
    mirror: () => ask("c"),
  };
  for (const [what, change] of Object.entries(asked)) {
    begin();
    const seen = view("b");
    assert.equal(typeof change(), "number", what);
    assert.equal(ask("b", seen), "failed", what);
  }
  const promoted = {
    wish: () => store.txn(wantShard(store, "arena", "c")).revision,
    world: () => propose(updateWorld("arena", world(), worldRecord())),
    node: () => propose(changeNodeState("b", node("b"), "b1", "draining")),
  };
  for (const [what, change] of Object.entries(promoted)) {
    inSync();
    const seen = view("b");
    assert.equal(typeof change(), "number", what);
    assert.equal(promote("b", seen), "failed", what);
  }
});

test("what has a mirror in sync is claimed by nobody, whoever died, until the mirror is given up", () => {
  inSync();
  assert.equal(reclaim(), "mirrored", "its thread died: from its journal it would go back");
  lose("a");
  store.txn(wantShard(store, "arena", "c"));
  assert.equal(claim("c"), "mirrored");
  store.txn(wantShard(store, "arena", "b"));
  assert.equal(claim("b"), "mirrored", "the mirror itself promotes what it holds");
  lose("b");
  store.txn(wantShard(store, "arena", "c"));
  assert.equal(claim("c"), "mirrored");
  abandon();
  assert.equal(typeof claim("c"), "number");
});

test("a mirror that is only asked keeps nobody off", () => {
  ask();
  assert.equal(typeof reclaim(), "number", "its owner goes on at another epoch");
  assert.equal(confirm(), "ended", "which nobody follows yet");
  lose("a");
  store.txn(wantShard(store, "arena", "c"));
  assert.equal(typeof claim("c"), "number");
});

test("a claim and a confirmation exclude each other, as do a promotion and a clearing", () => {
  for (const first of ["claim", "confirm"] as const) {
    begin();
    ask();
    lose("a");
    store.txn(wantShard(store, "arena", "c"));
    const [toClaim, seen, epoch] = [claimView(store, "arena", "c"), mirror(), owner().modified];
    const acts = { claim: () => claim("c", toClaim), confirm: () => confirm(seen, epoch) };
    assert.equal(typeof acts[first](), "number", first);
    assert.equal(acts[first === "claim" ? "confirm" : "claim"](), "failed", first);
  }
  for (const first of ["promote", "clear"] as const) {
    inSync();
    const [toPromote, seen] = [view("b"), { mirror: mirror(), owner: owner() }];
    const acts = { promote: () => promote("b", toPromote), clear: () => clear(seen) };
    assert.equal(typeof acts[first](), "number", first);
    assert.equal(acts[first === "clear" ? "promote" : "clear"](), "failed", first);
  }
});

test("an owner that was taken for lost clears no mirror: that one has the newest state", () => {
  inSync();
  const seen = { mirror: mirror(), owner: owner() };
  lose("a");
  assert.equal(clear(seen), "failed");
  assert.equal(typeof promote(), "number");
});

test("a mirror withdraws its own record, and the shard begins again as one that has none", () => {
  inSync();
  assert.equal(withdraw("c"), "ended", "nobody else's");
  assert.equal(withdraw("b", mirror(), newId()), "ended", "nor a later one");
  const seen = mirror();
  lose("a");
  store.txn(wantShard(store, "arena", "c"));
  assert.equal(claim("c"), "mirrored");
  store.leases.delete("b");
  assert.equal(typeof withdraw(), "number", "who gives up needs no lease");
  assert.equal(typeof claim("c"), "number");
  assert.equal(withdraw("b", seen), "failed", "it is gone already");
});

test("a mirror that has withdrawn is promoted no more, and one that was promoted withdraws nothing", () => {
  for (const first of ["promote", "withdraw"] as const) {
    inSync();
    const [toPromote, seen] = [view("b"), mirror()];
    const acts = { promote: () => promote("b", toPromote), withdraw: () => withdraw("b", seen) };
    assert.equal(typeof acts[first](), "number", first);
    assert.equal(acts[first === "withdraw" ? "promote" : "withdraw"](), "failed", first);
  }
});

test("a promotion and a switch exclude each other, and each ends what the other was about", () => {
  for (const first of ["promote", "switch"] as const) {
    inSync();
    const moving = migrationView(store, "arena", "c");
    propose(beginMigration(shard, moving, migrationWish(1, { to: "c" }), store.generation));
    const [toPromote, toSwitch] = [view("b"), migrationView(store, "arena", "c")];
    const acts = {
      promote: () => promote("b", toPromote),
      switch: () => propose(switchShard(shard, toSwitch, me("c"), { ended: 2_000 })),
    };
    assert.equal(typeof acts[first](), "number", first);
    assert.equal(acts[first === "switch" ? "promote" : "switch"](), "failed", first);
    assert.equal(promote(), "ended");
    assert.equal(mirror().record, undefined, "the new owner is given another one");
  }
});

test("a release takes the mirror with it", () => {
  inSync();
  const seen = mirror();
  assert.ok(isMirrored(seen, owner(), store.generation));
  propose(releaseShard(shard, owner(), me("a"), seen));
  assert.equal(mirror().record, undefined);
  store.txn(wantShard(store, "arena", "c"));
  assert.equal(typeof claim("c"), "number", "what was kept is all there is");
});

test("a mirror promotes what it follows now, under its lease, with its boot, and while it takes part", () => {
  inSync();
  const before = mirror().record?.id;
  clear();
  ask();
  confirm();
  assert.equal(promote("b", view("b"), before), "ended", "what it followed before is of before");
  assert.equal(promote("c"), "ended");
  store.leases.delete("b");
  assert.equal(promote(), "failed");
  store.leases.add("b");
  const again = { ...me("b"), boot: "b2", follows: mirror().record?.id ?? "" };
  assert.equal(propose(promoteMirror(shard, view("b"), again)), "ended");
  propose(changeNodeState("b", node("b"), "b1", "draining"));
  assert.equal(typeof promote(), "number", "who drains saves it first");
});

test("another one is asked in the place of a mirror whose node drains, and of no other", () => {
  inSync();
  lose("b");
  assert.equal(ask("c"), "in-sync", "its owner clears it, or an operator gives it up");
  inSync();
  const seen = view("c");
  propose(changeNodeState("b", node("b"), "b1", "draining"));
  assert.equal(ask("c", seen), "in-sync");
  const draining = view("c");
  propose(changeNodeState("b", node("b"), "b1", "ready"));
  assert.equal(ask("c", draining), "failed", "it drains no longer");
  propose(changeNodeState("b", node("b"), "b1", "draining"));
  assert.equal(typeof ask("c"), "number");
  assert.equal(mirror().record?.node, "c");
  assert.equal(promote("b"), "ended");
});

test("after a restore nothing is mirrored, as nothing is owned", () => {
  inSync();
  store.restore(store.backup());
  for (const id of ["a", "b", "c"]) enter(id);
  assert.equal(promote(), "ended");
  store.txn(wantShard(store, "arena", "a"));
  assert.equal(typeof claim("a"), "number");
  assert.equal(typeof ask("c"), "number", "what is left of the old one is written over");
});

test("a removed world is forgotten with its mirror", () => {
  inSync();
  propose(removeWorld("arena", world()));
  assert.equal(promote(), "no-world");
  propose(releaseShard(shard, owner(), me("a")));
  const forget = forgetShard(shard, "arena", claimView(store, "arena", ""), store.generation);
  assert.equal(typeof propose(forget), "number");
  assert.deepEqual(store.keys("shards/"), []);
});

test("a mirror that is unleased is replaced by nobody, and withdraws when it is asked to", () => {
  ask();
  assert.equal(
    typeof propose(confirmMirror(shard, mirror(), { epoch: owner().modified, unleased: true })),
    "number",
  );
  assert.equal(mirror().record?.unleased, true);
  propose(changeNodeState("b", node("b"), "b1", "draining"));
  assert.equal(ask("c"), "in-sync");
  assert.equal(typeof propose(dismissMirror(shard, mirror())), "number");
  const { leaving, state, unleased } = mirror().record ?? {};
  assert.deepEqual([leaving, state, unleased], [true, "in-sync", true]);
  assert.ok(isMirrored(mirror(), owner(), store.generation), "until it has gone");
  assert.equal(propose(dismissMirror(shard, mirror())), "ended", "once is enough");
  assert.equal(ask("c"), "in-sync");
  assert.equal(typeof withdraw(), "number");
  assert.equal(typeof ask("c"), "number");
});

test("a mirror that a switch has recorded is of the same ownership when it was asked to withdraw", () => {
  ask();
  confirm();
  assert.equal(propose(dismissMirror(shard, mirror())), "ended", "it may be replaced");
  move(true);
  assert.equal(mirror().record?.epoch, 0);
  assert.equal(typeof propose(dismissMirror(shard, mirror())), "number");
  assert.equal(mirror().record?.epoch, owner().modified);
  assert.ok(isMirrored(mirror(), owner(), store.generation));
});
