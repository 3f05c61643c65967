import assert from "node:assert/strict";
import { test } from "node:test";
import { type Logger, noopLogger } from "@atlasnet/core";
import type { Fault } from "../shard/shard.ts";
import { FaultReports } from "./fault-reports.ts";

test("every fault is counted; one that comes at every tick is told of now and then, and that its world stopped always", () => {
  let now = 0;
  const lines: [string, unknown][] = [];
  const counted: boolean[] = [];
  const logger: Logger = {
    ...noopLogger,
    error: (message, facts) => void lines.push([message, facts]),
  };
  const reports = new FaultReports({
    logger,
    onFault: (_world, _fault, repeated) => counted.push(repeated),
    now: () => now,
  });
  const fault: Fault = { event: "tick", tick: 7, kind: "threw", message: "no grass", stack: "at" };
  const report = (quarantined = false) =>
    reports.report("meadow", { type: "fault", shard: "meadow/0", fault, quarantined });
  report();
  report();
  now = 60_000;
  report();
  report(true);
  assert.deepEqual(counted, [false, true, false, true]);
  const facts = {
    ...{ world: "meadow", shard: "meadow/0" },
    ...{ event: "tick", tick: 7, kind: "threw", stack: "at" },
  };
  assert.deepEqual(lines, [
    ["World meadow, tick at tick 7: no grass", facts],
    ["World meadow, tick at tick 7: no grass", { ...facts, unreported: 1 }],
    [
      "World meadow is stopped after repeated faults. Repair the module and restart the world.",
      { world: "meadow", shard: "meadow/0" },
    ],
  ]);
});
