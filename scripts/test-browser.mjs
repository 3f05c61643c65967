// npm run test:browser: builds, then runs the files that drive a real browser, one after the other.
import "./lib/check-node.mjs";
import { existsSync } from "node:fs";
import util from "node:util";
import { build } from "./lib/build.mjs";
import { main, ScriptError } from "./lib/run.mjs";
import { report, runTests } from "./lib/test-runner.mjs";
import { builtFiles, workspaces } from "./lib/workspace.mjs";

/** Where to look when CHROMIUM_PATH does not say; the tests read that variable. */
const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
];

await main(async () => {
  const { values, positionals } = util.parseArgs({
    allowPositionals: true,
    options: {
      "no-build": { type: "boolean", default: false },
      verbose: { type: "boolean", default: false },
    },
  });
  const browser = process.env["CHROMIUM_PATH"] ?? PLACES.find((place) => existsSync(place));
  if (browser === undefined || !existsSync(browser))
    throw new ScriptError(
      "No Chromium found. Install one (Debian: apt-get install chromium), or name its program in CHROMIUM_PATH.",
    );
  process.env["CHROMIUM_PATH"] = browser;
  if (!values["no-build"]) await build();
  const files = workspaces()
    .flatMap((workspace) => builtFiles(workspace, /\.browser(\.test)?\.js$/))
    .filter(({ name }) => positionals.every((filter) => name.includes(filter)));
  // Finding nothing to run is a failure: the suite exists, so the search would be what broke.
  if (files.length === 0) throw new ScriptError("No browser test (*.browser.ts) was found.");
  report(await runTests(files, { concurrency: 1, verbose: values.verbose }));
});
