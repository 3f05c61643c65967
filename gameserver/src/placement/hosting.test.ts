import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import {
  type Change,
  createWorld,
  encodeRecord,
  firstShard,
  type MigrationRecord,
  migrationKey,
  mirrorKey,
  nodeKey,
  ownerKey,
  shardKey,
  type TxnRequest,
  updateWorld,
  worldKey,
} from "@atlasnet/core";
import { nodeRecord, TinyStore, worldRecord } from "@atlasnet/core/testing";
import { Hosting } from "./hosting.ts";
import type { HostingEffect, HostingEvent } from "./hosting-types.ts";

const NODE = { ...nodeRecord({ boot: "g1", state: "ready" }), cordoned: false };

let store: TinyStore;
let hosting: Hosting;
let news: Change[];
let now: number;

beforeEach(() => {
  store = new TinyStore();
  store.leases.add("g");
  news = [];
  now = 0;
  store.onChanges = (changes) => news.push(...changes);
  hosting = new Hosting({ node: "g" });
  put(nodeKey("g"), encodeRecord("node", NODE));
  tell({ type: "registered", registration: { boot: "g1", generation: 0, revision: 1 } });
});

function put(key: string, value: Uint8Array): void {
  store.txn({ compare: [], then: [{ type: "put", key, value }] });
}

function tell(event: HostingEvent): readonly HostingEffect[] {
  return hosting.handle(event, now);
}

const deliver = () => tell({ type: "changes", changes: news.splice(0) });

function create(world: string): void {
  const made = createWorld(world, store.seen("world", worldKey(world)), worldRecord());
  assert.ok(made.ok);
  store.txn(made.txn);
  want(world, "g");
}

function want(world: string, wanted: string): void {
  put(shardKey(firstShard(world)), encodeRecord("shard", { wanted, reason: "placed" }));
}

function only<T extends HostingEffect["type"]>(effects: readonly HostingEffect[], type: T) {
  const found = effects.flatMap((effect) => (effect.type === type ? [effect] : []));
  const [effect] = found;
  assert.ok(effect?.type === type && found.length === 1, JSON.stringify(effects));
  return effect as Extract<HostingEffect, { type: T }>;
}

const typesOf = (effects: readonly HostingEffect[]) =>
  effects.flatMap(({ type }) => (type === "report" ? [] : [type]));
const apply = (request: TxnRequest) => store.txn(request).revision;
const done = (
  { shard, attempt }: { shard: string; attempt: number },
  type: "prepared" | "opened" | "closed",
) => tell({ type, shard, attempt });
const answer = (
  { shard, attempt }: { shard: string; attempt: number },
  revision: number | undefined,
) =>
  tell({
    type: "answered",
    shard,
    attempt,
    answer:
      revision === undefined
        ? { type: "failed", problem: "planted", unknown: true }
        : { type: "done", revision },
  });

/** Opens a world all the way; its epoch. */
function open(world: string): number {
  create(world);
  const claim = only(done(only(deliver(), "prepare"), "prepared"), "txn");
  const epoch = apply(claim.request);
  done(only(answer(claim, epoch), "open"), "opened");
  deliver();
  return epoch;
}

describe("a claim", () => {
  test("without an answer is found out through the watch", () => {
    create("arena");
    const claim = only(done(only(deliver(), "prepare"), "prepared"), "txn");
    assert.equal(claim.purpose, "claim");
    const epoch = apply(claim.request);
    answer(claim, undefined);
    assert.deepEqual(deliver(), [], "it waits a little");
    assert.ok(hosting.nextAt > now && hosting.nextAt < 1000);
    now = hosting.nextAt;
    const { ownership } = only(done(only(tell({ type: "time" }), "prepare"), "prepared"), "open");
    assert.deepEqual(ownership, {
      epoch,
      world: store.seen("world", worldKey("arena")).created,
      turn: 1,
      lastTurn: "none",
    });
  });
});

test("shards are counted by their phase, until they are forgotten; a pause of one that is gone wakes nobody", () => {
  open("arena");
  create("cave");
  const prepare = only(deliver(), "prepare");
  assert.deepEqual([hosting.count("open"), hosting.count("preparing")], [1, 1]);
  answer(only(done(prepare, "prepared"), "txn"), undefined);
  assert.deepEqual([hosting.count("preparing"), hosting.count("rest")], [0, 1]);
  assert.ok(hosting.nextAt < Number.POSITIVE_INFINITY, "it is tried again");
  want("cave", "h");
  want("arena", "h");
  const close = only(deliver(), "close");
  assert.equal(hosting.count("rest"), 0, "what failed here is somebody else's now");
  assert.equal(hosting.nextAt, Number.POSITIVE_INFINITY);
  const release = only(done(close, "closed"), "txn");
  answer(release, apply(release.request));
  deliver();
  for (const phase of ["open", "closing", "releasing", "rest"] as const)
    assert.equal(hosting.count(phase), 0, phase);
  assert.ok(hosting.settled);
});

