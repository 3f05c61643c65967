import assert from "node:assert/strict";
import { test } from "node:test";
import { BadFile, NewerFormat } from "@atlasnet/core/system";
import { defineWorld, uint } from "@atlasnet/world";
import fc from "fast-check";
import { decodeRun, encodeRun } from "./run-file.ts";
import { decodeSnapshot, encodeSnapshot, type SnapshotHeader } from "./snapshot-file.ts";

const header: SnapshotHeader = {
  world: "arena",
  shard: "main",
  module: { name: "arena", version: "1.2.3" },
  schema: defineWorld({ name: "arena", components: { box: { size: uint(9) } } }).data,
  epoch: 3,
  timeline: 1,
  tick: 77,
  createdAtMs: 1_900_000_000_000,
};

function encode(state: Uint8Array): Buffer {
  return Buffer.concat([...encodeSnapshot(header, state)]);
}

test("a snapshot is read as it was written", () => {
  const state = Buffer.from("state");
  const snapshot = decodeSnapshot(encode(state));
  assert.deepEqual(snapshot.header, header);
  assert.deepEqual(Buffer.from(snapshot.state), state);
});

test("a state of many pieces is read as it was written", () => {
  const state = Buffer.alloc(2_500_000, "abc");
  assert.ok(state.equals(decodeSnapshot(encode(state)).state));
});

test("no change, cut or addition to a snapshot passes", () => {
  const good = encode(Buffer.from("state"));
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const changed = Buffer.from(good);
      changed[at] = (changed[at] ?? 0) ^ flip;
      for (const bad of [changed, good.subarray(0, at), Buffer.concat([good, changed])])
        assert.throws(
          () => decodeSnapshot(bad),
          (error) => error instanceof BadFile || error instanceof NewerFormat,
        );
    }),
  );
});

test("a newer format is told apart from damage", () => {
  const newer = encode(Buffer.from("state"));
  newer.writeUInt16LE(2, 8);
  assert.throws(() => decodeSnapshot(newer), NewerFormat);
});

test("the run file remembers the epoch, the timeline and a clean stop", () => {
  const running = { epoch: 7, timeline: 2 };
  const stopped = { ...running, clean: { epoch: 7, tick: 500 } };
  assert.deepEqual(decodeRun(encodeRun(running)), running);
  assert.deepEqual(decodeRun(encodeRun(stopped)), stopped);
  const changed = Buffer.from(encodeRun(stopped).toString().replace("500", "501"));
  assert.throws(() => decodeRun(changed), BadFile);
});
