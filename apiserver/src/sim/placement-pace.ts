import { DEFAULT_PLACEMENT, type PlacementSettings } from "../placement/settings.ts";

export const CLAIM_MS = 4000;

/** Placement in a hurry, so that a run of some seconds sees all of it. */
export const SIM_PLACEMENT: PlacementSettings = {
  ...DEFAULT_PLACEMENT,
  pendingMs: 2500,
  claimMs: CLAIM_MS,
  avoidMs: 6000,
  blockedMs: 200,
  migrationMs: 2500,
  migrationMarginMs: 500,
  migrateAgainMs: 300,
  balance: { ...DEFAULT_PLACEMENT.balance, everyMs: 1500, restMs: 6000 },
};