test("a reclaim without an answer: what runs is closed, and goes on at the epoch that the watch shows", () => {
  const first = open("arena");
  const reclaim = only(tell({ type: "renew", shard: "arena/0" }), "txn");
  const second = apply(reclaim.request);
  assert.ok(second > first);
  assert.equal(only(answer(reclaim, undefined), "renewed").ownership, undefined);
  const close = only(deliver(), "close");
  now = 60_000;
  const prepare = only([...done(close, "closed"), ...tell({ type: "time" })], "prepare");
  const { ownership } = only(done(prepare, "prepared"), "open");
  assert.deepEqual([ownership.epoch, ownership.turn, ownership.lastTurn], [second, 2, 1]);
});

test("a changed world is opened again at a new epoch; one that only moves about is left alone", () => {
  const first = open("arena");
  const update = (fields: Parameters<typeof worldRecord>[0]) => {
    const made = updateWorld("arena", store.seen("world", worldKey("arena")), worldRecord(fields));
    assert.ok(made.ok);
    store.txn(made.txn);
  };
  update({ weight: 5, labels: { team: "red" } });
  assert.deepEqual(deliver(), []);
  update({ weight: 5, config: { map: "ice" } });
  const close = only(deliver(), "close");
  const prepare = only(done(close, "closed"), "prepare");
  assert.deepEqual(prepare.record.config, { map: "ice" });
  const reclaim = only(done(prepare, "prepared"), "txn");
  assert.equal(reclaim.purpose, "reclaim");
  const { ownership } = only(answer(reclaim, apply(reclaim.request)), "open");
  assert.ok(ownership.epoch > first);
  assert.deepEqual([ownership.turn, ownership.lastTurn], [2, 1]);
});

test("a record of a newer version changes nothing about what runs", () => {
  open("arena");
  put(worldKey("arena"), new Uint8Array([0xff]));
  put(shardKey("arena/0"), new Uint8Array([0xff]));
  assert.deepEqual(deliver(), []);
  assert.equal(hosting.count("open"), 1);
  const close = only(tell({ type: "draining" }), "close");
  const release = only(done(close, "closed"), "txn");
  assert.equal(release.purpose, "release");
  answer(release, apply(release.request));
  assert.ok(hosting.settled);
  assert.equal(store.seen("owner", ownerKey("arena/0")).record?.state, "released");
});

test("shards that died a moment apart all come again, also when something else comes as their pauses end", () => {
  for (const world of ["arena", "cave"]) open(world);
  for (const world of ["arena", "cave"]) {
    tell({ type: "died", shard: firstShard(world), problem: "its thread died" });
    now += 0.1;
  }
  now = hosting.nextAt;
  const first = only(tell({ type: "time" }), "prepare");
  assert.equal(first.shard, "arena/0");
  // The module is at hand: this comes before the other one's timer, and behind the end of its pause.
  now += 1;
  assert.equal(only(done(first, "prepared"), "prepare").shard, "cave/0");
});

describe("a shard whose thread died while its mirror was in sync", () => {
  const shard = firstShard("arena");

  function died(failover: "automatic" | "manual"): void {
    const epoch = open("arena");
    const { created: world } = store.seen("world", worldKey("arena"));
    const mirror = { id: "00000000000000aa", world, epoch, node: "h", boot: "h1" };
    put(worldKey("arena"), encodeRecord("world", worldRecord({ failover })));
    put(nodeKey("h"), encodeRecord("node", { ...NODE, boot: "h1" }));
    put(mirrorKey(shard), encodeRecord("mirror", { ...mirror, state: "in-sync" }));
    deliver();
    assert.deepEqual(typesOf(tell({ type: "died", shard, problem: "planted" })), []);
  }

  test("is left to it, also by a node that stops: it has what nobody has kept here", () => {
    died("automatic");
    assert.deepEqual(typesOf(tell({ type: "draining" })), []);
    store.txn({ compare: [], then: [{ type: "delete", key: mirrorKey(shard) }] });
    assert.equal(only(deliver(), "txn").purpose, "release");
  });

  for (const [failover, purposes] of [
    ["manual", []],
    ["automatic", ["release"]],
  ] as const)
    test(`${failover} failover: when that one is gone as well, it is given back: ${purposes.length > 0}`, () => {
      died(failover);
      put(nodeKey("h"), encodeRecord("node", { ...NODE, boot: "h2" }));
      const asked = deliver().flatMap((each) => (each.type === "txn" ? [each.purpose] : []));
      assert.deepEqual(asked, purposes);
    });
});

