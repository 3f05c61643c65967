import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createCa } from "@atlasnet/identity";
import { LOOPBACK } from "../cluster/node-config.ts";
import { freeBase } from "../cluster/testing/running-cluster.ts";
import { AtlasnetChild, startAll } from "./atlasnet-child.ts";
import { until } from "./until.ts";

const ANSWER_MS = 2_000;

/** `atlasnet apiserver`, always with the same ports and folders. */
export class ApiserverNode extends AtlasnetChild {
  readonly node: string;
  readonly api: string;
  /** host:port of its links. */
  readonly links: string;
  /** Its own folder. */
  readonly dir: string;
  private readonly health: string;
  private readonly args: readonly string[];

  constructor(options: {
    readonly node: string;
    readonly dir: string;
    readonly ports: { readonly api: number; readonly links: number; readonly health: number };
    readonly args: readonly string[];
  }) {
    super();
    const { node, dir, ports, args } = options;
    this.node = node;
    this.dir = dir;
    this.links = `${LOOPBACK}:${ports.links}`;
    this.api = `http://${LOOPBACK}:${ports.api}`;
    this.health = `http://${LOOPBACK}:${ports.health}`;
    this.args = args;
  }

  start(): void {
    this.run(["apiserver", ...this.args]);
  }

  protected async isReady(): Promise<boolean> {
    return (await this.ask("/ready"))?.ok === true;
  }

  async leads(): Promise<boolean> {
    const text = await (await this.ask("/metrics"))?.text();
    return text !== undefined && /^atlasnet_(?:raft|consul)_is_leader(?:\{.*\})? 1$/m.test(text);
  }

  /** What `/ready` says, with the reason; empty while it does not answer. */
  async readiness(): Promise<string> {
    return (await (await this.ask("/ready"))?.text()) ?? "";
  }

  /** Of the administrator, once it has started. */
  async token(): Promise<string> {
    return (await readFile(join(this.dir, "admin.token"), "utf8")).trim();
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
}

/**
 * Apiservers of this machine, processes of their own with real disks and links, in a folder that is gone
 * afterwards: `api-1`, …. Whoever starts it stops it.
 */
export class ApiserverCluster {
  readonly dir: string;
  /** Those that were there from the beginning. */
  readonly nodes: readonly ApiserverNode[];
  /** Not started: they are in nobody's list of peers, and wait to be added to the group. */
  readonly spares: readonly ApiserverNode[];

  private constructor(
    dir: string,
    nodes: readonly ApiserverNode[],
    spares: readonly ApiserverNode[],
  ) {
    this.dir = dir;
    this.nodes = nodes;
    this.spares = spares;
  }

  /** Resolves once all but the spare ones are ready. `settings` are for all, by path. */
  static async start({
    count = 3,
    spare = 0,
    settings = {},
  }: {
    readonly count?: number;
    readonly spare?: number;
    readonly settings?: { readonly [path: string]: string };
  } = {}): Promise<ApiserverCluster> {
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-apiservers-"));
    const ca = join(dir, "ca");
    await createCa(ca, { cluster: "test" });
    // Of each ten: the first for the API, then links and health, as for other roles.
    const base = await freeBase(count + spare, count + spare);
    const places = Array.from({ length: count + spare }, (_, index) => ({
      node: `api-${index + 1}`,
      ports: {
        api: base + 10 * index,
        links: base + 10 * index + 1,
        health: base + 10 * index + 2,
      },
    }));
    const peers = places
      .slice(0, count)
      .map(({ node, ports }) => `${node}=${LOOPBACK}:${ports.links}`)
      .join(",");
    const all = places.map(({ node, ports }) => {
      const own = {
        "node.id": node,
        "data.dir": join(dir, node),
        "log.format": "json",
        "health.port": String(ports.health),
        "links.host": LOOPBACK,
        "links.port": String(ports.links),
        "apiserver.port": String(ports.api),
        "apiserver.peers": peers,
        "identity.ca": ca,
        ...settings,
      };
      const args = Object.entries(own).map(([path, text]) => `--${path}=${text}`);
      return new ApiserverNode({ node, dir: join(dir, node), ports, args });
    });
    const nodes = all.slice(0, count);
    const cluster = new ApiserverCluster(dir, nodes, all.slice(count));
    await startAll(nodes, () => cluster.stop());
    return cluster;
  }

  /** The one that leads, once one of those that run does. */
  async leader(): Promise<ApiserverNode> {
    let leader: ApiserverNode | undefined;
    await until("an apiserver leads", async () => {
      for (const node of [...this.nodes, ...this.spares])
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
    await Promise.all([...this.nodes, ...this.spares].map((node) => node.destroy()));
    await rm(this.dir, { recursive: true, force: true, maxRetries: 5 });
  }
}
