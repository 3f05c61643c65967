import type { Setting } from "../setting.ts";
import { HOST, HOST_ALLOWED } from "./parts.ts";

const TAG = /^[A-Za-z0-9][A-Za-z0-9._=:-]{0,127}$/;

export const discoverySettings = {
  "discovery.type": {
    type: "word",
    values: ["static", "consul"],
    default: "static",
    alias: "discovery",
    meaning:
      "How processes of a cluster find each other: static, as the settings name them (apiserver.peers, cluster.apiservers, links.peers), or through a Consul agent, where every process registers itself.",
  },
  "discovery.consul.address": {
    type: "text",
    pattern: /^https?:\/\/[^\s/?#@]+$/,
    allowed: "an http or https address without a path, as in http://127.0.0.1:8500",
    default: "http://127.0.0.1:8500",
    meaning:
      "HTTP API of the Consul agent, which runs on the same machine or in the same pod as a rule.",
  },
  "discovery.consul.token": {
    type: "path",
    example: "./consul.token",
    meaning:
      "File with the ACL token for the Consul agent, read at the start. It needs service:write and service:read for discovery.consul.service, and for the store key:write and session:write.",
  },
  "discovery.consul.ca": {
    type: "path",
    example: "./consul-ca.pem",
    meaning:
      "PEM file with the certificates that the certificate of an https agent is checked with. Default: those of the system.",
  },
  "discovery.consul.service": {
    type: "text",
    pattern: /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
    allowed: "small letters, digits and -, at most 63, no - at either end",
    default: "atlasnet",
    meaning:
      "Name of the service that all processes of this cluster register as. Two clusters in one Consul datacenter need two names.",
  },
  "discovery.consul.tags": {
    type: "list",
    pattern: TAG,
    allowed: "letters, digits, . _ = : and -, at most 128, a letter or digit first",
    maxItems: 32,
    commas: true,
    default: [],
    example: ["region=eu", "rack-7"],
    meaning: "More tags for this process in Consul, besides role, node and what it serves.",
  },
  "discovery.consul.advertise": {
    type: "text",
    pattern: HOST,
    allowed: HOST_ALLOWED,
    example: "10.0.0.5",
    meaning:
      "Address under which other processes reach this one. Default: the address it listens on, or that of the Consul agent's node where it listens on all.",
  },
  "discovery.consul.apiservers": {
    type: "integer",
    min: 1,
    max: 16,
    unit: "apiservers",
    default: 3,
    meaning:
      "Without apiserver.peers, the group of apiservers begins once so many are announced in Consul, with exactly those. The same on all of them; later ones wait to be added.",
  },
  "discovery.consul.ttlMs": {
    type: "integer",
    min: 3000,
    max: 600_000,
    unit: "ms",
    default: 10_000,
    meaning:
      "A process that says nothing for so long counts as failing in Consul; it says so at a third of it.",
  },
} as const satisfies { readonly [path: string]: Setting };
