import assert from "node:assert/strict";
import { test } from "node:test";
import { type Conditions, ConditionsError, PERFECT, withConditions } from "./conditions.ts";

test("what is not named stays", () => {
  assert.deepEqual(withConditions({}), PERFECT);
  const bad = withConditions({ loss: 0.05, delayMs: 50, jitterMs: 20, reorder: 0.01 });
  assert.deepEqual(withConditions({ loss: 1 }, bad), { ...bad, loss: 1 });
  assert.equal(withConditions({ rateBytesPerSecond: 0 }).rateBytesPerSecond, 0);
});

test("what no network can be is refused by the name of its field", () => {
  const cases: [Partial<Conditions>, RegExp][] = [
    [{ loss: 1.1 }, /^loss: found 1.1, allowed: a number from 0 to 1$/],
    [{ loss: -0.1 }, /^loss/],
    [{ duplicate: Number.NaN }, /^duplicate: found NaN/],
    [{ delayMs: 10_001 }, /^delayMs/],
    [{ delayMs: 10, jitterMs: 11 }, /^jitterMs: found 11, allowed: at most the delay, which is 10/],
    [{ reorder: 0.1 }, /^reorder: found 0.1, allowed: 0 without a delay/],
    [{ rateBytesPerSecond: 1 }, /^rateBytesPerSecond: .* 0 or a number from 1000 /],
    [{ queueBytes: 1_500.5 }, /^queueBytes: .* an integer/],
    [{ seed: -1 }, /^seed/],
    [{ burst: 0 }, /^burst/],
  ];
  for (const [changes, message] of cases)
    assert.throws(() => withConditions(changes), {
      name: "ConditionsError",
      code: "bad-conditions",
      message,
      field: Object.keys(changes).at(-1),
    });
  assert.ok(new ConditionsError("loss", 2, "less").allowed === "less");
});
