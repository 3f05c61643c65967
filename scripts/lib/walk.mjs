import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ScriptError } from "./run.mjs";
import { freePorts } from "./server.mjs";
import { root } from "./workspace.mjs";

/** Ports of the walk; the tests take others, for a server may run beside them. */
const PORTS = [2601, 2602, 2603, 8080, 8081, 8082, 2555, 2565];

/** Asks all to stop, waits 15 s at most, and ends what is left. */
const END = `kill $(jobs -pr) 2>/dev/null
for i in $(seq 75); do [ -z "$(jobs -pr)" ] && break; sleep 0.2; done
kill -9 $(jobs -pr) 2>/dev/null
exit
`;

/** The commands of each part of the README's cluster walk, by the part's name. */
export function readWalk(text) {
  const parts = text.matchAll(/^<!-- walk: (\w+) -->\n```\n([^`]*)^```$/gm);
  return new Map([...parts].map(([, name, lines]) => [name, lines.trim().split("\n")]));
}

/**
 * The README's cluster walk in a shell, command by command as they stand there, but for the ports.
 * Whoever opens it closes it.
 */
export class Walk {
  static async open(dir) {
    const parts = readWalk(readFileSync(path.join(root, "README.md"), "utf8"));
    const ports = await freePorts(PORTS.length);
    const bin = path.join(dir, "bin");
    mkdirSync(bin, { recursive: true });
    // The clone's root, as far as the walk sees it: its packages, and nothing that it may write over.
    symlinkSync(path.join(root, "node_modules"), path.join(dir, "node_modules"));
    const cli = path.join(root, "cli", "dist", "main.js");
    const atlasnet = path.join(bin, "atlasnet");
    writeFileSync(atlasnet, `#!/bin/sh\nexec "${process.execPath}" "${cli}" "$@"\n`);
    chmodSync(atlasnet, 0o755);
    return new Walk(dir, bin, parts, new Map(PORTS.map((port, at) => [port, ports[at]])));
  }

  constructor(dir, bin, parts, ports) {
    this.dir = dir;
    this.parts = parts;
    this.ports = ports;
    this.said = "";
    this.wake = () => undefined;
    this.shell = spawn("bash", ["--noprofile", "--norc"], {
      cwd: dir,
      env: {
        ...Object.fromEntries(
          Object.entries(process.env).filter(([name]) => !name.startsWith("ATLASNET_")),
        ),
        PATH: `${bin}${path.delimiter}${process.env["PATH"]}`,
      },
    });
    for (const stream of [this.shell.stdout, this.shell.stderr])
      stream.on("data", (chunk) => {
        this.said += chunk;
        this.wake();
      });
    this.ended = new Promise((resolve) => {
      this.shell.once("close", () => {
        this.over = true;
        this.wake();
        resolve();
      });
    });
  }

  /** Runs a part. @throws ScriptError for the first command that fails */
  async run(name) {
    const lines = this.parts.get(name);
    if (lines === undefined) throw new ScriptError(`README.md has no part "${name}" of the walk.`);
    for (const line of lines) {
      const code = await this.command(this.onFreePorts(line));
      if (code !== 0) throw new ScriptError(`exit code ${code}: ${line}`);
    }
  }

  /** Waits until a command of the shell succeeds: what a person sees before going on. */
  async until(command, timeoutMs) {
    const deadline = Date.now() + timeoutMs;
    while ((await this.command(command)) !== 0) {
      if (Date.now() > deadline) throw new ScriptError(`Waited ${timeoutMs} ms for: ${command}`);
      await delay(100);
    }
  }

  /** Waits until all that were started say that they run. */
  async allRunning(count, timeoutMs) {
    const deadline = Date.now() + timeoutMs;
    while (this.said.match(/ is running\n/g)?.length !== count) {
      if (this.over || Date.now() > deadline)
        throw new ScriptError(`Waited ${timeoutMs} ms for ${count} servers to say that they run.`);
      await delay(50);
    }
  }

  /** Ends all that it started. */
  async close() {
    if (!this.over) this.shell.stdin.end(END);
    await this.ended;
  }

  onFreePorts(line) {
    return line.replaceAll(/(?<=[: ])\d{4}\b/g, (port) =>
      String(this.ports.get(Number(port)) ?? port),
    );
  }

  async command(line) {
    const mark = `walk-${Math.random().toString(36).slice(2)}`;
    this.shell.stdin.write(`${line}\necho ${mark} $?\n`);
    for (;;) {
      const found = new RegExp(`^${mark} (\\d+)$`, "m").exec(this.said);
      if (found !== null) return Number(found[1]);
      if (this.over) throw new ScriptError(`The shell ended at: ${line}`);
      await new Promise((resolve) => {
        this.wake = resolve;
      });
    }
  }
}
