import type { ApiserverProcess } from "@atlasnet/apiserver";
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
    config.cluster.apiservers.length > 0
      ? ["Cluster", config.cluster.apiservers.join(", ")]
      : ["Worlds", config.worlds.map(({ name }) => name).join(", ")],
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
    config.cluster.apiservers.length > 0
      ? ["Cluster", config.cluster.apiservers.join(", ")]
      : ["Peers", config.links.peers.join(", ")],
    ["Guests", guestsText(config)],
    ...identityRow(server.identity),
  ];
  const what = `AtlasNet ${version}, proxy ${config.node.id},`;
  return banner(what, rows, "Ctrl+C sends the players to other proxies and stops.");
}

/** The lines an apiserver greets its operator with. */
export function apiserverBanner(config: Config, server: ApiserverBannerFacts): string {
  const { api, links, health } = server.addresses;
  const { tls, adminToken, dataDir, peers } = config.apiserver;
  const scheme = tls.cert === undefined && isLocal(api.host) ? "http" : "https";
  const rows: Row[] = [
    ["API", `${scheme}://${reachable(api)}  (token: ${adminToken})`],
    ["Links", `${hostPort(links)}  (UDP, from all processes of the cluster)`],
    ["Health", `http://${reachable(health)}/ready`],
    ["Peers", peers.join(", ")],
    ["Log", dataDir],
    ...identityRow(server.identity),
  ];
  const what = `AtlasNet ${version}, apiserver ${config.node.id},`;
  return banner(what, rows, "Ctrl+C hands leadership over and stops.");
}

type ApiserverBannerFacts = Pick<ApiserverProcess, "addresses" | "identity">;
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

function isLocal(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
