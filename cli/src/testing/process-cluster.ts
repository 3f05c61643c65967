import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadConfig } from "@atlasnet/core/node";
import type { Relay } from "@atlasnet/netem";
import { Catalogue } from "../cluster/catalogue.ts";
import { layoutCluster, type NodePlan } from "../cluster/layout.ts";
import {
  adminTokenFile,
  apiAddresses,
  type ClusterWorld,
  LOOPBACK,
  nodeConfigFile,
} from "../cluster/node-config.ts";
import { prepareFolder } from "../cluster/prepare.ts";
import { freeBase } from "../cluster/testing/running-cluster.ts";
import { startAll } from "./atlasnet-child.ts";
import { NodeProcess } from "./node-process.ts";
import { frontFlags, frontsOf, peerFlags, relaysOf } from "./relays.ts";
import { until } from "./until.ts";

/** What a test says of a world of the catalogue; absent: what is usual. */
export interface WorldSettings {
  readonly durability?: ClusterWorld["durability"];
  readonly failover?: "automatic" | "manual";
  readonly config?: ClusterWorld["config"];
}

export interface ProcessClusterOptions {
  readonly proxies: number;
  readonly gameservers: number;
  /** 0, the default: gameservers are given their worlds, proxies their gameservers. */
  readonly apiservers?: number;
  /**
   * Names of the worlds and the module of each. Without apiservers they go to the gameservers in turn, else into
   * the catalogue.
   */
  readonly worlds: { readonly [name: string]: string };
  /** Of all processes, by path, as in `links.idleTimeoutMs`. Lists have white space in between. */
  readonly settings?: { readonly [path: string]: string };
  /**
   * Links go through relays, whose conditions a test may change: without apiservers one for each proxy and
   * gameserver (`line`), with them one before each process that takes links (`front`).
   */
  readonly relayed?: boolean;
  /** Flags of Node for all processes. */
  readonly execArgv?: readonly string[];
}

/**
 * Proxies and gameservers of this machine, processes of their own with real links, in a folder that is gone
 * afterwards: `proxy-1`, …, `gs-1`, …, `api-1`, …. Whoever starts it stops it.
 */
export class ProcessCluster {
  readonly dir: string;
  readonly nodes: readonly NodeProcess[];
  private readonly relays: ReadonlyMap<string, Relay>;
  private catalogue: Catalogue | undefined;

  private constructor(
    dir: string,
    nodes: readonly NodeProcess[],
    relays: ReadonlyMap<string, Relay>,
  ) {
    this.dir = dir;
    this.nodes = nodes;
    this.relays = relays;
  }

  /** Resolves once all are ready, and every proxy knows where all worlds are. */
  static async start(options: ProcessClusterOptions): Promise<ProcessCluster> {
    const {
      proxies,
      gameservers,
      apiservers = 0,
      worlds,
      settings = {},
      relayed = false,
      execArgv = [],
    } = options;
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-cluster-"));
    const plans = layoutCluster({
      ...{ proxies, gameservers, apiservers, worlds: Object.keys(worlds) },
      basePort: await freeBase(proxies, gameservers, apiservers),
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
      worlds: Object.entries(worlds).map(([name, file]) => worldOf(name, file)),
    });
    const placed = apiservers > 0;
    const relays = !relayed
      ? new Map<string, Relay>()
      : await (placed ? frontsOf(plans) : relaysOf(plans));
    const nodes = plans.map((plan) => {
      const config = nodeConfigFile({ dir }, plan.node);
      const flags = placed ? frontFlags(plan, plans, relays) : peerFlags(plan, relays);
      return new NodeProcess({ plan, config, flags, execArgv });
    });
    const cluster = new ProcessCluster(dir, nodes, relays);
    // Those who find no apiserver ask again after a while only.
    for (const isApiserver of [true, false]) {
      const group = nodes.filter(({ plan }) => (plan.role === "apiserver") === isApiserver);
      await startAll(group, () => cluster.stop());
    }
    if (placed)
      for (const [name, file] of Object.entries(worlds)) await cluster.createWorld(name, file);
    return cluster;
  }

