import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createCa } from "@atlasnet/identity";
import { type Child, type ChildExit, startChild } from "../cluster/child.ts";
import { LOOPBACK } from "../cluster/node-config.ts";
import { freeBase } from "../cluster/testing/running-cluster.ts";
import { STOP_WITH_PARENT } from "../parent-tie.ts";
import { until } from "./until.ts";

const MAIN = fileURLToPath(new URL("../main.js", import.meta.url));
/** Lines that are kept of all runs of a process; older ones go. */
const MAX_LINES = 2_000;
const ANSWER_MS = 2_000;

/** `atlasnet apiserver` as its users run it, always with the same ports and folders. */
export class ApiserverNode {
  readonly node: string;
  readonly api: string;
  /** Its own folder. */
  readonly dir: string;
  readonly lines: string[] = [];
  private readonly health: string;
  private readonly args: readonly string[];
  private child: Child | undefined;

  constructor(options: {
    readonly node: string;
    readonly dir: string;
    readonly ports: { readonly api: number; readonly health: number };
    readonly args: readonly string[];
  }) {
    const { node, dir, ports, args } = options;
    this.node = node;
    this.dir = dir;
    this.api = `http://${LOOPBACK}:${ports.api}`;
    this.health = `http://${LOOPBACK}:${ports.health}`;
    this.args = args;
  }

  start(): void {
    if (this.child !== undefined) throw new Error(`${this.node} runs already`);
    const child = startChild(
      {
        file: process.execPath,
        args: [MAIN, STOP_WITH_PARENT, "apiserver", ...this.args],
        cwd: process.cwd(),
        env: Object.fromEntries(
          Object.entries(process.env).filter(([name]) => !name.startsWith("ATLASNET_")),
        ),
      },
      (line) => this.keep(line),
    );
    this.child = child;
    void child.exited.then(({ text }) => {
      this.keep(`(${text})`);
      if (this.child === child) this.child = undefined;
    });
  }

  get isRunning(): boolean {
    return this.child !== undefined;
  }

  /** Resolves once `/ready` says so. @throws Error with what it said when it ends before. */
  async ready(): Promise<void> {
    await until(`${this.node} is ready`, async () => {
      if (this.child === undefined)
        throw new Error(`${this.node} ended:\n${this.lines.slice(-20).join("\n")}`);
      return (await this.ask("/ready"))?.ok === true;
    });
  }

  async leads(): Promise<boolean> {
    const text = await (await this.ask("/metrics"))?.text();
    return text !== undefined && /^atlasnet_raft_is_leader(?:\{.*\})? 1$/m.test(text);
  }

  /** Of the administrator, once it has started. */
  async token(): Promise<string> {
    return (await readFile(join(this.dir, "admin.token"), "utf8")).trim();
  }

  /** As `kill -9`. Resolves once it is gone; the signal is sent before this returns. */
  kill(): Promise<ChildExit> {
    return this.end("SIGKILL");
  }

  /** As an operator does it. Resolves once it is gone. */
  stop(): Promise<ChildExit> {
    return this.end("SIGTERM");
  }

  private end(signal: NodeJS.Signals): Promise<ChildExit> {
    const { child } = this;
    if (child?.pid === undefined) throw new Error(`${this.node} does not run`);
    process.kill(child.pid, signal);
    return child.exited;
  }

  /** Undefined: it does not answer. */
  private async ask(path: string): Promise<Response | undefined> {
    try {
      return await fetch(`${this.health}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
    } catch (error) {
      if (error instanceof Error) return undefined;
      throw error;
    }
  }

  private keep(line: string): void {
    this.lines.push(line);
    if (this.lines.length > MAX_LINES) this.lines.splice(0, this.lines.length - MAX_LINES);
  }
}

/**
 * Apiservers of this machine, processes of their own with real disks and links, in a folder that is gone
 * afterwards: `api-1`, …. Whoever starts it stops it.
 */
export class ApiserverCluster {
  readonly dir: string;
  readonly nodes: readonly ApiserverNode[];

  private constructor(dir: string, nodes: readonly ApiserverNode[]) {
    this.dir = dir;
    this.nodes = nodes;
  }

  /** Resolves once all are ready. `settings` are for all, by path. */
  static async start({
    count = 3,
    settings = {},
  }: {
    readonly count?: number;
    readonly settings?: { readonly [path: string]: string };
  } = {}): Promise<ApiserverCluster> {
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-apiservers-"));
    const ca = join(dir, "ca");
    await createCa(ca, { cluster: "test" });
    // Of each ten: the first for the API, then links and health, as for other roles.
    const base = await freeBase(count, count);
    const places = Array.from({ length: count }, (_, index) => ({
      node: `api-${index + 1}`,
      ports: {
        api: base + 10 * index,
        links: base + 10 * index + 1,
        health: base + 10 * index + 2,
      },
    }));
    const peers = places.map(({ node, ports }) => `${node}=${LOOPBACK}:${ports.links}`).join(",");
    const nodes = places.map(({ node, ports }) => {
      const own = {
        "node.id": node,
        "data.dir": join(dir, node),
        "log.format": "json",
        "health.port": String(ports.health),
        "links.host": LOOPBACK,
        "apiserver.port": String(ports.api),
        "apiserver.peers": peers,
        "identity.ca": ca,
        ...settings,
      };
      const args = Object.entries(own).map(([path, text]) => `--${path}=${text}`);
      return new ApiserverNode({ node, dir: join(dir, node), ports, args });
    });
    const cluster = new ApiserverCluster(dir, nodes);
    try {
      for (const node of nodes) node.start();
      await Promise.all(nodes.map((node) => node.ready()));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The one that leads, once one of those that run does. */
  async leader(): Promise<ApiserverNode> {
    let leader: ApiserverNode | undefined;
    await until("an apiserver leads", async () => {
      for (const node of this.nodes)
        if (node.isRunning && (await node.leads())) {
          leader = node;
          return true;
        }
      return false;
    });
    return leader ?? this.leader();
  }

  /** Ends what there is, in whatever state. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.filter(({ isRunning }) => isRunning).map((node) => node.kill()));
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
