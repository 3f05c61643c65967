import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Conditions, withConditions } from "./conditions.ts";
import { MAX_RETRANSMIT_MS, StreamPath } from "./stream-path.ts";

const path = { flow: 0, direction: "up" } as const;

/** What a stream gives until `end`, looked at whenever it says so; each as "item@time". */
function run(stream: StreamPath<number>, from: number, end: number, conditions: Conditions) {
  const got: { item: number; at: number }[] = [];
  let now = from;
  for (;;) {
    for (let one = stream.shift(now, conditions); one; one = stream.shift(now, conditions))
      got.push({ item: one.item, at: now });
    const wakeAt = stream.wakeAt;
    if (wakeAt === undefined || wakeAt > end) return got;
    assert.ok(wakeAt > now, "it moves on");
    now = wakeAt;
  }
}

test("everything arrives once and in order, whatever the network does", () => {
  fc.assert(
    fc.property(
      fc.record({
        loss: fc.double({ min: 0, max: 0.6, noNaN: true }),
        delayMs: fc.integer({ min: 20, max: 200 }),
        jitterMs: fc.nat(20),
        rateBytesPerSecond: fc.constantFrom(0, 20_000),
        seed: fc.nat(),
      }),
      fc.array(fc.nat(30), { maxLength: 60 }),
      (changes, waits) => {
        const conditions = withConditions(changes);
        const stream = new StreamPath<number>(path);
        let now = 0;
        waits.forEach((wait, index) => {
          now += wait;
          stream.push(index, 100, now, conditions);
        });
        const got = run(stream, now, Number.MAX_SAFE_INTEGER, conditions);
        assert.deepEqual(
          got.map(({ item }) => item),
          waits.map((_, index) => index),
        );
        assert.equal(stream.heldBytes, 0);
      },
    ),
    { numRuns: 100 },
  );
});

test("the same seed gives the same times", () => {
  const times = (seed: number) => {
    const conditions = withConditions({ loss: 0.2, delayMs: 30, jitterMs: 10, seed });
    const stream = new StreamPath<number>(path);
    for (let n = 0; n < 100; n++) stream.push(n, 10, 0, conditions);
    return run(stream, 0, 1e9, conditions);
  };
  assert.deepEqual(times(3), times(3));
  assert.notDeepEqual(times(3), times(4));
});

test("a lost segment holds up those behind it for a retransmission timeout", () => {
  const calm = withConditions({ delayMs: 40 });
  const cut = withConditions({ delayMs: 40, loss: 1 });
  const stream = new StreamPath<number>(path);
  assert.equal(stream.push(0, 10, 0, calm), false);
  assert.equal(stream.push(1, 10, 0, cut), true);
  assert.equal(stream.push(2, 10, 5, calm), false);
  assert.deepEqual(run(stream, 5, 1e9, calm), [
    { item: 0, at: 40 },
    { item: 1, at: 240 },
    { item: 2, at: 240 },
  ]);
  // On a long line the timeout is twice the delay.
  const far = withConditions({ delayMs: 500 });
  stream.push(3, 10, 1_000, withConditions({ delayMs: 500, loss: 1 }));
  assert.deepEqual(run(stream, 1_000, 1e9, far), [{ item: 3, at: 2_500 }]);
});

test("a cut lets nothing through, and all of it soon after it is over", () => {
  const cut = withConditions({ loss: 1, delayMs: 10 });
  const healed = withConditions({ delayMs: 10 });
  const stream = new StreamPath<number>(path);
  for (let n = 0; n < 50; n++) stream.push(n, 10, n, cut);
  assert.deepEqual(run(stream, 50, 7_000, cut), []);
  const got = run(stream, 7_000, 1e9, healed);
  assert.deepEqual(
    got.map(({ item }) => item),
    Array.from({ length: 50 }, (_, n) => n),
  );
  assert.ok((got.at(-1)?.at ?? 1e9) <= 7_000 + MAX_RETRANSMIT_MS + 10);
});

test("a rate spaces segments, and the backlog says how many bytes wait", () => {
  const conditions = withConditions({ rateBytesPerSecond: 10_000 });
  const stream = new StreamPath<number>(path);
  for (let n = 0; n < 3; n++) stream.push(n, 1_000, 0, conditions);
  assert.equal(stream.backlog(0, conditions), 3_000);
  assert.equal(stream.backlog(250, conditions), 500);
  assert.deepEqual(
    run(stream, 0, 1e9, conditions).map(({ at }) => at),
    [100, 200, 300],
  );
});
