import assert from "node:assert/strict";
import { test } from "node:test";
import { ShardEntry } from "./entries.ts";
import { WaitingShards } from "./waiting-shards.ts";

const BLOCKED_MS = 500;

function setUp() {
  const occupancy = { roomVersion: 0, moved: 0 };
  const waiting = new WaitingShards(BLOCKED_MS, occupancy);
  const woken = (now: number): string[] => {
    const names: string[] = [];
    waiting.wake({ add: ({ name }) => names.push(name) }, now);
    return names;
  };
  const shard = (name: string) => new ShardEntry(name, name);
  return { occupancy, waiting, woken, shard };
}

test("who waits for room is woken when there may be some, at most once in a while", () => {
  const { occupancy, waiting, woken, shard } = setUp();
  waiting.add(shard("a"), "room");
  waiting.add(shard("b"), "mirror");
  assert.deepEqual(woken(1000), ["a", "b"]);
  assert.equal(waiting.wakeAt, Number.POSITIVE_INFINITY);
  assert.deepEqual(woken(9000), [], "nothing has changed since");
  occupancy.roomVersion += 1;
  assert.deepEqual(woken(9000), ["a", "b"]);
  occupancy.roomVersion += 1;
  assert.equal(waiting.wakeAt, 9000 + BLOCKED_MS);
  assert.deepEqual(woken(9000 + BLOCKED_MS - 1), []);
  assert.deepEqual(woken(9000 + BLOCKED_MS), ["a", "b"]);
});

test("who waits for its turn is woken as soon as others have moved, and by nothing else", () => {
  const { occupancy, waiting, woken, shard } = setUp();
  waiting.add(shard("a"), "turn");
  occupancy.roomVersion += 1;
  assert.deepEqual(woken(1000), []);
  assert.equal(waiting.wakeAt, Number.POSITIVE_INFINITY);
  occupancy.moved += 1;
  assert.deepEqual(woken(1000), ["a"]);
  assert.deepEqual(woken(1001), []);
});

test("who was looked at waits no more", () => {
  const { waiting, woken, shard } = setUp();
  const [a, b] = [shard("a"), shard("b")];
  waiting.add(a, "room");
  waiting.add(b, "mirror");
  assert.deepEqual([waiting.blockedShards, waiting.unmirroredShards], [1, 1]);
  waiting.delete(a);
  assert.deepEqual(woken(1000), ["b"]);
  waiting.clear();
  assert.deepEqual([waiting.blockedShards, waiting.unmirroredShards], [0, 0]);
});
