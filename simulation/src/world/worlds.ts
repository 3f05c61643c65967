import { fileURLToPath } from "node:url";
import type { WorldRecord } from "@atlasnet/core";
import { worldRecord } from "@atlasnet/core/testing";
import type { ClusterFaults } from "../faults.ts";
import { names } from "../names.ts";
import type { Plan } from "../plan.ts";

// Both are loaded by now: gameservers would wait for real files otherwise, and nothing here waits for them.
const FAST_WORLD = fileURLToPath(new URL("./fast-checker.js", import.meta.url));
const SLOW_WORLD = fileURLToPath(new URL("./slow-checker.js", import.meta.url));
/** A world says something by itself after so many ticks. */
const BEAT_TICKS = 40;

/** The worlds of a run, by name. */
export function worldsOf(
  { worlds, durabilities, slowWorlds, sleepAfterSeconds }: Plan,
  faults: ClusterFaults,
): readonly (readonly [string, WorldRecord])[] {
  return names("w", worlds).map((world, at) => [
    world,
    worldRecord({
      module: { source: "node", path: slowWorlds ? SLOW_WORLD : FAST_WORLD },
      config: {
        beatTicks: BEAT_TICKS,
        ...(faults.has("state-beside-the-store") && { forgetful: true }),
      },
      ...(sleepAfterSeconds > 0 && { sleepAfterSeconds }),
      durability: durabilities[at % durabilities.length] ?? "journal",
    }),
  ]);
}
