import { fileURLToPath } from "node:url";
import type { Config, WorldConfig } from "@atlasnet/core";

/** What runs when nobody names a world. */
const EXAMPLES = ["arena", "sandbox"];

/** The configuration with the example worlds. */
export function withExamples(config: Config): Config {
  const worlds = EXAMPLES.map(
    (name): WorldConfig => ({
      name,
      module: `@atlasnet/example-${name}`,
      // The packages are this program's own dependencies.
      from: fileURLToPath(new URL(".", import.meta.url)),
      config: {},
      durability: config.journal.enabled ? "journal" : "snapshot",
      graceSeconds: config.gameserver.graceSeconds,
    }),
  );
  return Object.freeze({ ...config, worlds: Object.freeze(worlds) });
}
