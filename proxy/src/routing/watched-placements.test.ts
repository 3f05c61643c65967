import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Change,
  firstShard,
  isOwned,
  migrationKey,
  mirrorKey,
  NODES,
  nodeKey,
  ownerKey,
  type PlacementChanges,
  SHARDS,
  WORLDS,
  worldKey,
} from "@atlasnet/core";
import fc from "fast-check";
import { FakeControlStore } from "../testing/fake-control-store.ts";
import { WATCHED_PREFIXES, WatchedPlacements, type WatchedPrefix } from "./watched-placements.ts";

/** A store, and placements that are told every change of it. */
function scene() {
  const store = new FakeControlStore();
  const placements = new WatchedPlacements();
  const told: PlacementChanges[] = [];
  placements.watch((changes) => told.push(changes));
  const read = (...prefixes: WatchedPrefix[]) => {
    for (const prefix of prefixes)
      placements.read(prefix, store.tiny.revision, itemsOf(store, prefix));
  };
  const follow = () => {
    read(...WATCHED_PREFIXES);
    store.tiny.onChanges = (changes) => placements.changed(store.tiny.revision, changes);
    told.length = 0;
  };
  return { store, placements, told, read, follow };
}

function itemsOf({ tiny }: FakeControlStore, prefix: string) {
  return tiny.keys(prefix).flatMap((key) => tiny.get(key) ?? []);
}

test("a world is where its owner's record says, at the revision of that record", () => {
  const { store, placements, told, read } = scene();
  store.node("g1");
  store.world("arena");
  const epoch = store.own("arena", "g1");
  read(NODES, SHARDS);
  assert.deepEqual([placements.complete, placements.awaited], [false, [WORLDS]]);
  assert.equal(placements.lookup("arena"), undefined, "whether it exists is not known yet");
  read(WORLDS);
  assert.equal(placements.complete, true);
  assert.equal(told.at(-1)?.worlds, "all");
  const placement = { world: "arena", shard: "arena/0", node: "g1", epoch };
  assert.deepEqual(placements.lookup("arena"), placement);
  assert.deepEqual(placements.placementOf("arena/0"), placement);
  assert.deepEqual([placements.expects("arena"), placements.expects("cave")], [true, false]);
  assert.equal(placements.addressOf("g1"), "10.0.0.5:2556");
  assert.equal(placements.addressOf("g2"), undefined);
});

test("a change tells what it touches and nothing else", () => {
  const { store, placements, told, follow } = scene();
  store.node("g1");
  store.node("g2");
  for (const world of ["a", "b"]) {
    store.world(world);
    store.own(world, "g1");
  }
  follow();
  store.world("a");
  store.node("g2", { labels: { zone: "eu" } });
  assert.deepEqual(
    told,
    [],
    "what a world is made of, and what a node says of itself, moves nobody",
  );
  const epoch = store.own("b", "g2");
  assert.deepEqual(told, [{ shards: ["b/0"], worlds: ["b"], gone: [] }]);
  assert.deepEqual(placements.lookup("b")?.epoch, epoch);
  assert.equal(placements.ownedCount, 2);
});

test("a node that is lost loses all its shards at once, and is nowhere to go to; a new boot owns nothing", () => {
  const { store, placements, told, follow } = scene();
  store.node("g1");
  store.world("a");
  store.world("b");
  store.own("a", "g1");
  store.own("b", "g1");
  follow();
  store.node("g1", { state: "lost" });
  assert.deepEqual(told, [{ shards: ["a/0", "b/0"], worlds: ["a", "b"], gone: ["g1"] }]);
  assert.equal(placements.lookup("a"), undefined);
  assert.equal(placements.expects("a"), true);
  assert.equal(placements.addressOf("g1"), undefined);
  store.node("g1", { boot: "2" });
  assert.equal(placements.lookup("a"), undefined);
  const epoch = store.own("a", "g1", { boot: "2" });
  assert.equal(placements.lookup("a")?.epoch, epoch);
});

