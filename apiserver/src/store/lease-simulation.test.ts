import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LEASE_FAULTS, simulateLeases } from "./lease-simulation.ts";

describe("leases in a simulated cluster", () => {
  test("nobody acts after it was declared lost", () => {
    let acts = 0;
    let lost = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const run = simulateLeases(seed);
      assert.deepEqual(run.violations, [], `seed ${seed}`);
      acts += run.acts;
      lost += run.lost;
    }
    // Without either there was nothing to see.
    assert.ok(acts > 10_000, `only ${acts} acts`);
    assert.ok(lost > 100, `only ${lost} nodes were lost`);
  });

  for (const fault of LEASE_FAULTS)
    test(`the checker finds the fault ${fault}`, () => {
      for (let seed = 1; seed <= 400; seed++)
        if (simulateLeases(seed, fault).violations.length > 0) return;
      assert.fail("no seed of 400 shows it");
    });
});
