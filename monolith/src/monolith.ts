import { type Config, InProcessNetwork, type Logger } from "@atlasnet/core";
import { registerLinkMetrics, type ServiceHost, ServiceProcess } from "@atlasnet/core/node";
import {
  createGameserverService,
  type GameserverService,
  type WorldFault,
} from "@atlasnet/gameserver";
import {
  createProxyService,
  type PlayersAddress,
  type ProxyService,
  playersAddress,
} from "@atlasnet/proxy";
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
  /** Complete once `start` resolved. */
  readonly addresses: { players: PlayersAddress; health: HostPort; pages: HostPort | undefined };
  /** Gives a running world a changed module; its players stay. @throws when the module does not fit. */
  swap(world: string, moduleFile: string): Promise<void>;
  /** Shows a line for people to every client of a world; an empty one takes it away. */
  notice(world: string, text: string): void;
}

/** The roles of a monolith, running. */
interface Roles {
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
      };
    },
  };
}

async function startRoles(
  { config, development }: MonolithOptions,
  { onFault }: MonolithDependencies,
  host: ServiceHost,
): Promise<Roles> {
  const node = config.node.id;
  const network = new InProcessNetwork();
  registerLinkMetrics(host.meter, network.stats, "in-process");
  const gameserver = await createGameserverService(
    { config, development },
    {
      host,
      links: network.node({ role: "gameserver", node }),
      onFault: (world, fault) => onFault?.(world, fault),
    },
  );
  const links = network.node({ role: "proxy", node: `${node}/proxy` });
  const proxy = await createProxyService({ config, peers: [node] }, { host, links });
  // Whoever comes first finds every world.
  await proxy.heard();
  return {
    gameserver,
    proxy,
    pages: await startPages(config, host, gameserver, proxy),
    drain: async (deadlineMs) => {
      await proxy.drain(deadlineMs);
      await gameserver.drain();
    },
  };
}

async function startPages(
  config: Config,
  host: ServiceHost,
  { hosted }: GameserverService,
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
      worlds: hosted.map(({ world, file }) => ({ world, file })),
    },
    { logger: host.logger },
  );
  host.part("pages", () => pages.stop());
  await pages.start();
  return pages;
}