test("a released shard has no owner; a node elsewhere is another one to link to", () => {
  const { store, placements, told, follow } = scene();
  store.node("g1");
  store.world("a");
  store.own("a", "g1");
  follow();
  store.own("a", "g1", { state: "released" });
  assert.equal(placements.lookup("a"), undefined);
  told.length = 0;
  store.node("g1", { address: "10.0.0.6:2556" });
  assert.deepEqual(told, [{ shards: [], worlds: [], gone: ["g1"] }]);
});

test("a world made anew under its name waits for the owner of the old one to go", () => {
  const { store, placements, follow } = scene();
  store.node("g1");
  store.world("a");
  store.own("a", "g1");
  follow();
  store.put({ type: "delete", key: worldKey("a") });
  assert.deepEqual([placements.lookup("a"), placements.expects("a")], [undefined, false]);
  assert.equal(placements.placementOf("a/0")?.node, "g1", "it tells its players itself");
  store.world("a");
  assert.deepEqual([placements.lookup("a"), placements.expects("a")], [undefined, true]);
  const epoch = store.own("a", "g1");
  assert.equal(placements.lookup("a")?.epoch, epoch);
});

test("an epoch never goes back, whatever comes late", () => {
  const { store, placements, told, follow } = scene();
  store.node("g1");
  store.node("g2");
  store.world("a");
  store.own("a", "g1");
  const old = store.tiny.get(ownerKey("a/0")) ?? assert.fail("an owner");
  follow();
  const epoch = store.own("a", "g2");
  told.length = 0;
  placements.changed(store.tiny.revision, [{ type: "put", item: old }]);
  placements.changed(store.tiny.revision, [
    { type: "delete", key: ownerKey("a/0"), modified: old.modified },
  ]);
  placements.read(SHARDS, old.modified, [old]);
  assert.deepEqual(told, []);
  assert.deepEqual(placements.lookup("a")?.epoch, epoch);
});

test("after a restore nobody owns anything until it says so anew", () => {
  const { store, placements, follow } = scene();
  store.node("g1");
  store.world("a");
  const before = store.own("a", "g1");
  follow();
  store.tiny.restore(store.tiny.backup());
  placements.changed(store.tiny.revision, []);
  assert.equal(placements.lookup("a"), undefined);
  store.node("g1", { boot: "2" });
  const epoch = store.own("a", "g1", { boot: "2" });
  assert.ok(epoch > before);
  assert.equal(placements.lookup("a")?.epoch, epoch);
});

test("records that cannot be read are counted, and take nobody anywhere", () => {
  const { store, placements, follow } = scene();
  store.node("g1");
  store.world("a");
  store.own("a", "g1");
  follow();
  store.put({ type: "put", key: ownerKey("a/0"), value: Uint8Array.of(255) });
  assert.equal(placements.lookup("a"), undefined);
  store.put({ type: "put", key: nodeKey("g1"), value: Uint8Array.of(255) });
  assert.equal(placements.addressOf("g1"), undefined);
  assert.equal(placements.unreadableCount, 2);
});

test("a node's word that it is the owner counts until the watch says more, or has got past it", () => {
  const { store, placements, told, follow } = scene();
  for (const node of ["g1", "g2"]) store.node(node);
  store.world("arena");
  const first = store.own("arena", "g1");
  follow();
  const shard = firstShard("arena");
  const says = (node: string, epoch: number) =>
    placements.placed({ world: "arena", shard, node, epoch });
  says("g2", first);
  placements.placed({ world: "cave", shard: "cave/0", node: "g2", epoch: first + 1 });
  assert.deepEqual(told, [], "not above what is known, or of what is not known");
  says("g2", first + 2);
  assert.deepEqual(told.splice(0), [{ shards: [shard], worlds: ["arena"], gone: [] }]);
  assert.deepEqual(placements.lookup("arena"), {
    ...{ world: "arena", shard, node: "g2", epoch: first + 2 },
  });
  placements.passed(SHARDS, first + 1);
  placements.passed(NODES, first + 9);
  assert.equal(placements.lookup("arena")?.node, "g2");
  placements.passed(SHARDS, first + 2);
  assert.deepEqual([placements.lookup("arena")?.node, placements.ownedCount], ["g1", 1]);
  says("g2", first + 5);
  store.node("g2", { state: "lost" });
  assert.equal(placements.lookup("arena")?.node, "g1", "there is nobody to go to");
  store.node("g2");
  const second = store.own("arena", "g1");
  assert.deepEqual(
    [placements.lookup("arena")?.node, placements.lookup("arena")?.epoch],
    ["g1", second],
  );
});

