import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "@atlasnet/core/node";
import { share } from "@atlasnet/core/testing";
import { runSeeds } from "./run-seeds.ts";
import { ControlSimulation } from "./simulation.ts";

/** All of them: `npm run sim -- control`. */
const SEEDS = share(15);

test("a control plane in trouble keeps its promises, and is well again afterwards", async () => {
  const { failures, totals } = await runSeeds({ first: 1, count: SEEDS, settle });
  const [failure] = failures;
  assert.equal(
    failure,
    undefined,
    `again: npm run sim -- control --seed ${failure?.seed}\n${failure?.error.stack}`,
  );
  // Seeds in which little happens prove little.
  const least = {
    leaders: 2,
    acknowledged: 40,
    acts: 300,
    lost: 0.3,
    moves: 0.3,
    migrated: 0.2,
    watchEvents: 20,
    crashes: 2,
    installs: 0.1,
  };
  for (const [what, each] of Object.entries(least))
    assert.ok((totals[what] ?? 0) >= each * SEEDS, `${what}: ${JSON.stringify(totals)}`);
  assert.equal(totals["undecided"], 0);
});

test("the same seed is the same run, another one another", async () => {
  const runs = [3, 3, 4].map((seed) => new ControlSimulation(seed).run(settle));
  const [first, again, other] = await Promise.all(runs);
  assert.deepEqual(again, first);
  assert.notEqual(other?.trace, first?.trace);
});
