import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeeds } from "./run-seeds.ts";
import { Simulation } from "./simulation.ts";

const SEEDS = 150;

test(`${SEEDS} seeds run without a violation, and much happens in them`, async () => {
  const { failures, totals } = await runSeeds({ first: 1, count: SEEDS });
  const [failure] = failures;
  if (failure)
    assert.fail(`npm run sim -- raft --seeds 1 --first ${failure.seed}\n${failure.error.stack}`);
  // A simulation in which nothing happens finds nothing.
  for (const [what, least] of [
    ["elections", 300],
    ["committed", 10_000],
    ["acknowledged", 5_000],
    ["reads", 2_000],
    ["installs", 50],
    ["changes", 50],
  ] as const)
    assert.ok((totals[what] ?? 0) >= least, `${totals[what]} ${what}`);
});

test("the same seed is the same run", () => {
  const run = () => new Simulation(7, new Set()).run();
  assert.deepEqual(run(), run());
});
