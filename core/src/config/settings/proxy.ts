import type { Setting } from "../setting.ts";
import { DAY_MS, HOST, HOST_ALLOWED, MANY, port } from "./parts.ts";

export const proxySettings = {
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
  "proxy.limits.sealedMs": {
    type: "integer",
    min: 100,
    max: DAY_MS,
    unit: "ms",
    default: 10_000,
    meaning:
      "A world that stands still to move, and is not heard of for so long, counts as one without an owner.",
  },
} as const satisfies { readonly [path: string]: Setting };
