import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "@atlasnet/core/node";
import { share } from "@atlasnet/core/testing";
import { SimGroup, type SimResult } from "./testing/sim-group.ts";

/** More: ATLASNET_SEEDS=200. One of them: ATLASNET_SEED=17. */
const SEEDS = Number(process.env["ATLASNET_SEEDS"] ?? share(12));
const only = process.env["ATLASNET_SEED"];
const seeds =
  only === undefined ? Array.from({ length: SEEDS }, (_, at) => at + 1) : [Number(only)];

test("runners on simulated disks and links: what was acknowledged is applied everywhere, once", async () => {
  const sums: { [name: string]: number } = {};
  for (const seed of seeds) {
    const group = new SimGroup(seed);
    const result: SimResult = await group.clock.drive(group.run(), settle);
    for (const [name, value] of Object.entries(result)) sums[name] = (sums[name] ?? 0) + value;
  }
  // Seeds in which little happens prove little.
  if (only !== undefined) return;
  for (const [name, least] of Object.entries({
    acknowledged: 50,
    crashes: 3,
    reads: 10,
    installs: 0.2,
    failedSyncs: 0.2,
  }))
    assert.ok((sums[name] ?? 0) >= least * seeds.length, `${name}: ${JSON.stringify(sums)}`);
});

test("the same seed gives the same run", async () => {
  const run = async () => {
    const group = new SimGroup(3);
    return await group.clock.drive(group.run(), settle);
  };
  assert.deepEqual(await run(), await run());
});
