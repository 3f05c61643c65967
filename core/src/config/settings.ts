import type { Setting, ValueOfSetting } from "./setting.ts";

/** Largest value of settings that have no natural end. */
const MANY = 1_000_000_000;
const DAY_MS = 86_400_000;

const HOST = /^[^\s/]+$/;
const HOST_ALLOWED = "a host name or an IP address";

/** A group of 224.0.0.0/4 and a port; parsed by wire/multicast-address.ts. */
const MULTICAST_ADDRESS = new RegExp(
  "^(22[4-9]|23\\d)(\\.(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)){3}" +
    ":(6553[0-5]|655[0-2]\\d|65[0-4]\\d\\d|6[0-4]\\d{3}|[1-5]\\d{4}|[1-9]\\d{0,3})$",
);
/** Numbers without leading zeros: every topic has one name. */
const MULTICAST_TOPIC =
  /^[A-Za-z][A-Za-z0-9_-]{0,63}\/([A-Za-z][A-Za-z0-9_-]{0,63}|cell(\/(0|[1-9]\d{0,9})(,(0|[1-9]\d{0,9})){1,2}))$/;

const PEER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}=(\[[0-9A-Fa-f:.]+\]|[^\s/:=]+):\d{1,5}$/;

const port = (meaning: string, defaultPort: number) =>
  ({
    type: "integer",
    min: 0,
    max: 65_535,
    default: defaultPort,
    meaning: `${meaning} 0 takes any free one.`,
  }) as const;

/**
 * Every setting, in the order of the help and the example file. The first part of a path is a table
 * of the file; worlds and services are in world-settings.ts.
 */
