import type { WorldRecord } from "@atlasnet/core";
import { worldRecord } from "@atlasnet/core/testing";
import type { ClusterFaults } from "../faults.ts";
import { names } from "../names.ts";
import type { Plan } from "../plan.ts";
import { editionFile } from "./editions.ts";

/** A world says something by itself after so many ticks. */
const BEAT_TICKS = 40;

/** The worlds of a run, by name. */
export function worldsOf(
  plan: Plan,
  faults: ClusterFaults,
): readonly (readonly [string, WorldRecord])[] {
  const { worlds, durabilities, sleepAfterSeconds, manualFailover } = plan;
  return names("w", worlds).map((world, at) => {
    const durability = durabilities[at % durabilities.length] ?? "journal";
    const record = worldRecord({
      module: { source: "node", path: editionFile("first", plan) },
      config: {
        world,
        beatTicks: BEAT_TICKS,
        ...(faults.has("state-beside-the-store") && { forgetful: true }),
      },
      ...(sleepAfterSeconds > 0 && { sleepAfterSeconds }),
      durability,
      failover: manualFailover && durability === "mirror" ? "manual" : "automatic",
    });
    return [world, record];
  });
}
