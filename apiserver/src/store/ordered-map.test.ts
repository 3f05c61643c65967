import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { OrderedMap, type OrderedView } from "./ordered-map.ts";

type Step =
  | { readonly type: "set"; readonly key: number }
  | { readonly type: "delete"; readonly key: number }
  | { readonly type: "delete-run"; readonly key: number }
  | { readonly type: "freeze" };

const key = fc.integer({ min: 0, max: 2000 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 30, arbitrary: fc.record({ type: fc.constant("set" as const), key }) },
  { weight: 10, arbitrary: fc.record({ type: fc.constant("delete" as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete-run" as const), key }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("freeze" as const) }) },
);

const name = (n: number) => `k${String(n * 7919).padStart(9, "0")}`;

test("an ordered map and its frozen views hold what a sorted list holds", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 3000, size: "max" }), (steps) => {
      const map = new OrderedMap<number>();
      const model = new Map<string, number>();
      const frozen: { view: OrderedView<number>; copy: [string, number][] }[] = [];
      let count = 0;
      for (const each of steps) {
        count += 1;
        if (each.type === "set") {
          assert.equal(map.set(name(each.key), count), model.get(name(each.key)));
          model.set(name(each.key), count);
        } else if (each.type === "delete") {
          assert.equal(map.delete(name(each.key)), model.get(name(each.key)));
          model.delete(name(each.key));
        } else if (each.type === "delete-run") {
          for (let k = each.key; k < each.key + 300; k++) {
            map.delete(name(k));
            model.delete(name(k));
          }
        } else frozen.push({ view: map.freeze(), copy: sorted(model) });
      }
      assert.deepEqual(entries(map), sorted(model));
      assert.equal(map.size, model.size);
      for (const { view, copy } of frozen) {
        assert.deepEqual(entries(view), copy);
        assert.equal(view.size, copy.length);
        for (const [k, v] of copy.slice(0, 20)) assert.equal(view.get(k), v);
      }
      const from = name(1000);
      const behind = sorted(model).filter(([k]) => k >= from);
      assert.deepEqual(entries(map, from), behind);
    }),
    { numRuns: 25, endOnFailure: true },
  );
});

test("keys that come from the highest to the lowest", () => {
  const map = new OrderedMap<number>();
  const expected: [string, number][] = [];
  for (let i = 20_000; i > 0; i--) {
    map.set(name(i), i);
    if (i % 1000 === 0) map.freeze();
  }
  for (let i = 1; i <= 20_000; i++) {
    assert.equal(map.get(name(i)), i);
    expected.push([name(i), i]);
  }
  assert.deepEqual(entries(map), expected);
});

test("100,000 keys: a range sees its own part only, in any order of arrival", () => {
  const map = new OrderedMap<number>();
  // A step that is prime to the count visits every key once.
  for (let i = 0; i < 100_000; i++) map.set(name((i * 7_001) % 100_000), i);
  assert.equal(map.size, 100_000);
  let seen = 0;
  map.visit(name(50_000), () => {
    seen += 1;
    return seen < 10;
  });
  assert.equal(seen, 10);
  for (let i = 0; i < 100_000; i++) assert.notEqual(map.delete(name(i)), undefined);
  assert.deepEqual(entries(map), []);
});

function sorted(model: ReadonlyMap<string, number>): [string, number][] {
  return [...model].sort(([a], [b]) => (a < b ? -1 : 1));
}

function entries(view: OrderedView<number>, from = ""): [string, number][] {
  const list: [string, number][] = [];
  view.visit(from, (value, k) => {
    list.push([k, value]);
    return true;
  });
  return list;
}
