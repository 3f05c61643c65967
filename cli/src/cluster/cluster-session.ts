import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Config, LoadedConfig } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import type { CliIo } from "../cli-io.ts";
import { PageServer as DevPageServer } from "../dev/page-server.ts";
import { STOP_WITH_PARENT } from "../parent-tie.ts";
import { type ControlFacts, clusterBanner, processes } from "./banner.ts";
import { Catalogue } from "./catalogue.ts";
import { startChild } from "./child.ts";
import { ConsoleView } from "./console-view.ts";
import { ControlSocket } from "./control-socket.ts";
import { DEV_CONTEXT, environmentText, rememberContext } from "./dev-context.ts";
import { layoutCluster, type NeededPort, type NodePlan, neededPorts } from "./layout.ts";
import {
  adminTokenFile,
  apiAddresses,
  type ClusterWorld,
  LOOPBACK,
  nodeConfigFile,
} from "./node-config.ts";
import { checkPorts } from "./ports.ts";
import { prepareFolder } from "./prepare.ts";
import { probe } from "./probe.ts";
import type { RestartPolicy } from "./restart-policy.ts";
import { Supervisor } from "./supervisor.ts";
import { clusterModules } from "./worlds.ts";

export interface ClusterSessionOptions {
  readonly proxies: number;
  readonly gameservers: number;
  /** 0: each gameserver is given its worlds. */
  readonly apiservers: number;
  /** Absolute folder of everything the cluster keeps. */
  readonly dir: string;
  readonly restarts: RestartPolicy;
  /** Folder of a page under development, if there is one. */
  readonly page: string | undefined;
  /** With the worlds that run. */
  readonly loaded: LoadedConfig;
  readonly examples: boolean;
}

export interface ClusterSessionDependencies {
  readonly io: CliIo;
  /** Finds the file of a world's or service's module. */
  resolveModule(module: string, from: string): string;
  /** Starts a server for the pages of worlds, as the monolith has it. */
  servePages(options: PagesOptions): Promise<{ stop(): Promise<void> }>;
}

export interface PagesOptions {
  readonly host: string;
  readonly port: number;
  readonly staticDir?: string;
  readonly playersPort: number;
  readonly secure: boolean;
  readonly worlds: readonly { readonly world: string; readonly file: string }[];
}

/** A process that was asked to stop has what it may take to drain, and this to save and to end. */
const STOP_MARGIN_MS = 10_000;
const PROBE_TIMEOUT_MS = 2_000;
/** Worlds that are not open by then are named in the greeting. */
const PLACED_MS = 15_000;
const PLACED_LOOK_MS = 200;
/** How often the table is drawn when nothing is printed. */
const REDRAW_MS = 1_000;
const PORT_HINT =
  "Stop the program that listens there (a cluster or monolith that still runs?), or choose other ports: --port for the processes, --http.port for the pages.";

/** `atlasnet dev cluster` at work: folder, processes, pages, and what is seen of them. */
export class ClusterSession {
  private readonly options: ClusterSessionOptions;
  private readonly dependencies: ClusterSessionDependencies;
  private readonly plans: readonly NodePlan[];
  private readonly supervisor: Supervisor;
  private readonly view: ConsoleView;
  private pages: { stop(): Promise<void> } | undefined;
  private redraw: NodeJS.Timeout | undefined;
  private socket: ControlSocket | undefined;
  private worlds: readonly ClusterWorld[] = [];
  private readonly stopping = new AbortController();

