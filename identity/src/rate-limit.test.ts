import assert from "node:assert/strict";
import test from "node:test";
import { RateLimit } from "./rate-limit.ts";

test("each address has a burst, and more as time goes by", () => {
  let now = 0;
  const limit = new RateLimit({ perSecond: 2, burst: 3 }, { now: () => now });
  const take = (address: string, times: number) =>
    Array.from({ length: times }, () => limit.take(address));
  assert.deepEqual(take("a", 4), [true, true, true, false]);
  assert.deepEqual(take("b", 1), [true], "one does not cost the other");
  now += 500;
  assert.deepEqual(take("a", 2), [true, false]);
  now += 60_000;
  assert.deepEqual(take("a", 4), [true, true, true, false], "never more than a burst");
});

test("the addresses that are remembered are bounded, and a busy one stays among them", () => {
  const limit = new RateLimit({ perSecond: 0, burst: 1 }, { now: () => 0 });
  assert.ok(limit.take("busy"));
  for (let n = 0; n < 10_000; n++) {
    assert.ok(limit.take(`${n}`));
    if (n % 1000 === 0) assert.ok(!limit.take("busy"));
  }
  assert.ok(limit.take("0"), "forgotten long ago");
});
