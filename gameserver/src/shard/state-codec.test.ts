import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { share } from "@atlasnet/core/testing";
import { ByteWriter, DecodeError } from "@atlasnet/world";
import { live } from "../testing/random-life.ts";
import { TestShard } from "../testing/test-shard.ts";
import { StateCodec } from "./state-codec.ts";
import { Store } from "./store.ts";

const LIMITS = { messages: 1000, bytes: 1_000_000 };

test("a follower of the deltas has the same state hash at every tick", () => {
  for (const [seed, space] of [
    [1, "2d"],
    [2, "2d"],
    [3, "3d"],
    [4, "2d"],
  ] as const) {
    let follower: Store | undefined;
    let codec: StateCodec | undefined;
    for (const { test, result } of live(seed, share(150), space)) {
      codec ??= new StateCodec(test.definition);
      follower ??= new Store(test.definition, { seed: 7, outbox: LIMITS });
      codec.apply(result.delta, follower);
      const twin = new TestShard({ space });
      twin.shard.load(snapshotOf(follower, codec));
      assert.equal(twin.shard.hash(), test.shard.hash(), `seed ${seed}, tick ${result.tick}`);
    }
  }
});

function snapshotOf(store: Store, codec: StateCodec): Uint8Array {
  const writer = new ByteWriter();
  codec.writeSnapshot(writer, store);
  return writer.finish();
}

test("a snapshot gives the same hash, and a delta applied twice does no harm", () => {
  let kept: Uint8Array | undefined;
  for (const { test, result } of live(11, 80)) {
    const twin = new TestShard();
    if (kept !== undefined) {
      twin.shard.load(kept);
      const codec = new StateCodec(test.definition);
      codec.apply(result.delta, twin.shard.store);
      assert.equal(twin.shard.hash(), test.shard.hash());
    }
    kept = test.shard.snapshot();
    const again = new TestShard();
    again.shard.load(kept);
    assert.deepEqual(again.shard.snapshot(), kept);
  }
});

test("states reached in another order have the same bytes", () => {
  const one = new TestShard();
  one.hooks.tick = (ctx) => {
    ctx.kv.set("b", 2);
    ctx.kv.set("a", 1);
    const first = ctx.spawn({ position: { x: 5, y: 5, z: 0 } });
    ctx.spawn({ position: { x: 6, y: 5, z: 0 } });
    first.add("look", { name: "x" });
  };
  const other = new TestShard();
  other.hooks.tick = (ctx) => {
    ctx.kv.set("a", 0);
    const first = ctx.spawn({ look: { name: "x" }, position: { x: 1, y: 1, z: 1 } });
    ctx.spawn({ position: { x: 6, y: 5, z: 0 } });
    first.add("position", { x: 5, y: 5, z: 0 });
    ctx.kv.set("a", 1);
    ctx.kv.set("b", 2);
  };
  one.tick();
  other.tick();
  assert.deepEqual(one.shard.snapshot(), other.shard.snapshot());
  assert.notEqual(one.shard.hash(), new TestShard().shard.hash());
});

test("iteration of world code is the same after a restore", () => {
  const original = new TestShard();
  original.hooks.tick = (ctx) => {
    ctx.kv.set("z", 1);
    ctx.kv.set("a", 1);
    ctx.kv.set("m", 1);
  };
  original.tick();
  const restored = original.successor({});
  const keys = (shard: TestShard) => {
    let seen: string[] = [];
    shard.hooks.tick = (ctx) => {
      seen = [...ctx.kv.keys()];
    };
    shard.tick();
    return seen;
  };
  assert.deepEqual(keys(original), ["a", "m", "z"]);
  assert.deepEqual(keys(restored), ["a", "m", "z"]);
});

test("hostile bytes are a DecodeError, nothing else", () => {
  const random = new SeededRandom(5);
  let snapshot: Uint8Array = new Uint8Array(0);
  const samples: Uint8Array[] = [];
  let definition = new TestShard().definition;
  for (const { test, result } of live(12, 60)) {
    snapshot = test.shard.snapshot();
    samples.push(result.delta);
    definition = test.definition;
  }
  samples.push(snapshot);
  let refused = 0;
  for (let round = 0; round < share(3000); round++) {
    const sample = samples[random.int(0, samples.length - 1)] ?? snapshot;
    const bytes = sample.slice(
      0,
      random.int(0, 3) === 0 ? random.int(0, sample.length) : undefined,
    );
    for (let n = random.int(1, 4); n > 0 && bytes.length > 0; n--)
      bytes[random.int(0, bytes.length - 1)] = random.int(0, 255);
    const shard = new TestShard().shard;
    try {
      shard.succession.restore(snapshot, []);
      shard.succession.restore(bytes, []);
      shard.tick();
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error));
      refused += 1;
    }
  }
  assert.ok(refused > 500, `${refused} refused`);
  assert.ok(definition !== undefined);
});
