// npm run test:chaos [-- options and filters]: builds, then kills, cuts and pauses processes of clusters on this machine.
import "./lib/check-node.mjs";
import util from "node:util";
import { build } from "./lib/build.mjs";
import { main, ScriptError } from "./lib/run.mjs";
import { report, runTests } from "./lib/test-runner.mjs";
import { builtFiles, workspaces } from "./lib/workspace.mjs";

const help = `npm run test:chaos -- [options] [filter…]
  filter          a part of a test file's name, as in kill-proxy
  --rounds N      seeds that each test is run with (default: 3)
  --seed S        the first of them (default: by chance, and said)
  --grep PATTERN  only tests whose name matches
  --no-build      use what is built
  --verbose       name every test`;

/** A round of one file takes a minute at most, on two cores that do nothing else. */
const ROUND_TIMEOUT_MS = 300_000;

await main(async () => {
  const { values, positionals } = util.parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: "string", default: "3" },
      seed: { type: "string", default: String(Math.floor(Math.random() * 1e6)) },
      grep: { type: "string" },
      "no-build": { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  const { rounds, seed } = values;
  for (const [name, value] of Object.entries({ rounds, seed }))
    if (!/^[1-9]\d{0,8}$/.test(value) && !(name === "seed" && value === "0"))
      throw new ScriptError(`--${name}: found "${value}", allowed: a whole number`);
  if (!values["no-build"]) await build();
  const files = workspaces()
    .flatMap((workspace) => builtFiles(workspace, /cluster-test[\\/].*\.(test|chaos)\.js$/))
    .filter(({ name }) => positionals.every((filter) => name.includes(filter)));
  if (files.length === 0) throw new ScriptError("No such test: see npm run test:chaos -- --help");
  console.log(`seeds ${seed} to ${Number(seed) + Number(rounds) - 1}`);
  process.env["CHAOS_ROUNDS"] = rounds;
  process.env["CHAOS_SEED"] = seed;
  report(
    await runTests(files, {
      // Several at a time would mostly test how a crowded machine does.
      concurrency: 1,
      timeoutMs: Number(rounds) * ROUND_TIMEOUT_MS,
      grep: values.grep === undefined ? undefined : new RegExp(values.grep),
      verbose: values.verbose,
    }),
  );
});
