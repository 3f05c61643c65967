import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "@atlasnet/core/node";
import { type Relay, startRelay } from "@atlasnet/netem";
import { layoutCluster, type NodePlan } from "../cluster/layout.ts";
import { LOOPBACK, nodeConfigFile } from "../cluster/node-config.ts";
import { prepareFolder } from "../cluster/prepare.ts";
import { freeBase } from "../cluster/testing/running-cluster.ts";
import { startAll } from "./atlasnet-child.ts";
import { NodeProcess } from "./node-process.ts";

export interface ProcessClusterOptions {
  readonly proxies: number;
  readonly gameservers: number;
  /** Names of the worlds, which go to the gameservers in turn, and the module of each. */
  readonly worlds: { readonly [name: string]: string };
  /** Of all processes, by path, as in `links.idleTimeoutMs`. Lists have white space in between. */
  readonly settings?: { readonly [path: string]: string };
  /** The links between proxies and gameservers go through relays, whose conditions a test may change. */
  readonly relayed?: boolean;
}

/**
 * Proxies and gameservers of this machine, processes of their own with real links, in a folder that is gone
 * afterwards: `proxy-1`, …, `gs-1`, …. Whoever starts it stops it.
 */
export class ProcessCluster {
  readonly dir: string;
  readonly nodes: readonly NodeProcess[];
  private readonly relays: ReadonlyMap<string, Relay>;

  private constructor(
    dir: string,
    nodes: readonly NodeProcess[],
    relays: ReadonlyMap<string, Relay>,
  ) {
    this.dir = dir;
    this.nodes = nodes;
    this.relays = relays;
  }

  /** Resolves once all are ready, and every proxy has heard every gameserver. */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const { proxies, gameservers, worlds, settings = {}, relayed = false } = options;
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-cluster-"));
    const plans = layoutCluster({
      ...{ proxies, gameservers, worlds: Object.keys(worlds) },
      basePort: await freeBase(proxies, gameservers),
    });
    const given = {
      "proxy.host": LOOPBACK,
      "proxy.endpoints": plans.flatMap(endpointOf).join(" "),
      "gameserver.threads": "1",
      ...settings,
    };
    const loaded = await loadConfig({
      env: {},
      flags: Object.entries(given).map(([path, text]) => ({ name: `--${path}`, path, text })),
      workingDir: dir,
    });
    await prepareFolder({
      ...{ plans, loaded, folder: { dir }, services: [] },
      worlds: Object.entries(worlds).map(([name, file]) => ({
        ...{ name, file, config: {}, durability: "journal", graceSeconds: 60 },
      })),
    });
    const relays = relayed ? await relaysOf(plans) : new Map<string, Relay>();
    const nodes = plans.map((plan) => {
      const config = nodeConfigFile({ dir }, plan.node);
      return new NodeProcess({ plan, config, flags: peerFlags(plan, relays) });
    });
    const cluster = new ProcessCluster(dir, nodes, relays);
    await startAll(nodes, () => cluster.stop());
    return cluster;
  }

  /** @throws Error when there is none of the name. */
  node(name: string): NodeProcess {
    const found = this.nodes.find(({ node }) => node === name);
    if (found === undefined) throw new Error(`the cluster has no ${name}`);
    return found;
  }

  /** What is between a proxy and a gameserver. @throws Error when the links are not relayed. */
  line(proxy: NodeProcess, gameserver: NodeProcess): Relay {
    const relay = this.relays.get(`${proxy.node} ${gameserver.node}`);
    if (relay === undefined) throw new Error(`nothing is between ${proxy.node} and its gameserver`);
    return relay;
  }

  /** Where players reach a proxy, as in `ws://127.0.0.1:24001`. */
  url(scheme: string, { plan }: NodeProcess): string {
    const [address] = endpointOf(plan);
    if (address === undefined) throw new Error(`${plan.node} takes no players`);
    return `${scheme}://${address}`;
  }

  /** Where a gameserver keeps its worlds. */
  dataOf({ node }: NodeProcess): string {
    return join(this.dir, node, "data");
  }

  /** Writes down what all processes said. Returns the file. */
  async keepLogs(name: string): Promise<string> {
    const file = join(tmpdir(), `${name}.log`);
    const lines = this.nodes.flatMap(({ node, lines }) => lines.map((line) => `${node} ${line}`));
    await writeFile(file, `${lines.join("\n")}\n`);
    return file;
  }

  /** Ends all processes at once; the folder goes, too. Idempotent. */
  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.destroy()));
    await Promise.all([...this.relays.values()].map((relay) => relay.stop()));
    await rm(this.dir, { recursive: true, force: true });
  }
}

function endpointOf({ ports: { players } }: NodePlan): string[] {
  return players === undefined ? [] : [`${LOOPBACK}:${players}`];
}

/** A relay for each proxy and gameserver, by their names with a blank in between. */
async function relaysOf(plans: readonly NodePlan[]): Promise<Map<string, Relay>> {
  const relays = new Map<string, Relay>();
  for (const { node, role } of plans)
    for (const { node: peer, ports } of plans) {
      if (role !== "proxy" || ports.links === undefined) continue;
      const target = { host: LOOPBACK, port: ports.links };
      relays.set(`${node} ${peer}`, await startRelay({ target, tcp: false }));
    }
  return relays;
}

function peerFlags({ node }: NodePlan, relays: ReadonlyMap<string, Relay>): string[] {
  return [...relays].flatMap(([pair, { address }]) => {
    const [proxy, peer] = pair.split(" ");
    return proxy === node ? ["--links.peers", `${peer}=${address.host}:${address.port}`] : [];
  });
}
