import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "./ports.ts";

const READY_TIMEOUT_MS = 60_000;

export interface ServerProcessOptions {
  /** The command of `atlasnet` that is run. */
  command: "monolith" | "gameserver" | "proxy";
  /** Flags beside ports and data directory. */
  flags: readonly string[];
  /** Flags of Node. */
  execArgv?: readonly string[];
}

/** `atlasnet monolith` or a role of a cluster as its users run it, with a fresh data directory. */
export class ServerProcess {
  /** Where players, or for a gameserver proxies, connect. */
  readonly port: number;
  private readonly child: ChildProcess;
  private readonly health: string;
  private readonly dataDir: string;
  private output = "";

  private constructor(child: ChildProcess, ports: [number, number], dataDir: string) {
    this.child = child;
    this.port = ports[0];
    this.health = `http://127.0.0.1:${ports[1]}`;
    this.dataDir = dataDir;
    const keep = (chunk: Buffer) => {
      this.output = (this.output + chunk.toString()).slice(-10_000);
    };
    child.stdout?.on("data", keep);
    child.stderr?.on("data", keep);
  }

  /** Starts it and waits until it is ready. @throws with what it printed */
  static async start(options: ServerProcessOptions): Promise<ServerProcess> {
    const { command } = options;
    const dataDir = await mkdtemp(join(tmpdir(), "atlasnet-bench-"));
    const [port, health, pages] = [await freePort(), await freePort(), await freePort()];
    const main = join(createRequire(import.meta.url).resolve("atlasnet"), "..", "main.js");
    const role = command === "gameserver" ? "links" : "proxy";
    const settings = {
      [`${role}.host`]: "127.0.0.1",
      [`${role}.port`]: port,
      "health.port": health,
      "data.dir": dataDir,
      ...(command === "monolith"
        ? { "http.host": "127.0.0.1", "http.port": pages, "apiserver.port": 0 }
        : {}),
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, `${value}`]);
    const child = spawn(
      process.execPath,
      [...(options.execArgv ?? []), main, command, ...flags, ...options.flags],
      { stdio: ["ignore", "pipe", "pipe", "ipc"] },
    );
    const server = new ServerProcess(child, [port, health], dataDir);
    await server.ready();
    return server;
  }

  private async ready(): Promise<void> {
    const deadline = Date.now() + READY_TIMEOUT_MS;
    while (Date.now() < deadline) {
      if (this.child.exitCode !== null)
        throw new Error(`the server ended with ${this.child.exitCode}:\n${this.output}`);
      const answer = await fetch(`${this.health}/ready`).then(
        (response) => response.status,
        () => 0,
      );
      if (answer === 200) return;
      await delay(50);
    }
    throw new Error(`the server is not ready:\n${this.output}`);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** What the system holds in memory for it (Linux). */
  async residentBytes(): Promise<number> {
    const status = await readFile(`/proc/${this.pid}/status`, "utf8");
    const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
    if (kilobytes === undefined) throw new Error(`/proc/${this.pid}/status says no VmRSS`);
    return Number(kilobytes) * 1024;
  }

  /** Asks what was loaded into the server with `execArgv`; one question at a time. */
  async ask<Answer>(question: string): Promise<Answer> {
    return new Promise((resolve) => {
      this.child.once("message", (answer: Answer) => resolve(answer));
      this.child.send(question);
    });
  }

  /** Sums of the metrics whose name begins with `name`, over all labels. */
  async metrics(): Promise<(name: string) => number> {
    const text = await (await fetch(`${this.health}/metrics`)).text();
    const lines = text.split("\n").filter((line) => !line.startsWith("#"));
    return (name) =>
      lines.filter((line) => line.startsWith(name)).reduce((sum, line) => sum + figureOf(line), 0);
  }

  /** User and system time of all threads so far, in seconds. */
  async cpuSeconds(): Promise<number> {
    return (await this.metrics())("atlasnet_process_cpu_seconds_total");
  }

  async stop(): Promise<void> {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const exit = once(this.child, "exit");
      this.child.kill("SIGTERM");
      await exit;
    }
    await rm(this.dataDir, { recursive: true, force: true });
  }
}

/** The value of `name{labels} value` or `name value`. */
function figureOf(line: string): number {
  const labelled = line.lastIndexOf("} ");
  const [value] = line.slice(labelled < 0 ? line.indexOf(" ") + 1 : labelled + 2).split(" ");
  return Number(value);
}