test("100,000 shards: one change looks at one of them", () => {
  const { store, placements, told, follow } = scene();
  store.node("g1");
  store.world("w0");
  store.own("w0", "g1");
  const owner = store.tiny.get(ownerKey("w0/0")) ?? assert.fail("an owner");
  const items = Array.from({ length: 100_000 }, (_, index) => ({
    ...owner,
    key: ownerKey(`w${index}/0`),
  }));
  follow();
  placements.read(SHARDS, store.tiny.revision, items);
  assert.equal(placements.ownedCount, 100_000);
  told.length = 0;
  const before = placements.placementOf("w7/0");
  store.own("w0", "g1");
  assert.deepEqual(told, [{ shards: ["w0/0"], worlds: ["w0"], gone: [] }]);
  assert.equal(placements.placementOf("w7/0"), before);
});

/** Something that happens in the store. */
const WORLD_NAMES = ["a", "b", "c"];
const NODE_NAMES = ["g1", "g2"];
const step = fc.oneof(
  fc.record({
    what: fc.constant("node" as const),
    node: fc.constantFrom(...NODE_NAMES),
    state: fc.constantFrom("ready" as const, "draining" as const, "lost" as const),
    boot: fc.constantFrom("1", "2"),
  }),
  fc.record({
    what: fc.constant("own" as const),
    world: fc.constantFrom(...WORLD_NAMES),
    node: fc.constantFrom(...NODE_NAMES),
    boot: fc.constantFrom("1", "2"),
    state: fc.constantFrom("owned" as const, "released" as const),
  }),
  fc.record({ what: fc.constant("world" as const), world: fc.constantFrom(...WORLD_NAMES) }),
  fc.record({
    what: fc.constant("delete" as const),
    key: fc.constantFrom(
      ...WORLD_NAMES.flatMap((world) => [
        worldKey(world),
        ownerKey(firstShard(world)),
        migrationKey(firstShard(world)),
        mirrorKey(firstShard(world)),
      ]),
      ...NODE_NAMES.map(nodeKey),
    ),
  }),
  fc.record({ what: fc.constant("restore" as const) }),
  fc.record({
    what: fc.constant("migrate" as const),
    world: fc.constantFrom(...WORLD_NAMES),
    node: fc.constantFrom(...NODE_NAMES),
  }),
  fc.record({
    what: fc.constant("mirror" as const),
    world: fc.constantFrom(...WORLD_NAMES),
    node: fc.constantFrom(...NODE_NAMES),
    state: fc.constantFrom("asked" as const, "in-sync" as const),
  }),
  /** A node says that it is the owner: the one who is, or another one. */
  fc.record({
    what: fc.constant("placed" as const),
    world: fc.constantFrom(...WORLD_NAMES),
    liar: fc.option(fc.constantFrom(...NODE_NAMES), { freq: 3, nil: undefined }),
  }),
  /** A prefix's watch tells what has gathered, or has a gap and is read anew. */
  fc.record({
    what: fc.constantFrom("deliver" as const, "reread" as const),
    prefix: fc.constantFrom(...WATCHED_PREFIXES),
  }),
);

