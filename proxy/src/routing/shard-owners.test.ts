import assert from "node:assert/strict";
import { test } from "node:test";
import { firstShard, type NodeRecord, type OwnerRecord } from "@atlasnet/core";
import { gameserverRecord } from "../testing/fake-control-store.ts";
import { Found, ShardOwners } from "./shard-owners.ts";

const SHARD = firstShard("arena");
/** When the world was made. */
const MADE = 4;

/** Owners that know the nodes `g1` and `g2`; the shard is of `g1`, at epoch 10. */
function scene() {
  const owners = new ShardOwners();
  const node = (name: string, modified: number, fields: Partial<NodeRecord> = {}) =>
    found((all) =>
      owners.putNode(name, { record: gameserverRecord(fields), created: 1, modified }, all),
    );
  const own = (name: string, modified: number, fields: Partial<OwnerRecord> = {}) => {
    const record: OwnerRecord = { world: MADE, node: name, boot: "1", state: "owned", ...fields };
    return found((all) => owners.put(SHARD, { record, created: 5, modified }, modified, all));
  };
  const claim = (name: string, epoch: number) =>
    found((all) => owners.claimed({ world: "arena", shard: SHARD, node: name, epoch }, all));
  node("g1", 1);
  node("g2", 2);
  own("g1", 10);
  const at = () => {
    const placement = owners.placementOf(SHARD);
    return placement && [placement.node, placement.epoch];
  };
  return { owners, node, own, claim, at };
}

/** What a call has found, as lists. */
function found(call: (all: Found) => void) {
  const all = new Found();
  call(all);
  return { shards: [...all.shards], worlds: [...all.worlds], gone: [...all.gone] };
}

const MOVED = { shards: [SHARD], worlds: ["arena"], gone: [] };
const NOTHING = { shards: [], worlds: [], gone: [] };

test("a claim above the owner's record counts until there is a newer state of the record", () => {
  const { owners, own, claim, at } = scene();
  assert.deepEqual(claim("g2", 10), NOTHING);
  assert.deepEqual(claim("g2", 20), MOVED);
  assert.deepEqual(at(), ["g2", 20]);
  assert.deepEqual(owners.claims, [{ shard: SHARD, epoch: 20 }]);
  assert.deepEqual(own("g2", 20), NOTHING, "it is as the node said");
  assert.deepEqual([owners.claims, owners.hasClaims, owners.count], [[], false, 1]);
});

test("a claim that the watch got past, or that names a later epoch than there is, is not true", () => {
  const { owners, claim, at } = scene();
  claim("g2", 20);
  assert.deepEqual(
    found((all) => owners.passed(19, all)),
    NOTHING,
  );
  assert.deepEqual(
    found((all) => owners.passed(20, all)),
    MOVED,
  );
  assert.deepEqual(at(), ["g1", 10]);
  claim("g2", 30);
  const claims = owners.claims;
  assert.deepEqual(
    found((all) => assert.deepEqual(owners.disprove(claims, 30, all), [])),
    NOTHING,
    "there is such an epoch, which the watch will tell of",
  );
  assert.deepEqual(
    found((all) => assert.deepEqual(owners.disprove(claims, 29, all), ["g2"])),
    { ...MOVED, gone: ["g2"] },
  );
  assert.deepEqual(at(), ["g1", 10]);
  assert.deepEqual(
    found((all) => assert.deepEqual(owners.disprove(claims, 29, all), [])),
    NOTHING,
    "it is another claim's answer by now",
  );
});

test("a node that claims and goes leaves the shard with its owner", () => {
  const { node, claim, at } = scene();
  claim("g2", 20);
  assert.deepEqual(node("g2", 21, { state: "lost" }), { ...MOVED, gone: ["g2"] });
  assert.deepEqual(at(), ["g1", 10]);
});

test("a removal that comes late takes nothing; one in its place takes the owner and what is known of it", () => {
  const { owners, at } = scene();
  assert.deepEqual(
    found((all) => owners.remove(SHARD, 9, all)),
    NOTHING,
  );
  assert.deepEqual(at(), ["g1", 10]);
  assert.equal(owners.worldOf(SHARD), MADE);
  assert.deepEqual(
    found((all) => owners.remove(SHARD, 11, all)),
    MOVED,
  );
  assert.deepEqual(
    [at(), owners.worldOf(SHARD), owners.floorOf(SHARD)],
    [undefined, undefined, undefined],
  );
  assert.deepEqual([owners.count, [...owners.keys()]], [0, []]);
});