  /** @throws UsageError when the ports do not fit. */
  constructor(options: ClusterSessionOptions, dependencies: ClusterSessionDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    const { config } = options.loaded;
    this.plans = layoutCluster({
      proxies: options.proxies,
      gameservers: options.gameservers,
      apiservers: options.apiservers,
      basePort: config.proxy.port,
      worlds: config.worlds.map(({ name }) => name),
    });
    this.view = new ConsoleView(
      {
        nodes: this.plans.map(({ node }) => node),
        pretty: isPretty(config, dependencies.io.live === true),
      },
      { io: dependencies.io, clock: systemClock, rows: () => this.supervisor.rows() },
    );
    this.supervisor = new Supervisor(
      {
        plans: this.plans,
        restarts: options.restarts,
        stopTimeoutMs: config.node.drainMs + STOP_MARGIN_MS,
      },
      {
        clock: systemClock,
        spawn: (plan, first) => this.spawn(plan, first),
        probe: ({ role, ports }) =>
          probe({ host: LOOPBACK, port: ports.health, role, timeoutMs: PROBE_TIMEOUT_MS }),
        changed: ({ node }, state, note) =>
          this.view.changed(node, state, note, this.supervisor.pidOf(node)),
      },
    );
  }

  /** Starts everything; resolves when all processes run, long before they are ready. @throws OperatingError */
  async start(): Promise<void> {
    const { options, plans } = this;
    const { loaded, dir } = options;
    const { io, resolveModule } = this.dependencies;
    const modules = await clusterModules(
      { config: loaded.config, workingDir: io.workingDir },
      { resolveModule },
    );
    await checkPorts(this.ports(), PORT_HINT);
    this.socket = await ControlSocket.open(dir, new Map([["roll", (say) => this.roll(say)]]));
    const folder = { dir };
    await prepareFolder({ folder, plans, loaded, ...modules, keepsSnapshots: true });
    await this.startPages(modules.worlds);
    this.worlds = modules.worlds;
    io.talk(`Starting ${processes(plans)}; what they keep is in ${dir}\n`);
    this.supervisor.start();
    this.redraw = setInterval(() => this.view.refresh(), REDRAW_MS);
  }

  /** Says where to play and join, once all are ready and the worlds are in the catalogue. */
  async greet(): Promise<void> {
    await this.supervisor.allReady();
    const control = this.options.apiservers === 0 ? undefined : await this.makeWorlds();
    if (this.stopping.signal.aborted) return;
    const { http, proxy } = this.options.loaded.config;
    this.view.block(
      clusterBanner({
        plans: this.plans,
        pidOf: (node) => this.supervisor.pidOf(node),
        dir: this.options.dir,
        pagesPort: this.pages === undefined ? undefined : http.port,
        examples: this.options.examples,
        guests: proxy.allowGuests,
        tls: proxy.tls.cert !== undefined,
        udp: proxy.udp.enabled,
        platform: process.platform,
        control,
      }),
    );
  }

  /** The worlds of the command line, made by the API as everybody makes them. */
  private async makeWorlds(): Promise<ControlFacts> {
    const { io } = this.dependencies;
    const { dir, loaded } = this.options;
    const access = { addresses: apiAddresses(this.plans), tokenFile: adminTokenFile({ dir }) };
    const catalogue = await Catalogue.open(access);
    // What is asked when the cluster stops gets no answer.
    const close = () => catalogue.close();
    this.stopping.signal.addEventListener("abort", close, { once: true });
    try {
      await catalogue.putWorlds(this.worlds, { fresh: loaded.config.data.fresh });
      return {
        placed: await this.placed(catalogue),
        leader: this.supervisor.leader(),
        flags: (await rememberContext(io, access))
          ? `--context ${DEV_CONTEXT}`
          : environmentText(access),
      };
    } finally {
      this.stopping.signal.removeEventListener("abort", close);
      catalogue.close();
    }
  }

  private async placed(catalogue: Catalogue): Promise<ControlFacts["placed"]> {
    const deadline = systemClock.now() + PLACED_MS;
    for (;;) {
      const owners = new Map(
        (await catalogue.placements()).map((it) => [
          it.world,
          it.state === "owned" ? it.owner?.node : undefined,
        ]),
      );
      const placed = this.worlds.map(({ name }) => [name, owners.get(name)] as const);
      if (placed.every(([, node]) => node !== undefined) || systemClock.now() > deadline)
        return placed;
      await delay(PLACED_LOOK_MS, undefined, { signal: this.stopping.signal });
    }
  }

