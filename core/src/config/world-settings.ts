import type { Plain } from "@atlasnet/world";
import type { Setting } from "./setting.ts";

/** What `[worlds.NAME]` may hold beside `config`, which is the world's own. */
export const worldSettings = {
  module: {
    type: "path",
    meaning: "File, folder or npm package that exports `world`.",
  },
  durability: {
    type: "word",
    values: ["mirror", "journal", "snapshot", "none"],
    default: "journal",
    meaning:
      "What a crash may cost: nothing that anybody was told, as a second gameserver follows (in a cluster only; its disk as journal); journal.syncMs; snapshot.intervalMs; or everything. Without journal.enabled, journal means snapshot.",
  },
  graceSeconds: {
    type: "integer",
    min: 0,
    max: 86_400,
    unit: "s",
    default: { says: "gameserver.graceSeconds", of: () => 0 },
    meaning: "gameserver.graceSeconds of this world.",
  },
  sleepAfterSeconds: {
    type: "integer",
    min: 0,
    max: 86_400,
    unit: "s",
    default: 0,
    meaning:
      "Without players for so long, the world is saved and its memory freed until somebody comes. 0: never. Not with durability none or mirror.",
  },
} as const satisfies { readonly [name: string]: Setting };

/** What `[services.NAME]` may hold. A world reaches a service with `ctx.request(NAME, …)`. */
export const serviceSettings = {
  module: { type: "path", meaning: "File, folder or npm package that exports `service`." },
} as const satisfies { readonly [name: string]: Setting };

export interface ModuleConfig {
  readonly name: string;
  /** As it was written: a path, or the name of a package. */
  readonly module: string;
  /** Absolute folder that a relative `module` starts from. */
  readonly from: string;
}

export interface WorldConfig extends ModuleConfig {
  /** Handed to the world as `ctx.config`. */
  readonly config: { readonly [key: string]: Plain };
  readonly durability: "mirror" | "journal" | "snapshot" | "none";
  readonly graceSeconds: number;
  /** Absent or 0: never. */
  readonly sleepAfterSeconds?: number;
}

export type ServiceConfig = ModuleConfig;

/** Names of worlds and services: they stand in URLs, file names and text lines. */
export const WORLD_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
export const WORLD_NAME_ALLOWED = "letters, digits, - and _, at most 64, a letter first";

/**
 * A world's free data as it came from TOML, or the path of what cannot be handed to a world:
 * dates, and numbers that are not finite.
 */
export function plainConfig(
  value: unknown,
  path: string,
): { ok: true; value: Plain } | { ok: false; path: string; value: unknown } {
  if (typeof value === "string" || typeof value === "boolean") return { ok: true, value };
  if (typeof value === "number" && Number.isFinite(value)) return { ok: true, value };
  if (Array.isArray(value)) {
    const items: Plain[] = [];
    for (const [index, item] of value.entries()) {
      const plain = plainConfig(item, `${path}[${index}]`);
      if (!plain.ok) return plain;
      items.push(plain.value);
    }
    return { ok: true, value: Object.freeze(items) };
  }
  if (isTable(value)) {
    const entries: [string, Plain][] = [];
    for (const [key, item] of Object.entries(value)) {
      const plain = plainConfig(item, `${path}.${key}`);
      if (!plain.ok) return plain;
      entries.push([key, plain.value]);
    }
    return { ok: true, value: Object.freeze(Object.fromEntries(entries)) };
  }
  return { ok: false, path, value };
}

/** A TOML table, as opposed to a date or a list. */
export function isTable(value: unknown): value is { readonly [key: string]: unknown } {
  return (
    typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)
  );
}
