import { version } from "../version.ts";
import type { NodePlan } from "./layout.ts";
import { LOOPBACK } from "./node-config.ts";

export interface BannerOptions {
  readonly plans: readonly NodePlan[];
  /** Process ids by node. */
  pidOf(node: string): number | undefined;
  /** Absolute, or as people know it. */
  readonly dir: string;
  /** Port of the pages; undefined: none are served. */
  readonly pagesPort: number | undefined;
  readonly examples: boolean;
  readonly guests: boolean;
  readonly tls: boolean;
  readonly udp: boolean;
  readonly platform: NodeJS.Platform;
  /** With apiservers only. */
  readonly control?: ControlFacts | undefined;
}

export interface ControlFacts {
  readonly leader: string | undefined;
  /** Worlds, each with its gameserver; undefined: with none yet. */
  readonly placed: readonly (readonly [world: string, node: string | undefined])[];
  /** What leads the CLI to this cluster, as in `--context dev`. */
  readonly flags: string;
}

/** What the cluster greets with: where to play, where to join, what to try. Read at 80 columns. */
export function clusterBanner(options: BannerOptions): string {
  const { plans, pagesPort, tls, udp } = options;
  const proxies = plans.filter(({ role }) => role === "proxy");
  const gameservers = plans.filter(({ role }) => role === "gameserver");
  const apiservers = plans.filter(({ role }) => role === "apiserver");
  const scheme = tls ? "wss" : "ws";
  const rows: (readonly [string, string])[] = [
    ...(pagesPort === undefined
      ? []
      : [["Play", `http://localhost:${pagesPort}  (joins through proxy-1)`] as const]),
    ...proxies.map(
      ({ node, ports }, index) =>
        [
          index === 0 ? "Join" : "",
          `${scheme}://localhost:${ports.players}  (${node}; WebSocket, TCP${udp ? ", UDP" : ""})`,
        ] as const,
    ),
    ...worldRows(gameservers, options.control),
    ...apiservers.map(
      ({ node, ports }, index) =>
        [
          index === 0 ? "API" : "",
          `http://${LOOPBACK}:${ports.api}  (${node}${node === options.control?.leader ? ", leads" : ""})`,
        ] as const,
    ),
    ...plans.map(
      ({ node, ports }, index) =>
        [
          index === 0 ? "Health" : "",
          `http://${LOOPBACK}:${ports.health}/ready  (${node})`,
        ] as const,
    ),
    ["Kept in", options.dir],
    ...tries(proxies, gameservers.length, options),
  ];
  const lines = rows.map(([label, text]) => `  ${label.padEnd(9)}${text}`);
  const notes = [
    ...(options.examples
      ? ["  The worlds are the examples; --world name=module runs your own."]
      : []),
    ...(options.guests
      ? []
      : ["  Guests are not let in: players need tickets of the cluster's key."]),
    "  Ctrl+C stops the proxies, then the gameservers, which save their worlds.",
  ];
  return `\n  AtlasNet ${version}: ${processes(plans)} are running\n\n${lines.join("\n")}\n\n${notes.join("\n")}\n\n`;
}

function worldRows(
  gameservers: readonly NodePlan[],
  control: ControlFacts | undefined,
): (readonly [string, string])[] {
  const placed = control?.placed ?? [];
  const lines = gameservers.map(({ node, worlds }) => {
    const here = placed.flatMap(([world, owner]) => (owner === node ? [world] : []));
    const names = control === undefined ? worlds : here;
    return `${node}: ${names.length === 0 ? "none" : names.join(", ")}`;
  });
  const nowhere = placed.flatMap(([world, owner]) => (owner === undefined ? [world] : []));
  if (nowhere.length > 0) lines.push(`nowhere yet: ${nowhere.join(", ")}`);
  return lines.map((line, index) => [index === 0 ? "Worlds" : "", line]);
}

function tries(
  proxies: readonly NodePlan[],
  gameservers: number,
  { pidOf, platform, control }: BannerOptions,
): (readonly [string, string])[] {
  const kill = (node: string, what: string): string[] => {
    const pid = pidOf(node);
    if (pid === undefined) return [];
    const command = platform === "win32" ? `taskkill /F /PID ${pid}` : `kill -9 ${pid}`;
    return [`${command}  (ends ${node}${what})`];
  };
  const lines = kill(
    proxies[0]?.node ?? "",
    proxies.length > 1
      ? ": its players go on through another"
      : ": its players wait until it is back",
  );
  if (control?.leader !== undefined)
    lines.push(...kill(control.leader, ", the leader: players do not notice"));
  if (control !== undefined) {
    lines.push(`atlasnet world ls ${control.flags}`);
    const [world] = control.placed.find(([, owner]) => owner !== undefined) ?? [];
    if (world !== undefined && gameservers > 1)
      lines.push(`atlasnet world migrate ${world} --wait ${control.flags}`);
    lines.push("atlasnet dev roll  (restarts all, one by one)");
  }
  return lines.map((line, index) => [index === 0 ? "Try" : "", line]);
}

const ROLES = [
  ["apiserver", "apiservers"],
  ["proxy", "proxies"],
  ["gameserver", "gameservers"],
] as const;

/** `3 apiservers, 2 proxies and 2 gameservers`. */
export function processes(plans: readonly NodePlan[]): string {
  const parts = ROLES.flatMap(([one, many]) => {
    const found = plans.filter(({ role }) => role === one).length;
    return found === 0 ? [] : [count(found, one, many)];
  });
  const last = parts.pop() ?? "";
  return parts.length === 0 ? last : `${parts.join(", ")} and ${last}`;
}

export function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}
