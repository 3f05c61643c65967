import { type Config, OperatingError } from "@atlasnet/core";
import {
  type ClusterIdentity,
  type ClusterLinks,
  ClusterProcess,
  type ClusterProcessDependencies,
  type NodeAddress,
  type OpenClusterLinks,
  openControlPlane,
  processDiscovery,
  type ServiceHost,
} from "@atlasnet/core/node";
import { GameserverAddresses } from "./cluster/gameserver-addresses.ts";
import { modulesAtHand } from "./cluster/modules-at-hand.ts";
import type { WorldFault } from "./server/fault-reports.ts";
import { createGameserverService, type GameserverService } from "./service.ts";

export interface GameserverProcessDependencies extends ClusterProcessDependencies {
  /** Told of the faults of world code, of equal ones every few seconds. */
  onFault?(world: string, fault: WorldFault): void;
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
  return new Process({ config, role: "gameserver" }, dependencies, (host) =>
    startRole(config, dependencies, host),
  );
}

interface Role {
  readonly links: ClusterLinks;
  readonly gameserver: GameserverService;
  drain(deadlineMs: number): Promise<void>;
}

class Process extends ClusterProcess<Role> implements GameserverProcess {
  get addresses() {
    const { host, port } = this.options.config.links;
    const links = this.running?.links.address ?? { host, port };
    return { links, health: this.healthAddress };
  }

  get service(): GameserverService | undefined {
    return this.running?.gameserver;
  }
}

async function startRole(
  given: Config,
  { onFault, openLinks = quicLinks }: GameserverProcessDependencies,
  host: ServiceHost,
): Promise<Role> {
  const { config, announce } = await processDiscovery(
    given,
    host,
    () => import("@atlasnet/consul"),
  );
  const { host: address, port } = config.links;
  const bind = { host: address, port };
  const onWorldFault = (world: string, fault: WorldFault) => onFault?.(world, fault);
  if (config.cluster.apiservers.length > 0) {
    refuseOwnWorlds(config);
    const others = new GameserverAddresses();
    const control = await openControlPlane(
      {
        config,
        role: "gameserver",
        modules: modulesAtHand(config.artifacts),
        accepts: ["proxy", "gameserver"],
        bind,
        lookup: others.lookup,
        ownsDataDir: true,
      },
      { host, openLinks },
    );
    const { links } = control;
    const gameserver = await createGameserverService(
      { config },
      { host, links: links.network, control, others, onFault: onWorldFault },
    );
    const cluster = links.identity.cluster;
    announce({
      ...{ node: config.node.id, role: "gameserver", cluster },
      links: links.address ?? bind,
    });
    return { links, gameserver, drain: (deadlineMs) => gameserver.drain(deadlineMs) };
  }
  if (config.worlds.length === 0)
    throw new OperatingError("no-worlds", "worlds: this gameserver has no world to run", {
      hint: "Name one: --world game=./world.js, or [worlds.game] in the configuration file. Or name the cluster's apiservers with --apiserver, and make worlds with `atlasnet world create`.",
    });
  const links = await openLinks(
    { config, role: "gameserver", accepts: ["proxy"], bind, lookup: () => undefined },
    host,
  );
  const gameserver = await createGameserverService(
    { config },
    { host, links: links.network, onFault: onWorldFault },
  );
  return { links, gameserver, drain: (deadlineMs) => gameserver.drain(deadlineMs) };
}

/** The configuration says so itself where the apiservers are named in it. */
function refuseOwnWorlds({ worlds }: Config): void {
  const [world] = worlds;
  if (world === undefined) return;
  throw new OperatingError(
    "worlds-in-cluster",
    `worlds.${world.name}: found together with discovery.type = consul, where the cluster places the worlds`,
    { hint: `Remove it, and make the world with \`atlasnet world create ${world.name}\`.` },
  );
}

/** Loaded when it is needed: a monolith does without. */
const quicLinks: OpenClusterLinks = async (options, host) =>
  (await import("@atlasnet/quic")).openClusterLinks(options, host);
