import type { ApiserverService } from "@atlasnet/apiserver";
import { type Config, InProcessNetwork, type Logger } from "@atlasnet/core";
import { registerLinkMetrics, type ServiceHost, ServiceProcess } from "@atlasnet/core/node";
import {
  createGameserverService,
  type GameserverService,
  holdDataDir,
  type WorldFault,
} from "@atlasnet/gameserver";
import {
  type PlayersAddress,
  type ProxyService,
  playersAddress,
  startPlacedProxy,
} from "@atlasnet/proxy";
import { startGroupOfOne } from "./control/group-of-one.ts";
import { NODE, PROXY } from "./control/names.ts";
import { gameserverPlane, proxyPlane } from "./control/nodes.ts";
import { writeCatalogue } from "./control/write-catalogue.ts";
import { PageServer } from "./pages/page-server.ts";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface MonolithOptions {
  config: Config;
  /** Refuse the clock, Math.random and timers inside worlds; `atlasnet dev` sets it. */
  development?: boolean;
}

export interface MonolithDependencies {
  /** Default: pino on standard error, as configured. */
  logger?: Logger;
  /** The server must not go on (another process took its data); whoever owns it stops it. */
  onFatal?(error: Error): void;
  /** Told of the faults of world code, of equal ones every few seconds. */
  onFault?(world: string, fault: WorldFault): void;
}

/** A whole AtlasNet server in this process. */
export interface AtlasNetServer {
  /** Opens every world and lets players in. @throws an error that says what to do. */
  start(): Promise<void>;
  /** Lets nobody in any more, tells the players, saves the worlds; at most for so long. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends everything. Idempotent. */
  stop(): Promise<void>;
  /** Complete once `start` resolved. Without pages or API those are undefined. */
  readonly addresses: {
    players: PlayersAddress;
    health: HostPort;
    pages: HostPort | undefined;
    api: HostPort | undefined;
  };
  /** Gives a running world a changed module; its players stay. @throws when the module does not fit. */
  swap(world: string, moduleFile: string): Promise<void>;
  /** Shows a line for people to every client of a world; an empty one takes it away. */
  notice(world: string, text: string): void;
}

/** The roles of a monolith, running. */
interface Roles {
  readonly apiserver: ApiserverService;
  readonly gameserver: GameserverService;
  readonly proxy: ProxyService;
  readonly pages: PageServer | undefined;
  drain(deadlineMs: number): Promise<void>;
}

export function createMonolith(
  options: MonolithOptions,
  dependencies: MonolithDependencies = {},
): AtlasNetServer {
  const { config } = options;
  const process = new ServiceProcess({ config, role: "monolith" }, dependencies, (host) =>
    startRoles(options, dependencies, host),
  );
  return {
    start: () => process.start(),
    drain: (deadlineMs) => process.drain(deadlineMs),
    stop: () => process.stop(),
    swap: async (world, moduleFile) => process.running?.gameserver.swap(world, moduleFile),
    notice: (world, text) => process.running?.gameserver.notice(world, text),
    get addresses() {
      return {
        players: playersAddress(config, process.running?.proxy),
        health: process.healthAddress,
        pages: process.running?.pages?.address,
        api: process.running?.apiserver.api,
      };
    },
  };
}

async function startRoles(
  { config, development }: MonolithOptions,
  { onFault }: MonolithDependencies,
  host: ServiceHost,
): Promise<Roles> {
  // First of all: what is in it is nobody else's from here on.
  await holdDataDir(config, host);
  const apiserver = await startGroupOfOne(config, host);
  const catalogue = await writeCatalogue(config, { store: apiserver.store, logger: host.logger });
  const network = new InProcessNetwork();
  registerLinkMetrics(host.meter, network.stats, "in-process");
  const gameserver = await createGameserverService(
    {
      config: { ...config, worlds: [] },
      development,
      catalogue,
      awaits: config.worlds.map(({ name }) => name),
      dataDirIsHeld: true,
    },
    {
      host,
      links: network.node({ role: "gameserver", node: NODE }),
      control: await gameserverPlane(config, { host, apiserver }),
      onFault: (world, fault) => onFault?.(world, fault),
    },
  );
  const { proxy, drain } = await startPlacedProxy(
    { config },
    {
      host,
      links: network.node({ role: "proxy", node: PROXY }),
      plane: await proxyPlane(config, { host, apiserver }),
    },
  );
  // Whoever comes first finds every world.
  await proxy.heard();
  return {
    apiserver,
    gameserver,
    proxy,
    pages: await startPages(config, host, gameserver, proxy),
    drain: async (deadlineMs) => {
      await drain(deadlineMs);
      await gameserver.drain();
      await apiserver.drain(deadlineMs);
    },
  };
}

async function startPages(
  config: Config,
  host: ServiceHost,
  gameserver: GameserverService,
  proxy: ProxyService,
): Promise<PageServer | undefined> {
  const { http } = config;
  if (!http.enabled) return undefined;
  const pages = new PageServer(
    {
      host: http.host,
      port: http.port,
      ...(http.staticDir === undefined ? {} : { staticDir: http.staticDir }),
      playersPort: playersAddress(config, proxy).port,
      secure: config.proxy.tls.cert !== undefined,
      worlds: () => gameserver.hosted,
    },
    { logger: host.logger },
  );
  host.part("pages", () => pages.stop());
  await pages.start();
  return pages;
}
