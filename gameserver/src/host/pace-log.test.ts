import assert from "node:assert/strict";
import { test } from "node:test";
import { type Logger, noopLogger } from "@atlasnet/core";
import { PACE_LOG_MS, PaceLog } from "./pace-log.ts";

test("overload is said at once and its end later; a world at its limit does not fill the log", () => {
  const lines: string[] = [];
  const logger: Logger = {
    ...noopLogger,
    warn: (message) => void lines.push(`warn ${message}`),
    info: (message) => void lines.push(`info ${message}`),
  };
  const log = new PaceLog({ logger });
  log.tick(1, 1000, 0);
  assert.deepEqual(lines, []);
  // Twenty ticks a second, every second one late.
  for (let tick = 2; tick < 200; tick++) log.tick(tick, tick % 2 === 0 ? 950 : 1000, tick * 50);
  assert.deepEqual(lines, ["warn The world cannot keep up: its time runs slower."]);
  log.tick(300, 1000, 100 + PACE_LOG_MS);
  log.tick(301, 900, 101 + PACE_LOG_MS);
  assert.deepEqual(lines.slice(1), ["info The world keeps up again."]);
  log.tick(302, 900, 100 + 2 * PACE_LOG_MS);
  assert.equal(lines.length, 3);
});