export const settings = {
  "node.id": {
    type: "text",
    pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/,
    allowed: "letters, digits, ., - and _, at most 64, a letter or digit first",
    default: { says: "the host's name", of: (host) => nodeIdOf(host.hostname) },
    example: "game-1",
    meaning: "Name of this process among the nodes of a cluster, in logs and in metrics.",
  },
  "node.drainMs": {
    type: "integer",
    min: 0,
    max: 3_600_000,
    unit: "ms",
    default: 10_000,
    meaning: "Time a stop may take to finish what is under way; what is left then is cut off.",
  },

  "data.dir": {
    type: "path",
    default: "./data",
    alias: "data",
    meaning: "Folder of everything that is kept: snapshots, journals, keys. One process at a time.",
  },
  "data.fresh": {
    type: "bool",
    default: false,
    alias: "fresh",
    meaning: "Start every world anew instead of from its stored state, which is set aside.",
  },

  "log.level": {
    type: "word",
    values: ["debug", "info", "warn", "error", "silent"],
    default: "info",
    meaning: "Lines below this level are not written.",
  },
  "log.format": {
    type: "word",
    values: ["auto", "pretty", "json"],
    default: "auto",
    meaning: "How log lines look; auto is pretty on a terminal and json elsewhere.",
  },

  "health.host": {
    type: "text",
    pattern: HOST,
    allowed: HOST_ALLOWED,
    default: "127.0.0.1",
    meaning: "Address of /live, /ready and /metrics. Not for the open internet.",
  },
  "health.port": port("Port of /live, /ready and /metrics.", 2557),

  "proxy.host": {
    type: "text",
    pattern: HOST,
    allowed: HOST_ALLOWED,
    default: "0.0.0.0",
    meaning: "Address that players connect to; 0.0.0.0 is every IPv4 address of this machine.",
  },
  "proxy.port": {
    ...port("Port that players connect to (framed, WebSocket, text lines).", 2555),
    alias: "port",
  },
  "proxy.allowGuests": {
    type: "bool",
    default: true,
    alias: "guests",
    meaning:
      "Let players in without a ticket. On, so that a first game just runs; turn it off for a game with accounts.",
  },
  "proxy.endpoints": {
    type: "list",
    pattern: /^[^\s/]+:\d{1,5}$/,
    allowed: "HOST:PORT, as in play-2.example.org:2555",
    maxItems: 64,
    default: [],
    example: ["play-1.example.org:2555", "play-2.example.org:2555"],
    meaning:
      "Where players reach the proxies of this cluster, this one included. Clients are told, and go to another when theirs is gone.",
  },
  "proxy.tls.cert": {
    type: "path",
    example: "./cert.pem",
    meaning: "PEM file with the certificate chain; with proxy.tls.key, players may use TLS.",
  },
  "proxy.tls.key": {
    type: "path",
    example: "./key.pem",
    meaning: "PEM file with the certificate's private key.",
  },
  "proxy.udp.enabled": {
    type: "bool",
    default: true,
    meaning: "Take players over UDP, too.",
  },
  "proxy.udp.port": {
    type: "integer",
    min: 0,
    max: 65_535,
    example: 2555,
    meaning:
      "UDP port that players connect to, when it is not to be the same as proxy.port. 0 takes any free one.",
  },
  "proxy.udp.keyFile": {
    type: "path",
    default: {
      says: "keys/udp.jwk.json in data.dir",
      of: (_host, dataDir) => `${dataDir}/keys/udp.jwk.json`,
    },
    example: "./data/keys/udp.jwk.json",
    meaning:
      "JWK file of the key that the server proves itself with over UDP; made when it is not there. A proxy of a cluster takes the CA's key, or with this setting a file that has to be there.",
  },
  "proxy.udp.handshakesPerSecond": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    unit: "handshakes per second",
    default: 500,
    meaning:
      "UDP handshakes that are carried through, from all addresses together; the rest is dropped and tried again by the clients.",
  },
  "proxy.limits.connections": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    unit: "connections",
    default: 20_000,
    meaning: "Connections at a time; more are closed with too-many-connections.",
  },
  "proxy.limits.connectionsPerAddress": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    unit: "connections",
    default: 1000,
    meaning: "Connections at a time from one IP address; more are closed the same way.",
  },
  "proxy.limits.handshakeTimeoutMs": {
    type: "integer",
    min: 100,
    max: 600_000,
    unit: "ms",
    default: 10_000,
    meaning: "Time from connecting to a complete hello; then handshake-timeout.",
  },
  "proxy.limits.maxMessageBytes": {
    type: "integer",
    min: 1024,
    max: 65_536,
    unit: "bytes",
    default: 65_536,
    meaning: "Largest message of a client; a larger one ends the connection with too-large.",
  },
  "proxy.limits.messagesPerSecond": {
    type: "integer",
    min: 1,
    max: MANY,
    unit: "messages per second",
    default: 100,
    meaning: "Messages a client may send in the long run; above it rate-limited.",
  },
  "proxy.limits.messageBurst": {
    type: "integer",
    min: 1,
    max: MANY,
    unit: "messages",
    default: 200,
    meaning: "Messages a client may send at once after being quiet.",
  },
  "proxy.limits.bytesPerSecond": {
    type: "integer",
    min: 1024,
    max: MANY,
    unit: "bytes per second",
    default: 65_536,
    meaning: "Bytes a client may send in the long run; above it rate-limited.",
  },
  "proxy.limits.byteBurst": {
    type: "integer",
    min: 1024,
    max: MANY,
    unit: "bytes",
    default: 262_144,
    meaning: "Bytes a client may send at once after being quiet; at least maxMessageBytes.",
  },
  "proxy.limits.idleTimeoutMs": {
    type: "integer",
    min: 1000,
    max: DAY_MS,
    unit: "ms",
    default: 30_000,
    meaning: "A client that is silent for so long is closed with idle-timeout.",
  },
  "proxy.limits.stateBacklogBytes": {
    type: "integer",
    min: 1024,
    max: MANY,
    unit: "bytes",
    default: 65_536,
    meaning: "Unsent bytes at which a slow client gets only the newest state.",
  },
  "proxy.limits.reliableBacklogBytes": {
    type: "integer",
    min: 65_536,
    max: MANY,
    unit: "bytes",
    default: 1_048_576,
    meaning: "Unsent bytes at which a slow client is closed with slow-consumer.",
  },

  "http.enabled": {
    type: "bool",
    default: true,
    meaning: "Serve pages: the example games, or http.staticDir.",
  },
  "http.host": {
    type: "text",
    pattern: HOST,
    allowed: HOST_ALLOWED,
    default: "0.0.0.0",
    meaning: "Address of the pages.",
  },
  "http.port": port("Port of the pages.", 3000),
  "http.staticDir": {
    type: "path",
    example: "./public",
    meaning: "Folder with one's own page, served instead of the example games.",
  },

  "gameserver.threads": {
    type: "integer",
    min: 1,
    max: 256,
    unit: "threads",
    default: { says: "cores - 1, at least 1", of: (host) => Math.max(1, host.cores - 1) },
    example: 2,
    meaning: "Worker threads that worlds tick on.",
  },
  "gameserver.tickLimitMs": {
    type: "integer",
    min: 0,
    max: 60_000,
    unit: "ms",
    default: 500,
    meaning:
      "A tick that takes longer is interrupted and its world restored. 0 turns it off; off under a debugger.",
  },
  "gameserver.graceSeconds": {
    type: "integer",
    min: 0,
    max: 86_400,
    unit: "s",
    default: 30,
    meaning: "How long, in world time, the place of a player whose connection was lost is kept.",
  },
  "gameserver.maxSessionsPerWorld": {
    type: "integer",
    min: 1,
    max: 1_000_000,
    unit: "sessions",
    default: 10_000,
    meaning: "Players of one world at a time; more are closed with world-full.",
  },
  "gameserver.outboxMessages": {
    type: "integer",
    min: 16,
    max: 1_000_000,
    unit: "messages",
    default: 1024,
    meaning:
      "Reliable messages kept for one player until acknowledged; more end the session with slow-consumer.",
  },

  "gameserver.multicast.address": {
    type: "text",
    pattern: MULTICAST_ADDRESS,
    allowed:
      "an IPv4 multicast group from 224.0.0.0 to 239.255.255.255 and a port from 1 to 65535, as in 239.255.0.1:30001",
    alias: "multicast",
    example: "239.255.0.1:30001",
    meaning:
      "Group that this server's figures and the topics below are sent to, for any number of watchers on the LAN (`atlasnet monitor`). Left out: nothing is sent. Everybody on the LAN can read it; no router passes it on.",
  },
  "gameserver.multicast.interface": {
    type: "text",
    pattern: /^\d{1,3}(\.\d{1,3}){3}$/,
    allowed: "an IPv4 address of this machine",
    example: "192.168.1.5",
    meaning:
      "Address of the network interface that multicast leaves by; 127.0.0.1 keeps it on this machine. Left out: the system chooses.",
  },
  "gameserver.multicast.topics": {
    type: "list",
    pattern: MULTICAST_TOPIC,
    allowed: "WORLD/CHANNEL or WORLD/cell/X,Y(,Z)",
    maxItems: 64,
    default: [],
    example: ["arena/scores", "arena/cell/3,4"],
    meaning: "Topics whose changes are sent to the group, tick by tick.",
  },
  "gameserver.multicast.allowPrivate": {
    type: "bool",
    default: false,
    meaning:
      "Send topics, too, that their world does not call public. Whoever is on the LAN reads them.",
  },

  "snapshot.intervalMs": {
    type: "integer",
    min: 1000,
    max: DAY_MS,
    unit: "ms",
    default: 300_000,
    meaning: "Time between two snapshots of a world; one more is written at a stop.",
  },
  "snapshot.keep": {
    type: "integer",
    min: 1,
    max: 1000,
    unit: "snapshots",
    default: 3,
    meaning: "Snapshots kept per world; older ones are deleted.",
  },
  "journal.enabled": {
    type: "bool",
    default: true,
    meaning:
      "Write what each tick changed, so that a crash costs journal.syncMs, not a snapshot's interval.",
  },
  "journal.syncMs": {
    type: "integer",
    min: 1,
    max: 60_000,
    unit: "ms",
    default: 1000,
    meaning: "Time between two syncs of the journals to disk: the most a crash costs.",
  },

  "apiserver.peers": {
    type: "list",
    pattern: PEER,
    allowed: "NODE=HOST:PORT, as in api-1=10.0.0.1:2556",
    maxItems: 16,
    commas: true,
    default: [],
    alias: "peers",
    example: ["api-1=10.0.0.1:2556", "api-2=10.0.0.2:2556", "api-3=10.0.0.3:2556"],
    meaning:
      "All apiservers of the cluster and where they take links, this one included. New apiservers with the same list form a group, once; afterwards it only tells where the others are. One that is to be added to a group leaves itself out. One is enough to try things; three go on when one is lost.",
  },
  "apiserver.dataDir": {
    type: "path",
    default: {
      says: "apiserver in data.dir",
      of: (_host, dataDir) => `${dataDir}/apiserver`,
    },
    example: "./data/apiserver",
    meaning:
      "Folder of the apiserver's Raft log. On a disk of its own, writes do not wait for what others write.",
  },
  "apiserver.host": {
    type: "text",
    pattern: HOST,
    allowed: HOST_ALLOWED,
    default: "127.0.0.1",
    meaning:
      "Address of the HTTP API. Beyond this machine it is served with TLS only: with apiserver.tls.cert, or else this node's certificate.",
  },
  "apiserver.port": port("Port of the HTTP API.", 8080),
  "apiserver.adminToken": {
    type: "path",
    default: {
      says: "admin.token in data.dir",
      of: (_host, dataDir) => `${dataDir}/admin.token`,
    },
    example: "./data/admin.token",
    meaning:
      "File of the first administrator's token for the HTTP API; made when it is not there. Whoever reads it may do everything.",
  },
  "apiserver.electionMs": {
    type: "integer",
    min: 30,
    max: 60_000,
    unit: "ms",
    default: 250,
    meaning:
      "An apiserver that hears no leader for so long, up to twice as long by chance, stands for election. The same on all of them.",
  },
  "apiserver.heartbeatMs": {
    type: "integer",
    min: 10,
    max: 20_000,
    unit: "ms",
    default: 50,
    meaning: "How often a leader says that it is there; well above the round trip between them.",
  },
  "apiserver.maxStreams": {
    type: "integer",
    min: 1,
    max: 100_000,
    unit: "streams",
    default: 1000,
    meaning: "Watches over HTTP at a time; more are refused with too-many-watches.",
  },
  "apiserver.tls.cert": {
    type: "path",
    example: "./cert.pem",
    meaning: "PEM file with the certificate chain of the HTTP API.",
  },
  "apiserver.tls.key": {
    type: "path",
    example: "./key.pem",
    meaning: "PEM file with the certificate's private key.",
  },

  "links.host": {
    type: "text",
    pattern: HOST,
    allowed: HOST_ALLOWED,
    default: "0.0.0.0",
    meaning:
      "Address where links are taken (UDP, QUIC): a gameserver's from proxies, an apiserver's from the other apiservers.",
  },
  "links.port": port(
    "UDP port where links are taken. An apiserver takes, unless this is set, its port in apiserver.peers.",
    2556,
  ),
  "links.peers": {
    type: "list",
    pattern: PEER,
    allowed: "NODE=HOST:PORT, as in gs-1=10.0.0.5:2556",
    maxItems: 256,
    default: [],
    alias: "peer",
    example: ["gs-1=10.0.0.5:2556", "gs-2=10.0.0.6:2556"],
    meaning: "Gameservers that a proxy connects to: their node ids and where they take links.",
  },
  "links.idleTimeoutMs": {
    type: "integer",
    min: 500,
    max: 600_000,
    unit: "ms",
    default: 5000,
    meaning:
      "A link whose other end is silent for so long is given up; the smaller value of both ends counts. Keep-alives go at a third of it.",
  },
  "links.maxPacketBytes": {
    type: "integer",
    min: 1200,
    max: 16_384,
    unit: "bytes",
    default: 16_384,
    meaning:
      "Largest UDP payload of a link. Links begin at 1350 and try larger ones up to this where the path lets them through.",
  },
  "links.bulkBytesPerSecond": {
    type: "integer",
    min: 65_536,
    max: MANY,
    unit: "bytes per second",
    default: 33_554_432,
    meaning:
      "Most that a link sends of snapshots and other bulk, so that it does not hold up play.",
  },

  "identity.dir": {
    type: "path",
    default: {
      says: "identity in data.dir",
      of: (_host, dataDir) => `${dataDir}/identity`,
    },
    example: "./data/identity",
    meaning:
      "Folder with this node's certificate and key for links, in files named after node.id. A process of a cluster needs them; a monolith does not.",
  },
  "identity.ca": {
    type: "path",
    alias: "ca",
    example: "./ca",
    meaning:
      "Folder of a cluster CA on this machine (`atlasnet ca init`): a node without a certificate issues itself one. For tests and for clusters of one machine.",
  },
  "identity.join": {
    type: "text",
    pattern: /^atlasnet-join-[A-Za-z0-9_.-]{20,4096}$/,
    allowed: "a token of `atlasnet ca token`",
    alias: "join",
    example: "atlasnet-join-eyJhbGciOiJFUzI1NiJ9.eyJyb2xlIjoicHJveHkifQ.c2lnbmF0dXJl",
    meaning:
      "Join token: a node without a certificate fetches one with it. Not needed again once the node has its certificate.",
  },

  "tickets.keyFile": {
    type: "path",
    default: {
      says: "keys/tickets.jwks.json in data.dir",
      of: (_host, dataDir) => `${dataDir}/keys/tickets.jwks.json`,
    },
    example: "./data/keys/tickets.jwks.json",
    meaning:
      "JWKS file of the keys of tickets; made when it is not there. The first private key signs, all verify. A proxy of a cluster takes the CA's keys, or with this setting a file that has to be there.",
  },

  "telemetry.otlpEndpoint": {
    type: "text",
    pattern: /^https?:\/\/\S+$/,
    allowed: "an http:// or https:// address",
    example: "http://localhost:4318",
    meaning: "OpenTelemetry collector that traces are sent to.",
  },
  "telemetry.sampleOneIn": {
    type: "integer",
    min: 0,
    max: MANY,
    unit: "messages",
    default: 1000,
    meaning:
      "One in so many messages of clients is traced, from the proxy to the tick that applied it; 0: none. Needs telemetry.otlpEndpoint.",
  },
} as const satisfies { readonly [path: string]: Setting };

/** A host's name as a node id: what does not fit becomes a dash. */
function nodeIdOf(hostname: string): string {
  const id = hostname.replaceAll(/[^A-Za-z0-9._-]/g, "-").replace(/^[^A-Za-z0-9]+/, "");
  return id.slice(0, 64) || "local";
}

export type SettingPath = keyof typeof settings;

type FlatSettings = { readonly [P in SettingPath]: ValueOfSetting<(typeof settings)[P]> };
type Head<P> = P extends `${infer H}.${string}` ? H : P;
type Below<T, H extends string> = {
  [P in keyof T as P extends `${H}.${infer Rest}` ? Rest : never]: T[P];
};
/** `{"a.b": X}` as `{a: {b: X}}`. */
type Tree<T> = {
  readonly [H in Head<keyof T> & string]: H extends keyof T ? T[H] : Tree<Below<T, H>>;
};

/** The settings' values as a tree: `proxy.port` is `values.proxy.port`. */
export type SettingValues = Tree<FlatSettings>;

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
