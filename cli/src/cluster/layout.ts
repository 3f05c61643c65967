import { UsageError } from "../usage-error.ts";

export type ClusterRole = "proxy" | "gameserver" | "apiserver";

/** One process of the cluster: what it is, which ports are its own, which worlds it opens. */
export interface NodePlan {
  readonly node: string;
  readonly role: ClusterRole;
  readonly ports: {
    /** Where players connect; proxies only. */
    readonly players?: number;
    /** Where links are taken (UDP); gameservers and apiservers. */
    readonly links?: number;
    /** The HTTP API; apiservers only. */
    readonly api?: number;
    readonly health: number;
  };
  readonly worlds: readonly string[];
}

export interface LayoutOptions {
  readonly proxies: number;
  readonly gameservers: number;
  /** 0, the default: nobody places worlds, each gameserver is given its own. */
  readonly apiservers?: number;
  /** Players' port of the first proxy; all others follow from it. */
  readonly basePort: number;
  /** Names of the worlds, spread over the gameservers in turn; with apiservers those choose. */
  readonly worlds: readonly string[];
}

/** Processes of a role; more than one machine has use for. */
export const MAX_PER_ROLE = 16;
export const DEFAULT_CLUSTER_DIR = "./.atlasnet/cluster";
/** Systems hand out the ports above to whoever connects anywhere, so one of them may be taken at any time. */
const LAST_PORT = 32_767;
/** Between the ports of two processes of a role. */
const STEP = 10;
/** A node's ports, above the base of its number. `ca serve` has 2558, and stays free by default. */
const OFFSET = {
  players: 0,
  links: 1,
  proxyHealth: 2,
  gameserverHealth: 4,
  api: 5,
  apiLinks: 6,
  apiHealth: 7,
} as const;

/** The scheme, for the help. */
export const PORT_SCHEME =
  `Ports follow from --port (2555), a step of ${STEP} per process: proxy-1 takes players at 2555 (TCP and UDP), ` +
  "proxy-2 at 2565, …; gs-1 takes links at 2556 (UDP), gs-2 at 2566, …; health and metrics are at 2557, 2567, … " +
  "of the proxies and at 2559, 2569, … of the gameservers. api-1 has its HTTP API at 2560, links at 2561 (UDP), " +
  "health at 2562, api-2 at 2570, ….";

/**
 * Which processes there are: proxies, gameservers, apiservers. Pure: the same options give the same nodes and ports.
 * @throws UsageError when the ports would not all be from 1 to 32767.
 */
export function layoutCluster(options: LayoutOptions): NodePlan[] {
  const { proxies, gameservers, apiservers = 0, basePort, worlds } = options;
  const last = Math.max(
    basePort + STEP * (Math.max(proxies, gameservers) - 1) + OFFSET.gameserverHealth,
    basePort + STEP * (apiservers - 1) + OFFSET.apiHealth,
  );
  if (basePort < 1 || last > LAST_PORT)
    throw new UsageError(
      `--port: found "${basePort}", allowed: 1 to ${LAST_PORT - (last - basePort)}, as the cluster takes ports up to ${last - basePort} above it`,
    );
  const base = (index: number) => basePort + STEP * index;
  const proxyPlans = Array.from(
    { length: proxies },
    (_, index): NodePlan => ({
      node: `proxy-${index + 1}`,
      role: "proxy",
      ports: { players: base(index) + OFFSET.players, health: base(index) + OFFSET.proxyHealth },
      worlds: [],
    }),
  );
  const gameserverPlans = Array.from(
    { length: gameservers },
    (_, index): NodePlan => ({
      node: `gs-${index + 1}`,
      role: "gameserver",
      ports: { links: base(index) + OFFSET.links, health: base(index) + OFFSET.gameserverHealth },
      worlds: apiservers > 0 ? [] : worlds.filter((_, at) => at % gameservers === index),
    }),
  );
  const apiserverPlans = Array.from(
    { length: apiservers },
    (_, index): NodePlan => ({
      node: `api-${index + 1}`,
      role: "apiserver",
      ports: {
        api: base(index) + OFFSET.api,
        links: base(index) + OFFSET.apiLinks,
        health: base(index) + OFFSET.apiHealth,
      },
      worlds: [],
    }),
  );
  return [...proxyPlans, ...gameserverPlans, ...apiserverPlans];
}

/** A port that has to be free before the cluster starts. */
export interface NeededPort {
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly host: string;
  /** Whose it is, as in `proxy-1, players`. */
  readonly what: string;
}

/** Every port of a layout. Hosts are what the processes are going to bind. */
export function neededPorts(
  plans: readonly NodePlan[],
  {
    hosts,
    udp,
  }: {
    hosts: { players: string; links: string; health: string } /** Players over UDP, too. */;
    udp: boolean;
  },
): NeededPort[] {
  return plans.flatMap(({ node, ports }) => {
    const needed: NeededPort[] = [];
    const { players, links, api, health } = ports;
    if (players !== undefined) {
      const what = `${node}, players`;
      needed.push({ port: players, protocol: "tcp", host: hosts.players, what });
      if (udp) needed.push({ port: players, protocol: "udp", host: hosts.players, what });
    }
    if (links !== undefined)
      needed.push({ port: links, protocol: "udp", host: hosts.links, what: `${node}, links` });
    if (api !== undefined)
      needed.push({ port: api, protocol: "tcp", host: hosts.health, what: `${node}, API` });
    needed.push({ port: health, protocol: "tcp", host: hosts.health, what: `${node}, health` });
    return needed;
  });
}
