import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  firstShard,
  migrationKey,
  mirrorKey,
  moduleKey,
  movedKey,
  nodeKey,
  ownerKey,
  parseRecordKey,
  shardKey,
  snapshotKey,
  worldKey,
} from "./record-keys.ts";

test("keys say what they are about", () => {
  assert.deepEqual(parseRecordKey(nodeKey("gs-1")), { kind: "node", node: "gs-1" });
  assert.deepEqual(parseRecordKey(worldKey("arena")), { kind: "world", world: "arena" });
  const shard = firstShard("arena");
  assert.deepEqual(parseRecordKey(shardKey(shard)), { kind: "shard", shard, world: "arena" });
  assert.deepEqual(parseRecordKey(ownerKey(shard)), { kind: "owner", shard, world: "arena" });
  assert.deepEqual(parseRecordKey(snapshotKey(shard)), { kind: "snapshot", shard, world: "arena" });
  for (const name of ["arena", "@games/arena"])
    assert.deepEqual(parseRecordKey(moduleKey(name, "1.0.0")), {
      kind: "module",
      name,
      version: "1.0.0",
    });
});

test("other keys are of no record", () => {
  for (const key of [
    "",
    "nodes",
    "nodes/",
    "nodes/a b",
    "nodes/a/b",
    "worlds/9",
    "shards/arena",
    "shards/arena/",
    "shards/arena/01",
    "shards/arena/4096",
    "shards/arena/0/owner/owner",
    "shards/arena/owner",
    "modules/arena",
    "modules/arena/latest",
    "modules/Arena/1.0.0",
    "modules//1.0.0",
    "kv/cluster/x",
  ])
    assert.equal(parseRecordKey(key), undefined, key);
});

test("a key that is understood is written the same way", () => {
  const part = fc.stringMatching(/^[a-zA-Z0-9@._/-]{0,12}$/);
  const prefix = fc.constantFrom(
    "nodes/",
    "worlds/",
    "shards/",
    "modules/",
    "shards/a/",
    "modules/a/",
  );
  fc.assert(
    fc.property(
      prefix,
      part,
      fc.constantFrom("", "/owner", "/snapshot", "/migration", "/moved", "/mirror", "/1.0.0", "/0"),
      (start, middle, end) => {
        const key = start + middle + end;
        const parsed = parseRecordKey(key);
        if (parsed === undefined) return;
        const written = {
          node: () => (parsed.kind === "node" ? nodeKey(parsed.node) : ""),
          world: () => (parsed.kind === "world" ? worldKey(parsed.world) : ""),
          shard: () => (parsed.kind === "shard" ? shardKey(parsed.shard) : ""),
          owner: () => (parsed.kind === "owner" ? ownerKey(parsed.shard) : ""),
          snapshot: () => (parsed.kind === "snapshot" ? snapshotKey(parsed.shard) : ""),
          migration: () => (parsed.kind === "migration" ? migrationKey(parsed.shard) : ""),
          mirror: () => (parsed.kind === "mirror" ? mirrorKey(parsed.shard) : ""),
          moved: () => (parsed.kind === "moved" ? movedKey(parsed.shard) : ""),
          module: () => (parsed.kind === "module" ? moduleKey(parsed.name, parsed.version) : ""),
        };
        assert.equal(written[parsed.kind](), key);
      },
    ),
  );
});
