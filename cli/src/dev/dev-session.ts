import { join, resolve } from "node:path";
import type { Config, LoadedConfig, WorldConfig } from "@atlasnet/core";
import { describeError } from "@atlasnet/core";
import type { AtlasNetServer, createMonolith } from "@atlasnet/monolith";
import type { CliIo } from "../cli-io.ts";
import { startBanner } from "../start-banner.ts";
import { type WatchedWorld, type WorldBuild, watchWorld } from "./bundle.ts";
import { PageServer } from "./page-server.ts";

export interface DevOptions {
  loaded: LoadedConfig;
  /** Folder of the page, if there is one. */
  page: string | undefined;
}

export interface DevDependencies {
  io: CliIo;
  createMonolith: typeof createMonolith;
}

/** Where builds and, unless configured, the data of development go. */
const DEV_FOLDER = ".atlasnet";

/**
 * `atlasnet dev` at work: it bundles worlds at every change and swaps them into the running server,
 * where players stay connected; what goes wrong is shown in the terminal and in the open pages.
 *
 * 1. A build or module with a fault never replaces one that runs.
 * 2. Swaps and what is wrong with builds come one after another, in the order of the builds: what is shown is about
 *    the newest one.
 */
export class DevSession {
  private readonly config: Config;
  private readonly options: DevOptions;
  private readonly io: CliIo;
  private readonly createMonolith: typeof createMonolith;
  private server: AtlasNetServer | undefined;
  private pages: PageServer | undefined;
  private readonly watched: WatchedWorld[] = [];
  private readonly files = new Map<string, string>();
  /** What is wrong, by world. */
  private readonly problems = new Map<string, string>();
  /** What came of the builds so far. */
  private done: Promise<void> = Promise.resolve();

  constructor(options: DevOptions, { io, createMonolith }: DevDependencies) {
    this.options = options;
    this.io = io;
    this.createMonolith = createMonolith;
    this.config = devConfig(options.loaded, io.workingDir);
  }

  /** Builds, starts, and resolves once players can come in. */
  async start(): Promise<void> {
    const { worlds, http } = this.config;
    await Promise.all(worlds.map((world) => this.watch(world)));
    const running: Config = {
      ...this.config,
      http: { ...http, enabled: this.options.page === undefined && http.enabled },
      worlds: worlds.map((world) => ({ ...world, module: this.fileOf(world) })),
    };
    const server = this.createMonolith(
      { config: running, development: true },
      {
        onFault: (world, { event, tick, message, stack }) =>
          this.problem(world, `${world}, ${event} at tick ${tick}: ${message}\n${stack}`),
      },
    );
    await server.start();
    this.server = server;
    const pages = await this.startPages(server);
    const addresses = { ...server.addresses, pages: pages ?? server.addresses.pages };
    this.io.talk(startBanner(running, addresses, { examples: false }));
    this.io.talk("  Watching for changes.\n\n");
  }

  private fileOf({ name }: WorldConfig): string {
    const file = this.files.get(name);
    if (file === undefined) throw new Error(`world ${name} was not built`);
    return file;
  }

  /** Resolves with the first build that succeeds. */
  private async watch(world: WorldConfig): Promise<void> {
    const outDir = join(this.io.workingDir, DEV_FOLDER, "worlds", world.name);
    const entry = resolve(world.from, world.module);
    await new Promise<void>((built, failed) => {
      const onBuild = (build: WorldBuild) => {
        if (!build.ok) return this.next(() => this.problem(world.name, build.errors.join("\n\n")));
        for (const warning of build.warnings) this.io.talk(`${warning}\n`);
        if (this.files.has(world.name)) this.next(() => this.swap(world.name, build.file));
        else this.next(() => this.problem(world.name, ""));
        this.files.set(world.name, build.file);
        built();
      };
      watchWorld({ entry, workingDir: this.io.workingDir }, outDir, onBuild).then(
        (watched) => {
          this.watched.push(watched);
        },
        (error: unknown) => failed(error),
      );
      this.io.stop.addEventListener("abort", () => built(), { once: true });
    });
  }

  private next(work: () => void | Promise<void>): void {
    this.done = this.done.then(work);
  }

  private async swap(world: string, file: string): Promise<void> {
    const began = performance.now();
    try {
      await this.server?.swap(world, file);
      this.problem(world, "");
      const ms = Math.round(performance.now() - began);
      this.io.talk(`  ${world} is reloaded (${ms} ms); players stayed.\n`);
    } catch (error) {
      this.problem(world, `${world} goes on as before the change:\n${describeError(error)}`);
    }
  }

  /** Shows what is wrong with a world, in the terminal and in the pages; empty text clears it. */
  private problem(world: string, text: string): void {
    if ((this.problems.get(world) ?? "") === text) return;
    if (text === "") this.problems.delete(world);
    else this.problems.set(world, text);
    if (text !== "") this.io.talk(`\n${text}\n\n`);
    this.pages?.showWorldProblem([...this.problems.values()].join("\n\n"));
    this.server?.notice(world, text);
  }

  private async startPages(
    server: AtlasNetServer,
  ): Promise<{ host: string; port: number } | undefined> {
    const { page } = this.options;
    if (page === undefined) return undefined;
    const { http, proxy, worlds } = this.config;
    this.pages = new PageServer(
      { dir: page, workingDir: this.io.workingDir, host: http.host, port: http.port },
      {
        info: () => ({
          port: server.addresses.players.port,
          secure: proxy.tls.cert !== undefined,
          worlds: worlds.map(({ name }) => name),
        }),
        onBuild: (errors) => {
          if (errors.length > 0) this.io.talk(`\n${errors.join("\n\n")}\n\n`);
        },
      },
    );
    return this.pages.start();
  }

  async drain(): Promise<void> {
    await this.done;
    await this.server?.drain(this.config.node.drainMs);
  }

  async stop(): Promise<void> {
    await Promise.all(this.watched.map((watched) => watched.stop()));
    await this.pages?.stop();
    await this.server?.stop();
  }
}

/** Development keeps its data apart from a server's in the same folder. */
function devConfig({ config, origins }: LoadedConfig, workingDir: string): Config {
  if (origins.get("data.dir")?.kind !== "default") return config;
  const dir = join(workingDir, DEV_FOLDER, "data");
  const { tickets, proxy, apiserver } = config;
  const own = (setting: string, given: string, name: string) =>
    origins.get(setting)?.kind === "default" ? join(dir, name) : given;
  const keyFile = (setting: string, given: string, name: string) =>
    own(setting, given, join("keys", name));
  const ticketKeys = keyFile("tickets.keyFile", tickets.keyFile, "tickets.jwks.json");
  const udpKey = keyFile("proxy.udp.keyFile", proxy.udp.keyFile, "udp.jwk.json");
  return {
    ...config,
    data: { ...config.data, dir },
    apiserver: {
      ...apiserver,
      dataDir: own("apiserver.dataDir", apiserver.dataDir, "apiserver"),
      adminToken: own("apiserver.adminToken", apiserver.adminToken, "admin.token"),
    },
    tickets: { ...tickets, keyFile: ticketKeys },
    proxy: { ...proxy, udp: { ...proxy.udp, keyFile: udpKey } },
  };
}
