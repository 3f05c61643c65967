#!/usr/bin/env node
import { ExitCode } from "./cli-io.ts";
import { runCli } from "./program.ts";

// The only place that hears signals. The first asks for an orderly stop, the second does not ask.
const stop = new AbortController();
let asked = false;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"] as const) {
  if (signal === "SIGBREAK" && process.platform !== "win32") continue;
  process.on(signal, () => {
    if (asked) process.exit(ExitCode.fault);
    asked = true;
    stop.abort();
  });
}

process.exitCode = await runCli(
  process.argv.slice(2),
  {
    out: (text) => void process.stdout.write(text),
    talk: (text) => void process.stderr.write(text),
    width: Math.min(Math.max(process.stdout.columns ?? 100, 60), 100),
    env: process.env,
    workingDir: process.cwd(),
    stop: stop.signal,
  },
  {
    // Loaded when it is needed: most commands do without the server.
    loadMonolith: async () => (await import("@atlasnet/monolith")).createMonolith,
  },
);
