import assert from "node:assert/strict";
import { test } from "node:test";
import { Violations } from "@atlasnet/apiserver/sim";
import {
  encodeRecord,
  type KeyValue,
  type MirrorRecord,
  mirrorKey,
  type NodeRecord,
  nodeKey,
  ownerKey,
} from "@atlasnet/core";
import { nodeRecord } from "@atlasnet/core/testing";
import { Promotions } from "./promotions.ts";

const SHARD = "w1/0";
const EPOCH = 10;
const MIRROR: MirrorRecord = {
  ...{ id: "0000000000000001", node: "b", boot: "b1", state: "asked" },
  ...{ world: 1, epoch: EPOCH },
};

/** "a" owns the shard, and "b" is asked to mirror it. */
function scene() {
  const items = new Map<string, KeyValue>();
  const put = (key: string, value: Uint8Array, modified: number) =>
    items.set(key, { key, value, created: 1, modified, version: 1 });
  const owner = { world: 1, node: "a", boot: "a1", state: "owned" } as const;
  put(ownerKey(SHARD), encodeRecord("owner", owner), EPOCH);
  put(mirrorKey(SHARD), encodeRecord("mirror", MIRROR), 11);
  const putNode = (node: string, modified: number, state: NodeRecord["state"] = "ready") => {
    const record = { ...nodeRecord({ boot: `${node}1`, state }), cordoned: false };
    put(nodeKey(node), encodeRecord("node", record), modified);
  };
  for (const node of ["a", "b"]) putNode(node, 5);
  const violations = new Violations(() => 0);
  const item = (key: string) => items.get(key);
  const checker = new Promotions({ violations, worlds: ["w1"], item, toldOf: () => 0 });
  checker.committed();
  /** It is confirmed, "a" is lost, and the record is given up. */
  const givenUp = () => {
    put(mirrorKey(SHARD), encodeRecord("mirror", { ...MIRROR, state: "in-sync" }), 12);
    checker.committed();
    putNode("a", 13, "lost");
    checker.committed();
    items.delete(mirrorKey(SHARD));
    checker.committed();
    return violations.first?.message;
  };
  return { checker, givenUp };
}

test("a mirror that is given up after its owner is a violation, unless its copy died with a thread", () => {
  const kept = scene();
  kept.checker.lostThread("c");
  assert.match(kept.givenUp() ?? "", /the mirror b of w1\/0 is given up, and a, which has it/);
  const died = scene();
  // Before it was confirmed, by what it had said.
  died.checker.lostThread("b");
  assert.equal(died.givenUp(), undefined);
});

test("a copy that is made anew after a thread's death has to be kept as the first one", () => {
  const { checker, givenUp } = scene();
  checker.lostThread("b");
  checker.acknowledged(MIRROR.id);
  assert.match(givenUp() ?? "", /is given up/);
});
