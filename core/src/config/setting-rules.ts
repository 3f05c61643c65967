import type { SettingPath, SettingValues } from "./settings.ts";

/** What must hold between settings. Each returns what is wrong and where, or nothing. */
export const settingRules: readonly ((
  values: SettingValues,
) => { path: SettingPath; problem: string } | undefined)[] = [
  ({ proxy }) =>
    (proxy.tls.cert === undefined) === (proxy.tls.key === undefined)
      ? undefined
      : {
          path: proxy.tls.cert === undefined ? "proxy.tls.key" : "proxy.tls.cert",
          problem: "proxy.tls.cert and proxy.tls.key belong together: set both or neither",
        },
  ({ apiserver: { tls } }) =>
    (tls.cert === undefined) === (tls.key === undefined)
      ? undefined
      : {
          path: tls.cert === undefined ? "apiserver.tls.key" : "apiserver.tls.cert",
          problem: "apiserver.tls.cert and apiserver.tls.key belong together: set both or neither",
        },
  ({ apiserver: { electionMs, heartbeatMs } }) =>
    electionMs >= 3 * heartbeatMs
      ? undefined
      : {
          path: "apiserver.electionMs",
          problem: `found ${electionMs}, allowed: at least three times apiserver.heartbeatMs (${heartbeatMs}), or one late heartbeat costs a leader`,
        },
  ({ cluster, links }) =>
    cluster.apiservers.length === 0 || links.peers.length === 0
      ? undefined
      : {
          path: "links.peers",
          problem:
            "found together with cluster.apiservers: remove it, the gameservers are found by the apiservers; or remove cluster.apiservers for a cluster without them",
        },
  ({ cluster: { apiservers } }) => {
    const bad = apiservers.find((url) => !isPort(url.replace(/\/$/, "")));
    return bad === undefined
      ? undefined
      : { path: "cluster.apiservers", problem: `found "${bad}", allowed: a port from 1 to 65535` };
  },
  ({ links: { advertise } }) =>
    advertise === undefined || isPort(advertise)
      ? undefined
      : {
          path: "links.advertise",
          problem: `found "${advertise}", allowed: a port from 1 to 65535`,
        },
  ({ node: { labels } }) => {
    const names = labels.map((label) => label.slice(0, label.indexOf("=")));
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    return twice === undefined
      ? undefined
      : { path: "node.labels", problem: `found ${twice} twice, allowed: once` };
  },
  ({ proxy: { limits } }) =>
    limits.byteBurst >= limits.maxMessageBytes
      ? undefined
      : {
          path: "proxy.limits.byteBurst",
          problem: `found ${limits.byteBurst}, allowed: at least proxy.limits.maxMessageBytes (${limits.maxMessageBytes}), or the largest message could never be sent`,
        },
  ({ proxy: { limits } }) =>
    limits.reliableBacklogBytes >= limits.stateBacklogBytes
      ? undefined
      : {
          path: "proxy.limits.reliableBacklogBytes",
          problem: `found ${limits.reliableBacklogBytes}, allowed: at least proxy.limits.stateBacklogBytes (${limits.stateBacklogBytes})`,
        },
  ({ proxy, http }) =>
    http.enabled && http.port !== 0 && http.port === proxy.port
      ? { path: "http.port", problem: `${http.port} is proxy.port too; two servers need two ports` }
      : undefined,
  ({ proxy, http, health }) =>
    health.port !== 0 && (health.port === proxy.port || (http.enabled && health.port === http.port))
      ? {
          path: "health.port",
          problem: `${health.port} is the port of players or pages too; two servers need two ports`,
        }
      : undefined,
];

/** HOST:PORT ends in a port that somebody can connect to. */
function isPort(address: string): boolean {
  const port = Number(address.slice(address.lastIndexOf(":") + 1));
  return port >= 1 && port <= 65_535;
}
