import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { seedsInJobs } from "./seed-jobs.mjs";

/** Fails at multiples of seven; tells which faults it was given; ends its process at seed 99. */
const RUNNER = `export async function runSeeds({ first, faults, settle }) {
  await settle();
  if (first === 99) process.exit(3);
  if (first % 7 === 0)
    return { seeds: 1, totals: {}, failures: [{ seed: first, error: new Error("seed " + first) }] };
  return { seeds: 1, failures: [], totals: { sum: first, [faults.join()]: 1 } };
}`;

function runner(t) {
  const dir = mkdtempSync(path.join(tmpdir(), "seeds-"));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = path.join(dir, "run.mjs");
  writeFileSync(file, RUNNER);
  return file;
}

test("seeds over processes: each is run once, totals and failures are merged", async (t) => {
  const run = seedsInJobs({ runner: runner(t), jobs: 2 });
  const told = [];
  const report = await run({
    ...{ first: 1, count: 20, faults: ["deaf"], maxFailures: Number.POSITIVE_INFINITY },
    onSeed: (seed, failure) => told.push([seed, failure?.error.message]),
  });
  assert.equal(report.seeds, 20);
  assert.deepEqual(
    report.failures.map(({ seed, error }) => [seed, error.message]),
    [7, 14].map((seed) => [seed, `seed ${seed}`]),
  );
  assert.deepEqual(report.totals, { sum: 210 - 21, deaf: 18 });
  const all = Array.from({ length: 20 }, (_, at) => at + 1);
  told.sort(([one], [other]) => one - other);
  assert.deepEqual(
    told,
    all.map((seed) => [seed, seed % 7 === 0 ? `seed ${seed}` : undefined]),
  );
});

test("seeds over processes: after the first failure no more begin, and one that ends by itself is told", async (t) => {
  const file = runner(t);
  const report = await seedsInJobs({ runner: file, jobs: 2 })({ first: 7, count: 1000 });
  assert.equal(report.failures[0]?.seed, 7);
  assert.ok(report.seeds < 1000);
  await assert.rejects(
    seedsInJobs({ runner: file, jobs: 1 })({ first: 99, count: 1 }),
    /process of seed 99 ended by itself \(exit 3\)/,
  );
});