  /**
   * Makes a world by the API. Resolves once a gameserver owns it and every proxy that runs knows.
   * @throws Error without apiservers
   */
  async createWorld(name: string, file: string, settings: WorldSettings = {}): Promise<void> {
    const catalogue = await this.control();
    await catalogue.putWorlds([{ ...worldOf(name, file), ...settings }], { label: false });
    await this.owned(name);
  }

  /**
   * The gameserver that owns a world, once one does for whom `wanted` holds, and every proxy that runs has heard of
   * as many owners as there are.
   */
  async owned(world: string, wanted: (node: string) => boolean = () => true): Promise<NodeProcess> {
    const catalogue = await this.control();
    let owner: string | undefined;
    await until(`${world} has an owner`, async () => {
      const placements = (await catalogue.placements()).filter(({ state }) => state === "owned");
      owner = placements.find((placement) => placement.world === world)?.owner?.node;
      if (owner === undefined || !wanted(owner)) return false;
      const proxies = this.nodes.filter(
        ({ plan, isRunning }) => plan.role === "proxy" && isRunning,
      );
      const known = await Promise.all(proxies.map((it) => it.metric("atlasnet_proxy_placements")));
      return known.every((shards) => shards >= placements.length);
    });
    return this.node(owner ?? "");
  }

  /** The gameserver that mirrors a world, once one is in sync with its owner. */
  async mirrored(world: string): Promise<NodeProcess> {
    const catalogue = await this.control();
    let mirror: string | undefined;
    await until(`${world} has a mirror in sync`, async () => {
      const placement = (await catalogue.placements()).find((it) => it.world === world);
      mirror = placement?.mirror?.state === "in-sync" ? placement.mirror.node : undefined;
      return mirror !== undefined;
    });
    return this.node(mirror ?? "");
  }

  /** The API, as its operators have it. Closed with the cluster. @throws Error without apiservers */
  async control(): Promise<Catalogue> {
    const { tokenFile, addresses } = this.api();
    if (addresses.length === 0) throw new Error("the cluster has no apiservers");
    this.catalogue ??= await Catalogue.open({ addresses, tokenFile });
    return this.catalogue;
  }

  /** Where the API is, for commands: `--api` and `--token-file`. */
  api(): { readonly addresses: readonly string[]; readonly tokenFile: string } {
    const addresses = apiAddresses(this.nodes.map(({ plan }) => plan));
    return { addresses, tokenFile: adminTokenFile(this) };
  }

  /** The apiserver that leads, once one of those that run does. */
  async leader(): Promise<NodeProcess> {
    let leader: NodeProcess | undefined;
    await until("an apiserver leads", async () => {
      const group = this.nodes.filter(
        ({ plan, isRunning }) => plan.role === "apiserver" && isRunning,
      );
      const found = await Promise.all(group.map((it) => it.probe()));
      leader = group.find((_, at) => found[at]?.figures.leads === true);
      return leader !== undefined;
    });
    return leader ?? this.leader();
  }

  /** What is before a process that takes links. @throws Error when there is nothing */
  front({ node }: NodeProcess): Relay {
    const relay = this.relays.get(node);
    if (relay === undefined) throw new Error(`nothing is before ${node}`);
    return relay;
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
    this.catalogue?.close();
    await Promise.all(this.nodes.map((node) => node.destroy()));
    await Promise.all([...this.relays.values()].map((relay) => relay.stop()));
    await rm(this.dir, { recursive: true, force: true });
  }
}

function worldOf(name: string, file: string): ClusterWorld {
  return { name, file, config: {}, durability: "journal", graceSeconds: 60 };
}

function endpointOf({ ports: { players } }: NodePlan): string[] {
  return players === undefined ? [] : [`${LOOPBACK}:${players}`];
}
