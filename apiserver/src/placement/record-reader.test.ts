import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeRecord,
  firstShard,
  type KeyValue,
  moduleKey,
  movedKey,
  nodeKey,
  ownerKey,
} from "@atlasnet/core";
import { nodeRecord } from "@atlasnet/core/testing";
import { RecordReader, type RecordSink } from "./record-reader.ts";

type Call = readonly [string, ...unknown[]];

function reader(): { reader: RecordReader; calls: Call[] } {
  const calls: Call[] = [];
  const note =
    (name: string) =>
    (...args: unknown[]) => {
      calls.push([name, ...args]);
    };
  const sink: RecordSink = {
    enterGeneration: note("generation"),
    setNode: note("node"),
    setWorld: note("world"),
    setShard: note("shard"),
    setOwner: note("owner"),
    setMigration: note("migration"),
    setMirror: note("mirror"),
    setMoved: note("moved"),
    setModule: note("module"),
  };
  return { reader: new RecordReader(sink), calls };
}

function item(key: string, value: Uint8Array, modified: number): KeyValue {
  return { key, value, created: modified - 1, modified, version: 2 };
}

test("a record is handed on as what it is, behind its revision", () => {
  const { reader: it, calls } = reader();
  const record = { ...nodeRecord(), cordoned: false };
  it.put(item(nodeKey("gs-1"), encodeRecord("node", record), 12), 34);
  assert.deepEqual(calls, [
    ["generation", 12, 34],
    ["node", "gs-1", record, 12, 34],
  ]);
});

test("a record that is gone has no revision; nothing is said of history that is forgotten", () => {
  const { reader: it, calls } = reader();
  it.delete(ownerKey(firstShard("arena")), 12, 34);
  it.delete(moduleKey("arena", "1.0.0"), 13, 35);
  it.delete(movedKey(firstShard("arena")), 14, 36);
  assert.deepEqual(calls, [
    ["generation", 12, 34],
    ["owner", firstShard("arena"), "arena", undefined, 0, 34],
    ["generation", 13, 35],
    ["module", "arena@1.0.0", undefined],
    ["generation", 14, 36],
  ]);
});

test("what cannot be decoded is kept for people, a bounded number of times; other keys are passed over", () => {
  const { reader: it, calls } = reader();
  it.put(item("who/knows", new Uint8Array([1]), 5), 0);
  assert.equal(calls.length, 0);
  for (let n = 0; n < 1000; n++) it.put(item(nodeKey("gs-1"), new Uint8Array([n & 255]), 5), 0);
  assert.ok(calls.every(([name]) => name === "generation"));
  assert.equal(it.bad.length, 100);
  assert.equal(it.bad[0]?.key, nodeKey("gs-1"));
});
