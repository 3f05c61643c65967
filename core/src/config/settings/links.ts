import type { Setting } from "../setting.ts";
import { HOST, HOST_ALLOWED, HOST_PORT, MANY, PEER, port } from "./parts.ts";

export const linkSettings = {
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
  "links.advertise": {
    type: "text",
    pattern: HOST_PORT,
    allowed: "HOST:PORT, as in 10.0.0.5:2556",
    example: "10.0.0.5:2556",
    meaning:
      "Where other nodes of the cluster reach this one's links. Left out: links.host when that is one address, else the address that this machine reaches the apiservers from; and the port that links are taken at.",
  },
  "links.peers": {
    type: "list",
    pattern: PEER,
    allowed: "NODE=HOST:PORT, as in gs-1=10.0.0.5:2556",
    maxItems: 256,
    default: [],
    alias: "peer",
    example: ["gs-1=10.0.0.5:2556", "gs-2=10.0.0.6:2556"],
    meaning:
      "Gameservers that a proxy connects to: their node ids and where they take links. For clusters without apiservers; with cluster.apiservers they are found.",
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
} as const satisfies { readonly [path: string]: Setting };
