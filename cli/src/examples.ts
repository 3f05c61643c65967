import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config, WorldConfig } from "@atlasnet/core";

/** What runs when nobody names a world. */
const EXAMPLES = ["arena", "sandbox"];
/** Where the packages of the examples are found: they are this program's own dependencies. */
const HERE = fileURLToPath(new URL(".", import.meta.url));
const PACKAGES = new Set(EXAMPLES.map(packageOf));

/** The configuration with the example worlds. */
export function withExamples(config: Config): Config {
  const worlds = EXAMPLES.map(
    (name): WorldConfig => ({
      name,
      module: packageOf(name),
      from: HERE,
      config: {},
      durability: config.journal.enabled ? "journal" : "snapshot",
      graceSeconds: config.gameserver.graceSeconds,
    }),
  );
  return Object.freeze({ ...config, worlds: Object.freeze(worlds) });
}

/** The configuration in which worlds made of an example find it, wherever this program is installed. */
export function findExamples(config: Config): Config {
  const worlds = config.worlds.map((world) =>
    PACKAGES.has(world.module) && !isInstalled(world) ? { ...world, from: HERE } : world,
  );
  return Object.freeze({ ...config, worlds: Object.freeze(worlds) });
}

function packageOf(example: string): string {
  return `@atlasnet/example-${example}`;
}

function isInstalled({ module, from }: WorldConfig): boolean {
  try {
    createRequire(join(from, "package.json")).resolve(module);
    return true;
  } catch {
    // Not there, which is what was asked.
    return false;
  }
}