test("whatever happens in whatever order it is heard, the end is what the store says", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const { store, placements, read } = scene();
      read(...WATCHED_PREFIXES);
      const pending = new Map<string, Change[]>(WATCHED_PREFIXES.map((prefix) => [prefix, []]));
      const epochs = new Map<string, number>();
      const lied = new Set<string>();
      placements.watch(({ shards }) => {
        for (const shard of shards) {
          const epoch = placements.placementOf(shard)?.epoch;
          if (epoch === undefined) continue;
          if (!lied.has(shard)) assert.ok(epoch >= (epochs.get(shard) ?? 0), "an epoch went back");
          epochs.set(shard, epoch);
        }
      });
      store.tiny.onChanges = (changes) => {
        for (const change of changes) {
          const key = change.type === "put" ? change.item.key : change.key;
          pending.get(key.slice(0, key.indexOf("/") + 1))?.push(change);
        }
      };
      const deliver = (prefix: string) => {
        // Watches may leave out what was changed again since.
        const newest = new Map<string, Change>();
        for (const change of pending.get(prefix)?.splice(0) ?? [])
          newest.set(change.type === "put" ? change.item.key : change.key, change);
        placements.changed(store.tiny.revision, [...newest.values()]);
        if (isWatchedPrefix(prefix)) placements.passed(prefix, store.tiny.revision);
      };
      const placed = (world: string, liar: string | undefined) => {
        const shard = firstShard(world);
        const { record, modified } = store.tiny.seen("owner", ownerKey(shard));
        if (liar !== undefined) lied.add(shard);
        const node = liar ?? (record?.state === "owned" ? record.node : undefined);
        const epoch = liar === undefined ? modified : store.tiny.revision;
        if (node !== undefined) placements.placed({ world, shard, node, epoch });
      };
      for (const one of steps) {
        if (one.what === "node") store.node(one.node, { state: one.state, boot: one.boot });
        else if (one.what === "own")
          store.own(one.world, one.node, { boot: one.boot, state: one.state });
        else if (one.what === "world") store.world(one.world);
        else if (one.what === "delete") store.put({ type: "delete", key: one.key });
        else if (one.what === "migrate")
          store.migrate(one.world, { from: "g1", to: one.node, epoch: 1 });
        else if (one.what === "mirror")
          store.mirror(one.world, { node: one.node, state: one.state, epoch: 1 });
        else if (one.what === "placed") placed(one.world, one.liar);
        else if (one.what === "restore") store.tiny.restore(store.tiny.backup());
        else if (one.what === "deliver") deliver(one.prefix);
        else {
          pending.get(one.prefix)?.splice(0);
          read(one.prefix);
        }
      }
      for (const prefix of WATCHED_PREFIXES) deliver(prefix);
      let owned = 0;
      for (const world of WORLD_NAMES) {
        const record = store.tiny.seen("world", worldKey(world));
        const owner = store.tiny.seen("owner", ownerKey(firstShard(world)));
        const ownerNode = store.tiny.seen("node", nodeKey(owner.record?.node ?? "none"));
        const holds = isOwned(owner, ownerNode, store.tiny.generation);
        owned += Number(holds);
        assert.equal(
          placements.placementOf(firstShard(world))?.epoch,
          holds ? owner.modified : undefined,
        );
        const leads =
          holds && owner.record?.world === record.created && record.record !== undefined;
        assert.equal(placements.lookup(world)?.node, leads ? owner.record?.node : undefined);
        assert.equal(placements.expects(world), record.record !== undefined);
        const move = store.tiny.seen("migration", migrationKey(firstShard(world)));
        assert.equal(placements.targetOf(firstShard(world)), move.record?.to);
        const { record: mirror } = store.tiny.seen("mirror", mirrorKey(firstShard(world)));
        const inSync = mirror?.state === "in-sync" ? mirror.node : undefined;
        assert.equal(placements.mirrorOf(firstShard(world)), inSync);
      }
      assert.equal(placements.ownedCount, owned);
    }),
    { numRuns: 200 },
  );
});

function isWatchedPrefix(text: string): text is WatchedPrefix {
  return WATCHED_PREFIXES.some((prefix) => prefix === text);
}
