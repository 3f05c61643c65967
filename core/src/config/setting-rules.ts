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
