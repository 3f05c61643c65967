// npm start [-- arguments of `atlasnet monolith`]: builds, then runs the monolith. Without --world
// or --config it runs the example worlds.
import "./lib/check-node.mjs";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { build } from "./lib/build.mjs";
import { exitOf, main, ScriptError } from "./lib/run.mjs";
import { root } from "./lib/workspace.mjs";

/** A signal so soon after another one is the same request, told twice. */
const REPEATED_MS = 1000;
const PARENT_CHECK_MS = 300;

await main(async () => {
  await build();
  const cli = path.join(root, "cli", "dist", "main.js");
  if (!existsSync(cli)) throw new ScriptError(`${cli} was not built: is cli/src/main.ts there?`);
  const child = spawn(process.execPath, [cli, "monolith", ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // The server decides when it is done; this process waits for it and passes signals on. A terminal
  // sends Ctrl+C to the server by itself, npm repeats signals, and the server takes a second one as
  // "hurry": so no copies.
  let last = Number.NEGATIVE_INFINITY;
  const passOn = (signal) => {
    if (process.platform === "win32" || (signal === "SIGINT" && process.stdin.isTTY)) return;
    if (performance.now() - last > REPEATED_MS) child.kill(signal);
    last = performance.now();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, passOn);
  // npm runs scripts in a shell, and that shell dies of npm's SIGTERM without passing it on.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.env["npm_lifecycle_event"] === "start" && process.ppid !== parent)
      passOn("SIGTERM");
  }, PARENT_CHECK_MS);
  process.exitCode = await exitOf(child);
  clearInterval(watch);
});
