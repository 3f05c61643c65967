// Seeds of a simulation, run by several processes at a time.
import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { ScriptError } from "./run.mjs";

const CHILD = fileURLToPath(new URL("./seed-child.mjs", import.meta.url));

/**
 * What a suite's `runSeeds` does, over child processes: each gets a seed when it has done the one before. Once there
 * are `maxFailures`, those under way are brought to their end and no more begin.
 * @param {{runner: string, jobs: number}} suite path of the module that has `runSeeds`, and how many processes
 * @returns {(options: {first: number, count: number, faults?: readonly string[], maxFailures?: number,
 *   onSeed?: (seed: number, failure?: {seed: number, error: Error}) => void}) => Promise<{seeds: number,
 *   failures: {seed: number, error: Error}[], totals: {[what: string]: number}}>} like the suite's; it rejects with a
 *   ScriptError when a process ends by itself
 */
export function seedsInJobs({ runner, jobs }) {
  return async ({ first, count, faults = [], maxFailures = 1, onSeed }) => {
    const report = { seeds: 0, failures: [], totals: {} };
    let next = first;
    const take = () =>
      next < first + count && report.failures.length < maxFailures ? next++ : undefined;
    const done = ({ seed, totals, failed }) => {
      report.seeds += 1;
      for (const [what, n] of Object.entries(totals))
        report.totals[what] = (report.totals[what] ?? 0) + n;
      const failure = failed && { seed, error: asError(failed) };
      if (failure) report.failures.push(failure);
      onSeed?.(seed, failure);
    };
    const children = Array.from({ length: Math.min(jobs, count) }, () => fork(CHILD));
    try {
      await Promise.all(
        children.map((child) => work(child, { runner, faults, maxFailures: 1 }, { take, done })),
      );
    } finally {
      for (const child of children) child.kill();
    }
    report.failures.sort((one, other) => one.seed - other.seed);
    return report;
  };
}

/** One process, until nothing is left to take. */
function work(child, options, { take, done }) {
  return new Promise((resolve, reject) => {
    let seed;
    const go = () => {
      seed = take();
      if (seed === undefined) resolve();
      else child.send({ ...options, first: seed, count: 1 });
    };
    child.on("error", reject);
    child.on("exit", (code, signal) =>
      reject(
        new ScriptError(
          `The process of seed ${seed} ended by itself (${signal ?? `exit ${code}`})`,
        ),
      ),
    );
    child.on("message", (answer) => {
      done({ seed, ...answer });
      go();
    });
    go();
  });
}

function asError({ message, stack }) {
  return Object.assign(new Error(message), { stack });
}
