import assert from "node:assert/strict";
import { test } from "node:test";
import { share } from "@atlasnet/core/testing";
import { runSeeds } from "./run-seeds.ts";
import { Simulation } from "./simulation.ts";

/** All of them: `npm run sim -- raft`. */
const SEEDS = share(150);

test(`${SEEDS} seeds run without a violation, and much happens in them`, async () => {
  const { failures, totals } = await runSeeds({ first: 1, count: SEEDS });
  const [failure] = failures;
  if (failure)
    assert.fail(`npm run sim -- raft --seeds 1 --first ${failure.seed}\n${failure.error.stack}`);
  // A simulation in which nothing happens finds nothing.
  for (const [what, each] of [
    ["elections", 2],
    ["committed", 65],
    ["acknowledged", 33],
    ["reads", 13],
    ["installs", 0.3],
    ["changes", 0.3],
  ] as const)
    assert.ok((totals[what] ?? 0) >= each * SEEDS, `${totals[what]} ${what}`);
});

test("the same seed is the same run", () => {
  const run = () => new Simulation(7, new Set()).run();
  assert.deepEqual(run(), run());
});
