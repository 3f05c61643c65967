// npm start [-- arguments of `atlasnet monolith`]: builds, then runs the monolith. Without --world
// or --config it runs the example worlds.
import "./lib/check-node.mjs";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { build } from "./lib/build.mjs";
import { exitOf, main, ScriptError } from "./lib/run.mjs";
import { root } from "./lib/workspace.mjs";

await main(async () => {
  await build();
  const cli = path.join(root, "cli", "dist", "main.js");
  if (!existsSync(cli)) throw new ScriptError(`${cli} was not built: is cli/src/main.ts there?`);
  const child = spawn(process.execPath, [cli, "monolith", ...process.argv.slice(2)], {
    stdio: "inherit",
  });
  // The server decides when it is done; this process only waits for it. In a terminal Ctrl+C reaches
  // the server by itself, and a second copy would read as "hurry".
  const terminal = process.stdin.isTTY === true || process.platform === "win32";
  process.on("SIGINT", () => {
    if (!terminal) child.kill("SIGINT");
  });
  for (const signal of ["SIGTERM", "SIGHUP"])
    process.on(signal, () => {
      if (process.platform !== "win32") child.kill(signal);
    });
  process.exitCode = await exitOf(child);
});
