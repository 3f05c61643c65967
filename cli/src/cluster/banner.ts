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
}

/** What the cluster greets with: where to play, where to join, what to try. Read at 80 columns. */
export function clusterBanner(options: BannerOptions): string {
  const { plans, pidOf, pagesPort, tls, udp } = options;
  const proxies = plans.filter(({ role }) => role === "proxy");
  const gameservers = plans.filter(({ role }) => role === "gameserver");
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
    ...gameservers.map(
      ({ node, worlds }, index) =>
        [
          index === 0 ? "Worlds" : "",
          `${node}: ${worlds.length === 0 ? "none" : worlds.join(", ")}`,
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
    ...tries(proxies, pidOf, options.platform),
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
  return `\n  AtlasNet ${version}: ${count(proxies.length, "proxy", "proxies")} and ${count(gameservers.length, "gameserver", "gameservers")} are running\n\n${lines.join("\n")}\n\n${notes.join("\n")}\n\n`;
}

function tries(
  proxies: readonly NodePlan[],
  pidOf: (node: string) => number | undefined,
  platform: NodeJS.Platform,
): (readonly [string, string])[] {
  const first = proxies[0]?.node ?? "";
  const pid = pidOf(first);
  if (pid === undefined) return [];
  const kill = platform === "win32" ? `taskkill /F /PID ${pid}` : `kill -9 ${pid}`;
  const what =
    proxies.length > 1
      ? `ends ${first}: its players go on through another`
      : `ends ${first}: its players wait until it is back`;
  return [["Try", `${kill}  (${what})`]];
}

export function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}
