import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import fc from "fast-check";
import { randomDeed } from "../testing/random-deeds.ts";
import { TestShard } from "../testing/test-shard.ts";

test("property: a state that follows another one is copied as it was, while it goes on", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 20, max: 400 }), (seed, pieceBytes) => {
      const random = new SeededRandom(seed);
      const deeds = { tick: (ctx: Parameters<typeof randomDeed>[0]) => randomDeed(ctx, random) };
      const owner = new TestShard({ hasTick: true, hooks: deeds });
      owner.ticks(40);
      const given = owner.shard.beginCopy();
      const follower = new TestShard({ hasTick: true });
      const loading = follower.shard.beginLoad();
      for (let last = false; !last; ) {
        const piece = given.read(1_000);
        loading.take(piece.data);
        last = piece.last;
      }
      loading.finish();
      const follow = () => {
        const { tick, delta } = owner.tick();
        follower.shard.follow(tick, delta);
      };
      for (let n = 0; n < 5; n++) follow();
      const before = follower.shard.snapshot();
      const copy = follower.shard.beginCopy();
      const pieces: Uint8Array[] = [];
      for (let last = false; !last; ) {
        const piece = copy.read(pieceBytes);
        pieces.push(piece.data);
        last = piece.last;
        for (let n = 0; n < 3; n++) follow();
      }
      assert.deepEqual(new Uint8Array(Buffer.concat(pieces)), before);
      copy.end();
      assert.deepEqual(follower.shard.digest(), owner.shard.digest());
      assert.deepEqual(follower.shard.snapshot(), owner.shard.snapshot());
    }),
    { numRuns: 40 },
  );
});
