import assert from "node:assert/strict";
import { test } from "node:test";
import { share } from "@atlasnet/core/testing";
import { ClusterSimulation } from "./cluster.ts";
import type { Plan } from "./plan.ts";
import { runSeeds } from "./run-seeds.ts";

/** All of them: `npm run sim -- cluster`. */
const SEEDS = share(5);
/** A run of which much happens in little time. */
const BUSY: Partial<Plan> = {
  ...{ troubleMs: 30_000, slowWorlds: true, gameserverCrash: 0.03, proxyCrash: 0.03 },
  ...{ clientCrash: 0.02, cut: 0.05, pause: 0.02, election: 0.02, apiserverCrash: 0.03 },
};

test("a cluster in trouble loses, doubles and reorders nothing, and is well again afterwards", async () => {
  const { failures, totals } = await runSeeds({ first: 1, count: SEEDS, plan: BUSY });
  const [failure] = failures;
  assert.equal(
    failure,
    undefined,
    `again: npm run sim -- cluster --seed ${failure?.seed}\n${failure?.error.stack}`,
  );
  // Seeds in which little happens prove little.
  const least = { crashes: 0.5, proxyCrashes: 0.5, cuts: 1, said: 40, drops: 1, welcomes: 6 };
  for (const [what, each] of Object.entries(least))
    assert.ok((totals[what] ?? 0) >= each * SEEDS, `${what}: ${JSON.stringify(totals)}`);
});

test("whatever happens at a step of a migration, it ends, and nothing is lost", async () => {
  const plan: Partial<Plan> = {
    ...{ ...BUSY, durabilities: ["journal"], operator: 0.8, aim: 0.5 },
    ...{ cut: 0, proxyCrash: 0, gameserverCrash: 0 },
  };
  const { failures, totals } = await runSeeds({ first: 1, count: SEEDS, plan });
  const [failure] = failures;
  assert.equal(failure, undefined, `seed ${failure?.seed}: ${failure?.error.stack}`);
  const steps = ["opens", "copies", "is ready", "seals", "is sealed", "has switched", "is placed"];
  for (const step of steps) assert.ok((totals[`struck: ${step}`] ?? 0) > 0, step);
  for (const end of ["moved", "aborted"]) assert.ok((totals[end] ?? 0) > 0, end);
});

test("whatever happens at a step of a mirror, who goes on has all that anybody was told", async () => {
  const plan: Partial<Plan> = {
    ...{ ...BUSY, durabilities: ["mirror"], aim: 0.7, operator: 0 },
    ...{ cut: 0, proxyCrash: 0, gameserverCrash: 0, threadDeath: 0 },
  };
  const { failures, totals } = await runSeeds({ first: 1, count: SEEDS, plan });
  const [failure] = failures;
  assert.equal(failure, undefined, `seed ${failure?.seed}: ${failure?.error.stack}`);
  const steps = ["opens", "copies", "follows", "in sync", "proposes itself", "promoted", "cleared"];
  for (const step of steps) assert.ok((totals[`struck: mirror: ${step}`] ?? 0) > 0, step);
  assert.ok((totals["promoted"] ?? 0) > 0);
});

test("proxies that are rolled and worlds that sleep cost nobody anything", async () => {
  const calm = { gameserverCrash: 0, threadDeath: 0, proxyCrash: 0, clientCrash: 0, pause: 0 };
  const plan: Partial<Plan> = {
    ...{ ...BUSY, ...calm, cut: 0, aim: 0, isolation: 0, operator: 0, storeOutage: 0 },
    ...{ durabilities: ["journal", "snapshot"], worlds: 2, clients: 6 },
    ...{ proxyRoll: 0.05, sleepAfterSeconds: 2, nap: 0.1 },
  };
  const { failures, totals } = await runSeeds({ first: 1, count: SEEDS, plan });
  const [failure] = failures;
  assert.equal(failure, undefined, `seed ${failure?.seed}: ${failure?.error.stack}`);
  for (const what of ["proxyRolls", "asleep", "looks a world that slept goes on as it was"])
    assert.ok((totals[what] ?? 0) >= SEEDS, `${what}: ${JSON.stringify(totals)}`);
  assert.equal(totals["rollbacks"], 0);
});

test("worlds come to other versions while whatever happens, and to none that cannot go on with them", async () => {
  const plan: Partial<Plan> = {
    ...{ ...BUSY, troubleMs: 20_000, upgrade: 0.8, aim: 0.2, operator: 0.1 },
    ...{ gameservers: 3, oldHost: true, durabilities: ["journal", "mirror"], worlds: 2 },
  };
  const { failures, totals } = await runSeeds({ first: 1, count: SEEDS, plan });
  const [failure] = failures;
  assert.equal(failure, undefined, `seed ${failure?.seed}: ${failure?.error.stack}`);
  for (const what of ["upgraded", "upgradesAborted"])
    assert.ok((totals[what] ?? 0) > 0, `${what}: ${JSON.stringify(totals)}`);
});

test("the same seed is the same run, another one another", async () => {
  const plan = { ...BUSY, troubleMs: 10_000 };
  const traces: string[] = [];
  for (const seed of [3, 3, 4])
    traces.push((await new ClusterSimulation(seed, { plan }).run()).trace);
  assert.equal(traces[1], traces[0]);
  assert.notEqual(traces[2], traces[0]);
});
