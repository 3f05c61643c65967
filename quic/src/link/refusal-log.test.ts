import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogFacts, type Logger, noopLogger } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { REFUSAL_BURST, REFUSAL_LINE_MS, RefusalLog } from "./refusal-log.ts";

test("refusals are told up to a bound, and the next line says how many were left out", () => {
  const clock = new SimClock();
  const lines: (LogFacts | undefined)[] = [];
  const logger: Logger = { ...noopLogger, warn: (_message, facts) => void lines.push(facts) };
  const log = new RefusalLog({ clock });
  for (let n = 0; n < 1000; n++) log.warn(logger, "refused", { n });
  assert.equal(lines.length, REFUSAL_BURST);
  assert.deepEqual(lines.at(-1), { n: REFUSAL_BURST - 1 });
  clock.advance(REFUSAL_LINE_MS);
  log.warn(logger, "refused", { n: "next" });
  log.warn(logger, "refused", { n: "too soon" });
  assert.deepEqual(lines.at(-1), { n: "next", leftOut: 1000 - REFUSAL_BURST });
  clock.advance(REFUSAL_LINE_MS * REFUSAL_BURST * 2);
  for (let n = 0; n < 1000; n++) log.warn(logger, "refused", { n });
  assert.equal(lines.length, 2 * REFUSAL_BURST + 1);
});