  /** Replaces the processes one by one, while players play on. @throws OperatingError */
  async roll(say: (text: string) => void): Promise<void> {
    await this.supervisor.roll((node, ms) => {
      const text = `${node} was rolled in ${(ms / 1000).toFixed(1)} s`;
      this.view.block(`${text}\n`);
      say(text);
    });
  }

  /** Resolves when no process is left and none will be started. */
  allOver(): Promise<void> {
    return this.supervisor.allOver();
  }

  say(text: string): void {
    this.view.block(text);
  }

  /** Stops the proxies, the gameservers, the apiservers, then the pages. Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.socket?.close();
    await this.supervisor.stop();
    clearInterval(this.redraw);
    this.view.end();
    const { pages } = this;
    this.pages = undefined;
    await pages?.stop();
  }

  /** Ends the processes at once. */
  kill(): void {
    this.supervisor.kill();
  }

  private spawn(plan: NodePlan, first: boolean) {
    const { options, view } = this;
    const { io } = this.dependencies;
    // A restart goes on from what was kept, whatever the first start did.
    const fresh =
      first &&
      options.loaded.config.data.fresh &&
      options.apiservers === 0 &&
      plan.role === "gameserver"
        ? ["--fresh"]
        : [];
    const main = fileURLToPath(new URL("../main.js", import.meta.url));
    const file = nodeConfigFile({ dir: options.dir }, plan.node);
    return startChild(
      {
        file: process.execPath,
        args: [main, STOP_WITH_PARENT, plan.role, "--config", file, ...fresh],
        cwd: io.workingDir,
        env: withoutSettings(io.env),
      },
      (line) => view.line(plan.node, line),
    );
  }

  private ports(): NeededPort[] {
    const { http, proxy } = this.options.loaded.config;
    const hosts = { players: proxy.host, links: LOOPBACK, health: LOOPBACK };
    const needed = neededPorts(this.plans, { hosts, udp: proxy.udp.enabled });
    if (!http.enabled) return needed;
    return [...needed, { port: http.port, protocol: "tcp", host: http.host, what: "pages" }];
  }

  /** Processes of a cluster serve no pages; the first proxy is where they lead. */
  private async startPages(worlds: readonly ClusterWorld[]): Promise<void> {
    const { loaded, page } = this.options;
    const { http, proxy } = loaded.config;
    if (!http.enabled) return;
    const { io, servePages } = this.dependencies;
    const playersPort = proxy.port;
    const secure = proxy.tls.cert !== undefined;
    if (page === undefined) {
      this.pages = await servePages({
        host: http.host,
        port: http.port,
        ...(http.staticDir === undefined ? {} : { staticDir: http.staticDir }),
        playersPort,
        secure,
        worlds: worlds.map(({ name, file }) => ({ world: name, file })),
      });
      return;
    }
    const pages = new DevPageServer(
      { dir: page, workingDir: io.workingDir, host: http.host, port: http.port },
      {
        info: () => ({ port: playersPort, secure, worlds: worlds.map(({ name }) => name) }),
        onBuild: (errors) => {
          if (errors.length > 0) this.view.block(`\n${errors.join("\n\n")}\n`);
        },
      },
    );
    this.pages = pages;
    await pages.start();
  }
}

/** Processes always write JSON; it is made pretty here, where the node stands in front of it. */
function isPretty({ log }: Config, terminal: boolean): boolean {
  return log.format === "auto" ? terminal : log.format === "pretty";
}

/** Settings in the environment are in each node's file by now; there they would win over it. */
function withoutSettings(env: CliIo["env"]): CliIo["env"] {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith("ATLASNET_")));
}
