import type { Setting } from "../setting.ts";
import { HOST, HOST_ALLOWED, PEER, port } from "./parts.ts";

export const apiserverSettings = {
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
  "apiserver.store": {
    type: "word",
    values: ["raft", "consul"],
    default: "raft",
    meaning:
      "Where the control state is kept: in a Raft log of the apiservers' own, or in Consul's key-value store, by the agent at discovery.consul.address. The same on all of them; with consul, docs/consul.md says what is slower.",
  },
  "apiserver.consulPrefix": {
    type: "text",
    pattern: /^[A-Za-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/,
    allowed: "names of letters, digits, . _ and -, with / in between, as in atlasnet/games",
    example: "atlasnet/games",
    meaning:
      "With apiserver.store = consul: what the keys in Consul begin with, nothing else may write there. Default: atlasnet/ and the name of the cluster.",
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
  "apiserver.http": {
    type: "bool",
    default: true,
    meaning:
      "Serve the HTTP API, by which `atlasnet status`, `world`, `kv` and the like work. A monolith can do without it; the apiservers of a cluster cannot.",
  },
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
} as const satisfies { readonly [path: string]: Setting };
