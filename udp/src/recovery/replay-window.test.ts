import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { REPLAY_WINDOW_PACKETS } from "../limits.ts";
import { ReplayWindow } from "./replay-window.ts";

test("takes each number once, and none that is more than the window below the highest", () => {
  // Steps back and forth around a number that wanders up, also by more than the ring holds; here and there a
  // row without a gap, also over the whole window.
  const step = fc.integer({ min: -1100, max: 1400 }).map((by) => ({ by, row: 1 }));
  const row = fc.integer({ min: 2, max: 1300 }).map((row) => ({ by: 1, row }));
  const steps = fc
    .array(fc.oneof({ weight: 20, arbitrary: step }, row), { maxLength: 100 })
    .map((moves) => moves.flatMap(({ by, row }) => [by, ...Array<number>(row - 1).fill(1)]));
  fc.assert(
    fc.property(steps, fc.constantFrom(0, 2 ** 20, 2 ** 32 - 700, 2 ** 45), (moves, base) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let highest = -1;
      let at = base;
      for (const move of moves) {
        at = Math.max(0, at + move);
        const expected = !seen.has(at) && at > highest - REPLAY_WINDOW_PACKETS;
        assert.equal(window.isNew(at), expected, `number ${at}, highest ${highest}`);
        if (!expected) continue;
        window.take(at);
        seen.add(at);
        highest = Math.max(highest, at);
        assert.equal(window.highest, highest);
        assert.equal(window.isNew(at), false);
      }
    }),
  );
});
