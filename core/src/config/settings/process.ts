import type { Setting } from "../setting.ts";
import { HOST, HOST_ALLOWED, nodeIdOf, port } from "./parts.ts";

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
