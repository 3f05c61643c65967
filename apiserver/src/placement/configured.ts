import type { Config } from "@atlasnet/core";
import { DEFAULT_PLACEMENT, type PlacementSettings } from "./settings.ts";

/** Placement as the configuration wants it. */
export function configuredPlacement({ placement }: Pick<Config, "placement">): PlacementSettings {
  const { liveMoves, maxMoves, maxMovesPerNode, migrationSeconds } = placement;
  return {
    ...DEFAULT_PLACEMENT,
    ...{ liveMoves, maxMoves, maxMovesPerNode },
    migrationMs: migrationSeconds * 1000,
    balance: {
      ...DEFAULT_PLACEMENT.balance,
      enabled: placement.rebalance,
      strainedAt: placement.overloadedPercent / 100,
      strainedMs: placement.overloadedSeconds * 1000,
      restMs: placement.restSeconds * 1000,
    },
  };
}
