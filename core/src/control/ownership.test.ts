import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { claimView } from "../testing/claims.ts";
import { nodeRecord } from "../testing/node-record.ts";
import { TinyStore } from "../testing/tiny-store.ts";
import { worldRecord } from "../testing/world-record.ts";
import type { TxnRequest } from "./control-store.ts";
import {
  changeNodeState,
  cordonNode,
  drainNode,
  markLost,
  registerNode,
  removeNode,
  undrainNode,
} from "./node-changes.ts";
import { claimShard, isOwned, reclaimShard, releaseShard, whyRelease } from "./ownership.ts";
import { firstShard, nodeKey, ownerKey, worldKey } from "./record-keys.ts";
import { createWorld, forgetShard, removeWorld, updateWorld, wantParts } from "./world-changes.ts";

const shard = firstShard("arena");
const arena = worldRecord();

let store = new TinyStore();
beforeEach(() => {
  store = new TinyStore();
});

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

const view = (id: string) => claimView(store, "arena", id);

const claim = (id: string, boot: string, seen = view(id)) =>
  propose(claimShard(shard, seen, { node: id, boot, generation: store.generation }));
const release = (id: string, boot: string) =>
  propose(releaseShard(shard, owner(), { node: id, boot }));

function enter(id: string, boot: string, previousBoot?: string): number | string {
  const { generation } = store;
  const registered = propose(
    registerNode(id, node(id), { record: nodeRecord({ boot }), generation, previousBoot }),
  );
  if (typeof registered === "string") return registered;
  store.leases.add(id);
  return propose(changeNodeState(id, node(id), boot, "ready"));
}

function lose(id: string): number | string {
  store.leases.delete(id);
  return propose(markLost(id, node(id), store.term));
}

function want(id: string | undefined): number | string {
  const parts = wantParts(
    shard,
    { wanted: id, reason: "placed" },
    {
      world: "arena",
      worldModified: world().modified,
      shardModified: view("").shard.modified,
      ownerModified: owner().modified,
      nodes: id === undefined ? [] : [{ node: id, modified: node(id).modified }],
    },
  );
  return store.txn(parts).succeeded ? store.revision : "failed";
}

const create = () => propose(createWorld("arena", world(), arena));
const remove = () => propose(removeWorld("arena", world()));
const forget = () => propose(forgetShard(shard, "arena", view(""), store.generation));

function revision(result: number | string): number {
  assert.equal(typeof result, "number", String(result));
  return Number(result);
}

describe("a claim", () => {
  beforeEach(() => {
    revision(create());
    revision(enter("a", "a1"));
    revision(enter("b", "b1"));
    revision(want("a"));
  });

  test("makes the wanted node owner, at the epoch of the transaction", () => {
    const epoch = revision(claim("a", "a1"));
    assert.deepEqual(owner().record, {
      world: world().created,
      node: "a",
      boot: "a1",
      state: "owned",
    });
    assert.equal(owner().modified, epoch);
    assert.ok(isOwned(owner(), node("a"), store.generation));
    assert.equal(claim("a", "a1"), "own");
  });

  test("is for the wanted node only, registered, ready, with its lease", () => {
    assert.equal(claim("b", "b1"), "not-wanted");
    assert.equal(claim("a", "a0"), "not-registered");
    store.leases.delete("a");
    assert.equal(claim("a", "a1"), "failed");
    store.leases.add("a");
    revision(propose(drainNode("a", node("a"), store.generation)));
    assert.equal(claim("a", "a1"), "not-ready");
  });

  test("is not for a cordoned node, unless it had owned the shard last", () => {
    revision(propose(cordonNode("a", node("a"), store.generation, true)));
    assert.equal(claim("a", "a1"), "not-ready");
    revision(propose(cordonNode("a", node("a"), store.generation, false)));
    revision(claim("a", "a1"));
    revision(propose(cordonNode("a", node("a"), store.generation, true)));
    assert.equal(enter("a", "a2", "a1"), store.revision);
    assert.ok(node("a").record?.cordoned);
    revision(claim("a", "a2"));
  });

  test("fails when anything it assumed is otherwise by then", () => {
    const changes: readonly (() => number | string)[] = [
      () => want("a"),
      () => propose(updateWorld("arena", world(), { ...arena, weight: 2 })),
      () => propose(cordonNode("a", node("a"), store.generation, false)),
      () => {
        revision(claim("a", "a1"));
        return release("a", "a1");
      },
    ];
    for (const change of changes) {
      const before = view("a");
      revision(change());
      assert.equal(claim("a", "a1", before), "failed");
    }
  });

  test("waits for the release of an owner that lives", () => {
    const first = revision(claim("a", "a1"));
    revision(want("b"));
    assert.equal(claim("b", "b1"), "owned");
    assert.equal(whyRelease(view("a"), { node: "a", boot: "a1" }), "not-wanted");
    assert.equal(release("b", "b1"), "not-own");
    const released = revision(release("a", "a1"));
    assert.equal(release("a", "a1"), "not-own");
    const second = revision(claim("b", "b1"));
    assert.ok(first < released && released < second);
  });

  test("takes over from a lost node, unless that one registers anew before", () => {
    revision(claim("a", "a1"));
    revision(want("b"));
    revision(lose("a"));
    const before = view("b");
    revision(enter("a", "a2"));
    assert.equal(claim("b", "b1", before), "failed");
    // The new boot of a owns nothing: the shard goes where it is wanted.
    revision(claim("b", "b1"));
    assert.equal(claim("a", "a2"), "not-wanted");
  });

  test("takes over from a node that was removed, and not when it is there again", () => {
    revision(claim("a", "a1"));
    revision(want("b"));
    assert.equal(propose(removeNode("a", node("a"))), "not-gone");
    revision(lose("a"));
    revision(propose(removeNode("a", node("a"))));
    const before = view("b");
    revision(enter("a", "a1"));
    assert.equal(claim("b", "b1", before), "failed");
    assert.equal(claim("b", "b1"), "owned");
  });

  test("of a new boot on the node of the last one needs no detour", () => {
    const first = revision(claim("a", "a1"));
    assert.equal(enter("a", "a2"), "boot-held");
    revision(enter("a", "a2", "a1"));
    assert.ok(!isOwned(owner(), node("a"), store.generation));
    assert.ok(revision(claim("a", "a2")) > first);
  });
});

