import type { Setting } from "../setting.ts";
import { HOST, HOST_ALLOWED, LABEL, nodeIdOf, port } from "./parts.ts";

export const processSettings = {
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
  "node.labels": {
    type: "list",
    pattern: LABEL,
    allowed: "NAME=VALUE, as in zone=eu",
    maxItems: 32,
    commas: true,
    default: [],
    alias: "label",
    example: ["zone=eu", "gpu=yes"],
    meaning: "What worlds of a cluster may ask of the nodes that they are placed on.",
  },
  "node.weight": {
    type: "integer",
    min: 0,
    max: 1_000_000,
    unit: "weight",
    default: 1000,
    meaning:
      "Most that a gameserver of a cluster takes of worlds: the sum of their weights, which are 1 unless they say otherwise.",
  },
  "node.sessions": {
    type: "integer",
    min: 0,
    max: 10_000_000,
    unit: "players",
    default: 0,
    meaning:
      "Players that a gameserver of a cluster carries well. No bound: its share of them counts as load, and worlds leave a node that stays overloaded. 0: players do not count.",
  },
  "node.memoryBytes": {
    type: "integer",
    min: 0,
    max: 1_000_000_000_000_000,
    unit: "bytes",
    default: 0,
    meaning:
      "Memory that a gameserver of a cluster may fill. No bound: its share of that counts as load, as with node.sessions. 0: memory does not count.",
  },
  "node.leaseMs": {
    type: "integer",
    min: 500,
    max: 60_000,
    unit: "ms",
    default: 5000,
    meaning:
      "A node of a cluster that the apiservers have not heard for so long stops acting, and what it ran goes to others. It tells them four times as often.",
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
} as const satisfies { readonly [path: string]: Setting };
