import assert from "node:assert/strict";
import test from "node:test";
import { durationOf } from "./duration.ts";
import { UsageError } from "./usage-error.ts";

const ofSleep = (text: string) => durationOf("--sleep-after", text, { min: 0, max: 86_400 });
const ofTtl = (text: string) => durationOf("--ttl", text, { min: 1, max: 315_360_000 });

test("durations are whole numbers with a unit", () => {
  assert.deepEqual(["90s", "30m", "1h", "7d"].map(ofTtl), [90, 1800, 3600, 604_800]);
  for (const text of ["", "1", "h", "1.5h", "-1h", "1w", "1h ", "9999999999s"])
    assert.throws(() => ofTtl(text), UsageError, text);
});

test("durations have bounds, which are said in the units of the option", () => {
  assert.deepEqual(["1s", "3650d"].map(ofTtl), [1, 315_360_000]);
  assert.deepEqual(["0", "0s", "0d", "24h", "1d"].map(ofSleep), [0, 0, 0, 86_400, 86_400]);
  for (const text of ["0", "0s", "0d", "3651d", "999999999d"])
    assert.throws(
      () => ofTtl(text),
      new UsageError(
        `--ttl: found "${text}", allowed: 1s to 3650d, a whole number with s, m, h or d behind it, as in 90s or 30m`,
      ),
    );
  assert.throws(() => ofSleep("86401s"), /--sleep-after: found "86401s", allowed: 0 to 1d, /);
  assert.throws(
    () => durationOf("--deadline", "2h", { min: 1, max: 3600 }),
    /--deadline: found "2h", allowed: 1s to 1h, /,
  );
});
