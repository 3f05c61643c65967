import assert from "node:assert/strict";
import test from "node:test";
import { parseDuration } from "./duration.ts";

test("durations are whole numbers with a unit", () => {
  assert.deepEqual(["90s", "30m", "1h", "7d"].map(parseDuration), [90, 1800, 3600, 604_800]);
  for (const text of ["", "1", "h", "1.5h", "-1h", "0s", "1w", "1h ", "9999999999s"])
    assert.equal(parseDuration(text), undefined, text);
});
