#!/usr/bin/env node
import { ExitCode } from "./cli-io.ts";
import { STOP_WITH_PARENT, tieToParent } from "./parent-tie.ts";
import { runCli } from "./program.ts";

/** A supervisor that signals a whole process group reaches us twice: that is one request. */
const ONE_REQUEST_MS = 1_000;

// Who reads may go before the end, as in `atlasnet config example | head`: the rest is for nobody, and a server runs on.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
  });

// The only place that hears signals. The first asks for an orderly stop, a later one does not ask.
const stop = new AbortController();
let askedAt: number | undefined;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"] as const) {
  if (signal === "SIGBREAK" && process.platform !== "win32") continue;
  process.on(signal, () => {
    if (askedAt !== undefined && performance.now() - askedAt > ONE_REQUEST_MS)
      process.exit(ExitCode.fault);
    askedAt ??= performance.now();
    stop.abort();
  });
}
// Only in front of a command, so that it is not mistaken for what a command is given.
const supervised = process.argv[2] === STOP_WITH_PARENT;
if (supervised) tieToParent(() => stop.abort());

process.exitCode = await runCli(
  process.argv.slice(2),
  {
    out: (text) => void process.stdout.write(text),
    talk: (text) => void process.stderr.write(text),
    width: Math.min(Math.max(process.stdout.columns ?? 100, 60), 100),
    live: process.stderr.isTTY === true,
    liveSize: () => ({ rows: process.stderr.rows, columns: process.stderr.columns }),
    supervised,
    terminal: process.stdout.isTTY ? process.stdout : undefined,
    env: process.env,
    workingDir: process.cwd(),
    stop: stop.signal,
  },
  {
    // Loaded when it is needed: most commands do without the server.
    loadMonolith: async () => (await import("@atlasnet/monolith")).createMonolith,
  },
);
