// npm test [-- filters and options]: installs, builds, runs every package's tests on the built files.
import "./lib/check-node.mjs";
import { randomInt } from "node:crypto";
import os from "node:os";
import path from "node:path";
import util from "node:util";
import { build } from "./lib/build.mjs";
import { main, ScriptError } from "./lib/run.mjs";
import { report, runTests } from "./lib/test-runner.mjs";
import { builtFiles, filesBelow, root, workspaces } from "./lib/workspace.mjs";

const help = `npm test -- [options] [filter…]
  filter              a package (world, examples/arena, @atlasnet/core) or a part of a test file's path
  --without PART      leave out files whose path has this in it; may be repeated
  --grep PATTERN      only tests whose name matches
  --concurrency N     test files at a time (default: number of cores, at most 8)
  --no-build          use what is built
  --verbose           name every test
  --slowest N         name the files that took longest
  --seed N|random     what properties draw from (default: 1, the same on every machine)
  --thorough          all forms and all runs of what is otherwise run by a fixed share`;

await main(async () => {
  const { values, positionals } = util.parseArgs({
    allowPositionals: true,
    options: {
      without: { type: "string", multiple: true, default: [] },
      grep: { type: "string" },
      concurrency: { type: "string", default: String(Math.min(os.availableParallelism(), 8)) },
      "no-build": { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
      slowest: { type: "string", default: "0" },
      seed: { type: "string", default: "1" },
      thorough: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    console.log(help);
    return;
  }
  if (!values["no-build"]) await build();

  const all = workspaces().flatMap((workspace) =>
    builtFiles(workspace, /(?<!\.browser)\.test\.js$/).map((test) => ({ ...test, workspace })),
  );
  const own = path.join(root, "scripts");
  for (const name of filesBelow(own).filter((file) => file.endsWith(".test.mjs")))
    all.push({
      file: path.join(own, name),
      name: path.join("scripts", name).replaceAll("\\", "/"),
      workspace: { folder: "scripts", manifest: { name: "scripts" } },
    });
  const isAt = (name, part) =>
    name.replace("/dist/", "/src/").includes(part.replace(/\.ts$/, ".js"));
  const selected = all.filter(
    ({ name, workspace }) =>
      !values.without.some((part) => isAt(name, part)) &&
      (positionals.length === 0 ||
        positionals.some(
          (filter) =>
            [workspace.folder, workspace.manifest.name].includes(filter) || isAt(name, filter),
        )),
  );
  if (selected.length === 0)
    throw new ScriptError(`No test file matches ${positionals.join(" ")}: see npm test -- --help`);

  const seed = values.seed === "random" ? randomInt(2 ** 31) : Number(values.seed);
  if (!Number.isSafeInteger(seed)) throw new ScriptError("--seed takes a whole number or: random");
  if (values.seed === "random") console.log(`Properties draw from --seed ${seed}.`);
  process.env.ATLASNET_TEST_SEED = String(seed);
  if (values.thorough) process.env.ATLASNET_THOROUGH = "1";
  const preload = new URL("lib/property-seed.mjs", import.meta.url).href;
  process.env.NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ""} --import ${preload}`;

  const counts = await runTests(selected, {
    concurrency: Number(values.concurrency),
    grep: values.grep === undefined ? undefined : new RegExp(values.grep),
    verbose: values.verbose,
  });
  const folders = [...new Set(selected.map(({ workspace }) => workspace.folder))];
  const groups = new Map();
  for (const [name, count] of counts) {
    const folder = folders.find((it) => name.startsWith(`${it}/`)) ?? name;
    const sum = groups.get(folder) ?? { passed: 0, failed: 0, skipped: 0 };
    for (const key of Object.keys(sum)) sum[key] += count[key];
    groups.set(folder, sum);
  }
  const slowest = [...counts].sort(([, a], [, b]) => b.ms - a.ms).slice(0, Number(values.slowest));
  for (const [name, { ms }] of slowest)
    console.log(`${(ms / 1000).toFixed(1).padStart(7)} s  ${name}`);
  report(groups);
});
