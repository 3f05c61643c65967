import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { layoutCluster, neededPorts } from "../layout.ts";
import { LOOPBACK } from "../node-config.ts";
import { checkPorts } from "../ports.ts";

const MAIN = fileURLToPath(new URL("../../main.js", import.meta.url));
/** Where free ports are looked for: not where other tests or servers are, and below what systems hand out. */
const FIRST_BASE = 24_000;
const BASES = 80;
/** The port of a base that says that it is taken, behind all that a cluster has. */
const CLAIM = 98;
/** File of the CLI's contexts, in the working folder. */
export const CONTEXTS = "contexts.toml";

/** A base whose ports are all free, for a cluster and its pages. The pages' port is the one before it. */
export async function freeBase(
  proxies: number,
  gameservers: number,
  apiservers = 0,
): Promise<number> {
  const hosts = { players: "0.0.0.0", links: LOOPBACK, health: LOOPBACK };
  let last: unknown;
  for (let index = 0; index < BASES; index++) {
    const basePort = FIRST_BASE + 1 + ((process.pid + index) % BASES) * 100;
    const plans = layoutCluster({ proxies, gameservers, apiservers, basePort, worlds: [] });
    const pages = { port: basePort - 1, protocol: "tcp", host: "0.0.0.0", what: "pages" } as const;
    if (!(await claim(basePort + CLAIM))) continue;
    try {
      await checkPorts([...neededPorts(plans, { hosts, udp: true }), pages], "");
      return basePort;
    } catch (error) {
      last = error;
    }
  }
  throw new Error("no free ports for a test", { cause: last });
}

const claimed = new Set<number>();

/** Two processes that look for ports at the same time would find the same ones free: only one of them can listen. */
async function claim(port: number): Promise<boolean> {
  if (claimed.has(port)) return true;
  const server = createServer();
  const isOurs = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, LOOPBACK, () => resolve(true));
  });
  // Until this process ends: it may have several clusters, one after another.
  server.unref();
  if (isOurs) claimed.add(port);
  return isOurs;
}

/** `atlasnet dev cluster` as a process, and what it has said so far. */
export class RunningCluster {
  text = "";
  readonly ended: Promise<number | null>;
  private readonly process: ChildProcess;
  private readonly waiting: (() => void)[] = [];
  private over = false;

  constructor(args: readonly string[], workingDir: string) {
    this.process = spawn(process.execPath, [MAIN, "dev", "cluster", ...args], {
      cwd: workingDir,
      env: {
        ...Object.fromEntries(
          Object.entries(process.env).filter(([name]) => !name.startsWith("ATLASNET_")),
        ),
        // The user's contexts are not for tests.
        ATLASNET_CONTEXTS: join(workingDir, CONTEXTS),
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    for (const stream of [this.process.stdout, this.process.stderr])
      stream?.on("data", (chunk: Buffer) => {
        this.text += String(chunk);
        this.wake();
      });
    this.ended = once(this.process, "close").then(([code]: (number | null)[]) => {
      this.over = true;
      this.wake();
      return code ?? null;
    });
  }

  /** Resolves once it has said this. @throws Error when it ends before. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this.text);
      if (found !== null) return found;
      if (this.over) throw new Error(`it ended without having said ${pattern}:\n${this.text}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}
