import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Deadlines } from "./deadlines.ts";

const SLOT_MS = 2;

function fired(deadlines: Deadlines<string>, now: number): string[] {
  const names: string[] = [];
  deadlines.advance(now, (name) => names.push(name));
  return names;
}

test("an entry is due once, not before its time and at most a slot late", () => {
  const deadlines = new Deadlines<string>({ slotMs: SLOT_MS, now: 1000 });
  const a = deadlines.entry("a");
  assert.equal(deadlines.nextAt, Number.POSITIVE_INFINITY);
  deadlines.set(a, 1025);
  assert.equal(deadlines.nextAt, 1026);
  assert.deepEqual(fired(deadlines, 1025.5), []);
  assert.deepEqual(fired(deadlines, 1026), ["a"]);
  assert.deepEqual(fired(deadlines, 5000), []);
  assert.equal(a.at, Number.POSITIVE_INFINITY);
  assert.equal(deadlines.nextAt, Number.POSITIVE_INFINITY);
});

test("deadlines move both ways, far away too, and may be taken away", () => {
  const deadlines = new Deadlines<string>({ slotMs: SLOT_MS, now: 0 });
  const [a, b, c] = [deadlines.entry("a"), deadlines.entry("b"), deadlines.entry("c")];
  deadlines.set(a, 100);
  deadlines.set(a, 10_000);
  deadlines.set(b, 300);
  deadlines.set(b, 20);
  deadlines.set(c, 50);
  deadlines.set(c, Number.POSITIVE_INFINITY);
  assert.deepEqual(fired(deadlines, 20), ["b"]);
  deadlines.set(b, 300);
  for (let now = 22; now < 300; now += 2) assert.deepEqual(fired(deadlines, now), []);
  assert.deepEqual(fired(deadlines, 300), ["b"]);
  for (let now = 302; now < 10_000; now += 2) assert.deepEqual(fired(deadlines, now), []);
  assert.deepEqual(fired(deadlines, 10_000), ["a"]);
});

test("what is due already fires at the next advance, never within the same one", () => {
  const deadlines = new Deadlines<string>({ slotMs: SLOT_MS, now: 0 });
  const a = deadlines.entry("a");
  deadlines.set(a, 10);
  let calls = 0;
  const again = () => {
    calls += 1;
    deadlines.set(a, 0);
  };
  deadlines.advance(10_000, again);
  assert.equal(calls, 1);
  deadlines.advance(10_002, again);
  assert.equal(calls, 2);
});

test("any moves: each deadline fires at the first advance a slot after it, and no other does", () => {
  const step = fc.record({
    entry: fc.nat(4),
    at: fc.oneof(fc.nat(3000), fc.constant(Number.POSITIVE_INFINITY)),
    forward: fc.oneof(fc.nat(5), fc.nat(1500)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const deadlines = new Deadlines<number>({ slotMs: SLOT_MS, now: 0 });
      const entries = [0, 1, 2, 3, 4].map((name) => deadlines.entry(name));
      const wanted = entries.map(() => Number.POSITIVE_INFINITY);
      let now = 0;
      for (const { entry, at, forward } of steps) {
        const due = at === Number.POSITIVE_INFINITY ? at : now + at;
        const moved = entries[entry];
        assert.ok(moved !== undefined);
        deadlines.set(moved, due);
        wanted[entry] = due;
        now += forward;
        deadlines.advance(now, (name) => {
          assert.ok((wanted[name] ?? 0) <= now, "not before its time");
          wanted[name] = Number.POSITIVE_INFINITY;
        });
        for (const at of wanted) {
          assert.ok(at > now - 2 * SLOT_MS, `${at} was due at ${now}`);
          assert.ok(deadlines.nextAt <= Math.max(at, now) + 2 * SLOT_MS);
        }
      }
    }),
  );
});
