import type { Config } from "@atlasnet/core";
import { version } from "./version.ts";

/** Where a server listens, with the ports it really has. */
export interface ServerAddresses {
  readonly players: HostPort & { readonly udpPort?: number | undefined };
  readonly health: HostPort;
  /** Undefined when no pages are served. */
  readonly pages?: HostPort | undefined;
  /** Undefined when the API is turned off. */
  readonly api?: HostPort | undefined;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** The lines a server greets its operator with: where to connect, what runs, where it is kept. */
export function startBanner(
  config: Config,
  { players, health, pages, api }: ServerAddresses,
  { examples }: { examples: boolean },
): string {
  const names = config.worlds.map(({ name }) => name).join(", ");
  const rows: [string, string][] = [
    ...(pages === undefined ? [] : [["Play", `http://${reachable(pages)}`] as [string, string]]),
    ["Players", playersText(config, players)],
    ["Health", `http://${reachable(health)}/ready`],
    ...(api === undefined ? [] : [["API", apiText(config, api)] as [string, string]]),
    ["Worlds", examples ? `${names}  (the examples; --world name=module runs your own)` : names],
    ["Data", config.data.dir],
    ["Guests", guestsText(config)],
  ];
  return banner(`AtlasNet ${version}`, rows, "Ctrl+C saves the worlds and stops.");
}

/** What runs, its facts as a table, and how it is stopped. */
export function banner(
  what: string,
  rows: readonly (readonly [label: string, text: string])[],
  stopping: string,
): string {
  const lines = rows.map(([label, text]) => `  ${label.padEnd(9)}${text}`);
  return `\n  ${what} is running\n\n${lines.join("\n")}\n\n  ${stopping}\n\n`;
}

export function playersText({ proxy }: Config, players: ServerAddresses["players"]): string {
  const { udpPort } = players;
  const udp =
    udpPort === undefined ? "" : `, UDP${udpPort === players.port ? "" : ` at port ${udpPort}`}`;
  const secure = proxy.tls.cert === undefined ? "" : ", TLS";
  return `${reachable(players)}  (TCP, WebSocket${udp}${secure})`;
}

function apiText({ apiserver }: Config, api: HostPort): string {
  const scheme = apiserver.tls.cert === undefined ? "http" : "https";
  return `${scheme}://${reachable(api)}  (atlasnet status; the token is in ${apiserver.adminToken})`;
}

export function guestsText({ proxy }: Config): string {
  return proxy.allowGuests
    ? "welcome  (--proxy.allowGuests=false asks everyone for a ticket)"
    : "not let in; `atlasnet ticket issue` makes tickets";
}

/** An address a person on this machine can open: "every interface" is no such thing. */
export function reachable({ host, port }: HostPort): string {
  const name = host === "0.0.0.0" || host === "::" || host === "" ? "localhost" : host;
  return name.includes(":") ? `[${name}]:${port}` : `${name}:${port}`;
}