test("after a restore from a backup revisions of keys may be lower, and it still claims", () => {
  open("arena");
  const backup = store.backup();
  open("lobby");
  tell({ type: "lost" });
  store.restore(backup);
  news.splice(0);
  store.leases.add("g");
  put(nodeKey("g"), encodeRecord("node", { ...NODE, boot: "g2" }));
  news.splice(0);
  for (const prefix of ["nodes/", "worlds/", "shards/"])
    tell({
      type: "view",
      prefix,
      items: store.keys(prefix).flatMap((key) => store.get(key) ?? []),
    });
  const registration = { boot: "g2", generation: 1, revision: store.revision };
  const prepare = only(tell({ type: "registered", registration }), "prepare");
  assert.equal(prepare.shard, "arena/0");
  const claim = only(done(prepare, "prepared"), "txn");
  const { ownership } = only(answer(claim, apply(claim.request)), "open");
  assert.equal(ownership.lastTurn, undefined, "the backup does not know who had it last");
});

test("what a promotion has ended is known to whoever owns the shard later, and said again when it is given back", () => {
  create("arena");
  const world = store.seen("world", worldKey("arena")).created;
  const record = () => store.seen("owner", ownerKey("arena/0")).record;
  const last = { world, node: "h", boot: "h1", state: "released", promotedOver: 3 } as const;
  put(ownerKey("arena/0"), encodeRecord("owner", last));
  const claim = only(done(only(deliver(), "prepare"), "prepared"), "txn");
  const open = only(answer(claim, apply(claim.request)), "open");
  assert.equal(open.ownership.promotedOver, 3);
  assert.equal(record()?.promotedOver, 3);
  done(open, "opened");
  deliver();
  const renewed = only(tell({ type: "renew", shard: "arena/0" }), "txn");
  const again = only(answer(renewed, apply(renewed.request)), "renewed");
  assert.equal(again.ownership?.promotedOver, 3);
  deliver();
  want("arena", "h");
  const release = only(done(only(deliver(), "close"), "closed"), "txn");
  apply(release.request);
  assert.deepEqual(record(), { ...last, node: "g", boot: "g1" });
});

