import { type Config, type Logger, OperatingError } from "@atlasnet/core";
import {
  type ClusterIdentity,
  type ClusterLinks,
  type NodeAddress,
  type OpenClusterLinks,
  type ServiceHost,
  ServiceProcess,
} from "@atlasnet/core/node";
import type { WorldFault } from "./server/gameserver.ts";
import { createGameserverService, type GameserverService } from "./service.ts";

export interface GameserverProcessDependencies {
  /** Default: pino on standard error, as configured. */
  readonly logger?: Logger;
  /** The process must not go on (another one took its data); whoever owns it stops it. */
  onFatal?(error: Error): void;
  /** Told of the faults of world code, of equal ones every few seconds. */
  onFault?(world: string, fault: WorldFault): void;
  /** Default: QUIC, with the identity that the configuration names. */
  readonly openLinks?: OpenClusterLinks;
}

/** A gameserver of a cluster, which has this process to itself. */
export interface GameserverProcess {
  /** Opens every world, then takes links from proxies. @throws an error that says what to do. */
  start(): Promise<void>;
  /** Saves every world; it takes as long as that takes. Proxies keep the players meanwhile. */
  drain(deadlineMs: number): Promise<void>;
  /** Ends everything. Idempotent. */
  stop(): Promise<void>;
  /** The ports that were really taken, once `start` resolved. */
  readonly addresses: { readonly links: NodeAddress; readonly health: NodeAddress };
  /** Undefined until `start` resolved. */
  readonly identity: ClusterIdentity | undefined;
  /** As those of the service, once `start` resolved. */
  readonly service: GameserverService | undefined;
}

export function createGameserverProcess(
  { config }: { readonly config: Config },
  dependencies: GameserverProcessDependencies = {},
): GameserverProcess {
  const process = new ServiceProcess({ config, role: "gameserver" }, dependencies, (host) =>
    startRole(config, dependencies, host),
  );
  return {
    start: () => process.start(),
    drain: (deadlineMs) => process.drain(deadlineMs),
    stop: () => process.stop(),
    get addresses() {
      const { host, port } = config.links;
      const links = process.service?.links.address ?? { host, port };
      return { links, health: process.healthAddress };
    },
    get identity() {
      return process.service?.links.identity;
    },
    get service() {
      return process.service?.gameserver;
    },
  };
}

interface Role {
  readonly links: ClusterLinks;
  readonly gameserver: GameserverService;
  drain(): Promise<void>;
}

async function startRole(
  config: Config,
  { onFault, openLinks = quicLinks }: GameserverProcessDependencies,
  host: ServiceHost,
): Promise<Role> {
  if (config.worlds.length === 0)
    throw new OperatingError("no-worlds", "worlds: this gameserver has no world to run", {
      hint: "Name one: --world game=./world.js, or [worlds.game] in the configuration file.",
    });
  const { host: address, port } = config.links;
  const links = await openLinks(
    {
      config,
      role: "gameserver",
      accepts: ["proxy"],
      bind: { host: address, port },
      lookup: () => undefined,
    },
    host,
  );
  const gameserver = await createGameserverService(
    { config },
    { host, links: links.network, onFault: (world, fault) => onFault?.(world, fault) },
  );
  return { links, gameserver, drain: () => gameserver.drain() };
}

/** Loaded when it is needed: a monolith does without. */
const quicLinks: OpenClusterLinks = async (options, host) =>
  (await import("@atlasnet/quic")).openClusterLinks(options, host);