describe("epochs", () => {
  beforeEach(() => {
    revision(create());
    revision(enter("a", "a1"));
    revision(want("a"));
  });

  test("go up when a world is removed and made anew, and the old owner has to go first", () => {
    const early = view("a");
    const first = revision(claim("a", "a1"));
    revision(remove());
    assert.equal(forget(), "owned");
    revision(create());
    revision(want("a"));
    assert.equal(claim("a", "a1"), "owned");
    assert.equal(whyRelease(view("a"), { node: "a", boot: "a1" }), "no-world");
    revision(release("a", "a1"));
    const second = revision(claim("a", "a1"));
    assert.ok(second > first);

    revision(release("a", "a1"));
    revision(remove());
    revision(forget());
    assert.deepEqual(store.keys("shards/"), []);
    revision(create());
    revision(want("a"));
    assert.equal(claim("a", "a1", early), "failed");
    assert.ok(revision(claim("a", "a1")) > second);
  });

  test("go up over a restore, which takes every shard from its owner", () => {
    const backup = store.backup();
    const lost = revision(claim("a", "a1"));
    store.restore(backup);
    assert.equal(claim("a", "a1"), "not-registered");
    revision(enter("a", "a1"));
    assert.ok(revision(claim("a", "a1")) > lost);

    const owned = store.backup();
    store.restore(owned);
    assert.ok(!isOwned(owner(), node("a"), store.generation));
    revision(enter("a", "a1"));
    assert.ok(revision(claim("a", "a1")) > lost);
  });
});

test("a lost node is declared so in the term of who declares it", () => {
  revision(enter("a", "a1"));
  const made = markLost("a", node("a"), store.term);
  store.term += 1;
  assert.equal(propose(made), "failed");
  revision(lose("a"));
  assert.equal(lose("a"), "gone");
  assert.equal(lose("b"), "no-node");
  assert.equal(propose(drainNode("a", node("a"), store.generation)), "gone");
  assert.equal(propose(changeNodeState("a", node("a"), "a1", "ready")), "not-registered");
});

test("a gameserver alone is drained by operators", () => {
  revision(enter("a", "a1"));
  const { record } = node("a");
  assert.ok(record);
  const proxy = { ...node("a"), record: { ...record, role: "proxy" } } as const;
  assert.equal(propose(drainNode("a", proxy, store.generation)), "not-gameserver");
  assert.equal(node("a").record?.state, record.state);
});

test("operators change nothing of a registration that a restore brought back", () => {
  revision(enter("a", "a1"));
  revision(propose(drainNode("a", node("a"), store.generation)));
  const later = store.generation + 1;
  for (const cordoned of [true, false])
    assert.equal(propose(cordonNode("a", node("a"), later, cordoned)), "restored");
  assert.equal(propose(drainNode("a", node("a"), later)), "restored");
  assert.equal(propose(undrainNode("a", node("a"), later)), "restored");
  revision(propose(undrainNode("a", node("a"), store.generation)));
  assert.equal(node("a").record?.state, "ready");
});

test("what is not there is said so", () => {
  assert.equal(claim("a", "a1"), "no-world");
  assert.equal(remove(), "no-world");
  assert.equal(propose(updateWorld("arena", world(), arena)), "no-world");
  assert.equal(propose(cordonNode("a", node("a"), store.generation, true)), "no-node");
  assert.equal(propose(drainNode("a", node("a"), store.generation)), "no-node");
  assert.equal(propose(removeNode("a", node("a"))), "no-node");
  revision(propose(createWorld("arena", world(), { ...arena, enabled: false })));
  assert.equal(create(), "exists");
  assert.equal(forget(), "exists");
  assert.equal(claim("a", "a1"), "disabled");
});

describe("a reclaim", () => {
  const reclaim = (id: string, boot: string, seen = view(id)) =>
    propose(reclaimShard(shard, seen, { node: id, boot, generation: store.generation }));
  beforeEach(() => {
    revision(create());
    revision(enter("a", "a1"));
    revision(enter("b", "b1"));
    revision(want("a"));
  });

  test("gives the owner a new epoch, and nobody a gap to come in by", () => {
    const first = revision(claim("a", "a1"));
    const second = revision(reclaim("a", "a1"));
    assert.ok(second > first);
    assert.equal(owner().modified, second);
    assert.equal(owner().created, first);
    assert.ok(isOwned(owner(), node("a"), store.generation));
  });

  test("is only for the owner itself, under its lease, and as it saw it", () => {
    assert.equal(reclaim("a", "a1"), "not-own");
    revision(claim("a", "a1"));
    assert.equal(reclaim("b", "b1"), "not-own");
    assert.equal(reclaim("a", "a0"), "not-own");
    const seen = view("a");
    store.leases.delete("a");
    assert.equal(reclaim("a", "a1"), "failed");
    store.leases.add("a");
    revision(reclaim("a", "a1"));
    assert.equal(reclaim("a", "a1", seen), "failed");
    const before = view("a");
    revision(lose("a"));
    assert.equal(reclaim("a", "a1", before), "failed");
    assert.equal(reclaim("a", "a1"), "not-own");
    assert.equal(reclaim("b", "b1"), "not-own");
  });
});
