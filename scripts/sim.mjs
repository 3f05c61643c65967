// npm run sim -- raft|control|cluster [options]: builds, then runs a simulation under one seed after another and says which fails.
import "./lib/check-node.mjs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import util from "node:util";
import { build } from "./lib/build.mjs";
import { main, ScriptError } from "./lib/run.mjs";
import { seedsInJobs } from "./lib/seed-jobs.mjs";
import { root } from "./lib/workspace.mjs";

const help = `npm run sim -- raft|control|cluster [options]
  --seeds N      so many runs (default: 200)
  --seed S       this one alone
  --first S      the seed of the first (default: 1)
  --fault NAME   break a rule on purpose, to see that it is noticed; "list" names them, "all" tries each
  --keep-going   go on after a failure
  --jobs N       so many processes at a time, up to 64 (default: 1)
  --no-build     use what is built`;

/** A suite's `run-seeds.js`, the module that lists its planted faults, and that list's name. */
const SUITES = {
  raft: {
    runner: "apiserver/dist/raft/sim/run-seeds.js",
    faults: "apiserver/dist/raft/core/faults.js",
    list: "RAFT_FAULTS",
  },
  control: {
    runner: "apiserver/dist/sim/run-seeds.js",
    faults: "apiserver/dist/sim/faults.js",
    list: "CONTROL_FAULTS",
  },
  cluster: {
    runner: "simulation/dist/run-seeds.js",
    faults: "simulation/dist/faults.js",
    list: "CLUSTER_FAULTS",
  },
};

const MAX_JOBS = 64;

await main(async () => {
  const { values, positionals } = util.parseArgs({
    allowPositionals: true,
    options: {
      seeds: { type: "string", default: "200" },
      first: { type: "string", default: "1" },
      seed: { type: "string" },
      fault: { type: "string" },
      "keep-going": { type: "boolean", default: false },
      jobs: { type: "string", default: "1" },
      "no-build": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const suite = SUITES[positionals[0] ?? ""];
  if (!suite || positionals.length > 1)
    throw new ScriptError(`Which simulation? There is: ${Object.keys(SUITES).join(", ")}`);
  if (values.seed !== undefined) Object.assign(values, { first: values.seed, seeds: "1" });
  for (const name of ["seeds", "first"])
    if (!/^\d{1,9}$/.test(values[name]) || (name === "seeds" && Number(values.seeds) === 0))
      throw new ScriptError(`--${name}: found "${values[name]}", allowed: a whole number`);
  const jobs = Number(values.jobs);
  if (!/^\d{1,2}$/.test(values.jobs) || jobs < 1 || jobs > MAX_JOBS)
    throw new ScriptError(`--jobs: found "${values.jobs}", allowed: 1 to ${MAX_JOBS}`);
  if (!values["no-build"]) await build();
  const { runSeeds } =
    jobs === 1
      ? await load(suite.runner)
      : { runSeeds: seedsInJobs({ runner: path.join(root, suite.runner), jobs }) };
  const known = (await load(suite.faults))[suite.list];
  // Between two simulated events whatever can go on by itself does.
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  if (values.fault === "list") {
    console.log(known.join("\n"));
    return;
  }
  if (values.fault !== undefined && values.fault !== "all" && !known.includes(values.fault))
    throw new ScriptError(`--fault: there is no "${values.fault}"; --fault list names them`);
  const first = Number(values.first);
  const count = Number(values.seeds);
  if (values.fault === "all") {
    for (const fault of known) await tryFault(runSeeds, { first, count, faults: [fault], settle });
    return;
  }
  const options = { first, count, faults: values.fault === undefined ? [] : [values.fault] };
  const begun = performance.now();
  let said = begun;
  const report = await runSeeds({
    ...options,
    settle,
    maxFailures: values["keep-going"] ? Number.POSITIVE_INFINITY : 1,
    onSeed(seed, failure) {
      if (failure)
        console.log(
          `seed ${seed}: ${failure.error.stack}\n  ${replay(positionals[0], seed, values.fault)}`,
        );
      if (performance.now() - said < 5000) return;
      said = performance.now();
      console.log(`… seed ${seed}`);
    },
  });
  const totals = Object.entries(report.totals).map(([what, n]) => `${n} ${what}`);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  console.log(
    `${report.seeds} seeds from ${first}, ${report.failures.length} failed, ${seconds} s`,
  );
  console.log(`in those that did not fail: ${totals.join(", ")}`);
  if (report.failures.length > 0) process.exitCode = 1;
});

async function tryFault(runSeeds, options) {
  const [fault] = options.faults;
  const [failure] = (await runSeeds(options)).failures;
  console.log(
    failure
      ? `${fault}: seed ${failure.seed}, ${failure.error.message}`
      : `${fault}: not seen in ${options.count} seeds`,
  );
}

function replay(suite, seed, fault) {
  const broken = fault === undefined ? "" : ` --fault ${fault}`;
  return `again: npm run sim -- ${suite} --seed ${seed}${broken}`;
}

function load(file) {
  return import(pathToFileURL(path.join(root, file)).href);
}
