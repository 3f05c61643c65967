import type { Config } from "@atlasnet/core";
import type { GameserverProcess } from "@atlasnet/gameserver";
import type { ProxyProcess } from "@atlasnet/proxy";
import { banner, guestsText, playersText, reachable } from "./start-banner.ts";
import { version } from "./version.ts";

type Row = [label: string, text: string];
type Identity = GameserverProcess["identity"];

/** The lines a gameserver greets its operator with. */
export function gameserverBanner(config: Config, server: GameserverBannerFacts): string {
  const { links, health } = server.addresses;
  const rows: Row[] = [
    ["Links", `${hostPort(links)}  (UDP, from proxies)`],
    ["Health", `http://${reachable(health)}/ready`],
    ["Worlds", config.worlds.map(({ name }) => name).join(", ")],
    ["Data", config.data.dir],
    ...identityRow(server.identity),
  ];
  const what = `AtlasNet ${version}, gameserver ${config.node.id},`;
  return banner(what, rows, "Ctrl+C saves the worlds and stops.");
}

/** The lines a proxy greets its operator with. */
export function proxyBanner(config: Config, server: ProxyBannerFacts): string {
  const { players, health } = server.addresses;
  const rows: Row[] = [
    ["Players", playersText(config, players)],
    ["Health", `http://${reachable(health)}/ready`],
    ["Peers", config.links.peers.join(", ")],
    ["Guests", guestsText(config)],
    ...identityRow(server.identity),
  ];
  const what = `AtlasNet ${version}, proxy ${config.node.id},`;
  return banner(what, rows, "Ctrl+C sends the players to other proxies and stops.");
}

type GameserverBannerFacts = Pick<GameserverProcess, "addresses" | "identity">;
type ProxyBannerFacts = Pick<ProxyProcess, "addresses" | "identity">;

function identityRow(identity: Identity): Row[] {
  if (identity === undefined) return [];
  const { cluster, role, node, notAfter } = identity;
  const until = new Date(notAfter).toISOString().slice(0, 10);
  return [["Identity", `${role} ${node} of cluster ${cluster}, until ${until}, renewed before`]];
}

/** As other machines see it: "every interface" is said as it is. */
function hostPort({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