describe("a shard that moves while it runs", () => {
  const migration = (world: string, epoch: number): MigrationRecord => ({
    id: "0123456789abcdef",
    world: store.seen("world", worldKey(world)).created,
    from: "h",
    fromBoot: "h1",
    epoch,
    to: "g",
    toBoot: "g1",
    reason: "operator",
    started: 0,
    deadlineMs: 60_000,
  });

  test("is neither claimed nor opened while its replica is here, and adopted before the watch shows it", () => {
    const made = createWorld("arena", store.seen("world", worldKey("arena")), worldRecord());
    assert.ok(made.ok);
    store.txn(made.txn);
    const world = store.seen("world", worldKey("arena")).created;
    const owner = { world, node: "h", boot: "h1", state: "owned" } as const;
    put(ownerKey("arena/0"), encodeRecord("owner", owner));
    put(nodeKey("h"), encodeRecord("node", { ...NODE, boot: "h1" }));
    want("arena", "h");
    deliver();
    tell({ type: "arriving", shard: "arena/0" });
    assert.ok(hosting.isArriving("arena/0"));
    put(ownerKey("arena/0"), encodeRecord("owner", { ...owner, state: "released" }));
    want("arena", "g");
    assert.deepEqual(deliver(), [], "others decide about it");
    put(ownerKey("arena/0"), encodeRecord("owner", owner));
    want("arena", "h");
    deliver();
    const before = store.revision;
    put(ownerKey("arena/0"), encodeRecord("owner", { ...owner, node: "g", boot: "g1" }));
    const epoch = store.revision;
    const ownership = hosting.seen.movedHere("arena/0", epoch, migration("arena", before));
    assert.deepEqual(ownership, { epoch, world, turn: 4, lastTurn: undefined });
    const of = { world, promotedOver: before };
    assert.equal(hosting.seen.movedHere("arena/0", epoch, of).promotedOver, before);
    tell({ type: "adopted", shard: "arena/0", ownership, record: worldRecord(), recorded: 0 });
    assert.deepEqual(tell({ type: "time" }), [], "the view still wants it elsewhere");
    assert.ok(hosting.runsAt("arena/0", epoch));
    want("arena", "g");
    assert.deepEqual(deliver(), []);
    want("arena", "h");
    assert.equal(only(deliver(), "close").then, "release");
  });

  describe("that comes to another module on its way", () => {
    const module = { source: "node", path: "./next.js" } as const;
    const upgraded = encodeRecord("world", worldRecord({ module }));
    /** What the switch changed, as watches of the worlds and of the shards show it, one of them first. */
    const shown = () => {
      const changes = news.splice(0);
      const isWorld = (change: Change) =>
        (change.type === "put" ? change.item.key : change.key).startsWith("worlds/");
      return {
        world: changes.filter(isWorld),
        shard: changes.filter((change) => !isWorld(change)),
      };
    };
    const switched = (to: { readonly node: string; readonly boot: string }, world: number) => {
      const owner = encodeRecord("owner", { ...to, world, state: "owned" });
      const wanted = encodeRecord("shard", { wanted: to.node, reason: "operator" });
      return store.txn({
        compare: [],
        then: [
          { type: "put", key: ownerKey("arena/0"), value: owner },
          { type: "put", key: shardKey("arena/0"), value: wanted },
          { type: "delete", key: migrationKey("arena/0") },
          { type: "put", key: worldKey("arena"), value: upgraded },
        ],
      }).revision;
    };

    test("runs on where it arrives, whichever watch shows the switch first", () => {
      create("arena");
      want("arena", "h");
      deliver();
      const world = store.seen("world", worldKey("arena")).created;
      tell({ type: "arriving", shard: "arena/0" });
      const epoch = switched({ node: "g", boot: "g1" }, world);
      const ownership = hosting.seen.movedHere("arena/0", epoch, migration("arena", epoch - 1));
      const record = worldRecord({ module });
      tell({ type: "adopted", shard: "arena/0", ownership, record, recorded: epoch });
      const changes = shown();
      assert.deepEqual(tell({ type: "changes", changes: changes.shard }), []);
      assert.deepEqual(tell({ type: "time" }), []);
      tell({ type: "died", shard: "arena/0", problem: "planted" });
      now = 1e6;
      assert.deepEqual(tell({ type: "time" }), [], "the module of before is not for it any more");
      const { record: opened } = only(tell({ type: "changes", changes: changes.world }), "prepare");
      assert.deepEqual(opened.module, module);
    });

    test("is not opened anew where it leaves, unless it stays after all", () => {
      const epoch = open("arena");
      const value = encodeRecord("migration", { ...migration("arena", epoch), module });
      put(migrationKey("arena/0"), value);
      deliver();
      const { created } = store.seen("world", worldKey("arena"));
      switched({ node: "h", boot: "h1" }, created);
      const changes = shown();
      assert.deepEqual(tell({ type: "changes", changes: changes.world }), []);
      const { reason } = only(tell({ type: "changes", changes: changes.shard }), "close");
      assert.equal(reason, "its epoch is over");
    });

    test("is opened anew when its world was changed by somebody else, and it stays", () => {
      const epoch = open("arena");
      const value = encodeRecord("migration", { ...migration("arena", epoch), module });
      put(migrationKey("arena/0"), value);
      put(worldKey("arena"), upgraded);
      assert.deepEqual(deliver(), []);
      store.txn({ compare: [], then: [{ type: "delete", key: migrationKey("arena/0") }] });
      assert.equal(only(deliver(), "close").reason, "the world was changed");
    });
  });

  test("stays where it is while a migration of this very ownership is under way, whoever is wanted", () => {
    const epoch = open("arena");
    const record = migration("arena", epoch);
    put(migrationKey("arena/0"), encodeRecord("migration", record));
    want("arena", "h");
    assert.deepEqual(deliver(), []);
    put(migrationKey("arena/0"), encodeRecord("migration", { ...record, epoch: epoch - 1 }));
    assert.equal(only(deliver(), "close").then, "release", "that is another ownership");
  });

  test("a replica that goes leaves the shard to be claimed, if it is wanted here", () => {
    create("arena");
    want("arena", "h");
    deliver();
    tell({ type: "arriving", shard: "arena/0" });
    want("arena", "g");
    deliver();
    assert.equal(only(tell({ type: "departed", shard: "arena/0" }), "prepare").shard, "arena/0");
  });
});
