import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { RangeSet } from "./range-set.ts";

const change = fc.record({
  remove: fc.boolean(),
  start: fc.nat(60),
  length: fc.integer({ min: 1, max: 12 }),
});

function ranges(set: RangeSet): [number, number][] {
  return Array.from({ length: set.count }, (_, i) => [set.startAt(i), set.endAt(i)]);
}

test("holds what was added and not removed, in ranges that do not touch", () => {
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const set = new RangeSet();
      const model = new Set<number>();
      for (const { remove, start, length } of changes) {
        if (remove) set.remove(start, start + length);
        else set.add(start, start + length);
        for (let i = start; i < start + length; i++) {
          if (remove) model.delete(i);
          else model.add(i);
        }
        const held = ranges(set);
        const numbers = held.flatMap(([from, to]) =>
          Array.from({ length: to - from }, (_, i) => from + i),
        );
        assert.deepEqual(
          numbers,
          [...model].sort((a, b) => a - b),
        );
        for (let i = 1; i < held.length; i++)
          assert.ok((held[i]?.[0] ?? 0) > (held[i - 1]?.[1] ?? 0), "ranges touch");
      }
    }),
  );
});

test("drops its lowest range", () => {
  const set = new RangeSet();
  set.add(1, 3);
  set.add(5, 6);
  set.dropFirst();
  assert.deepEqual(ranges(set), [[5, 6]]);
});
