import assert from "node:assert/strict";
import { test } from "node:test";
import { buildConfig } from "@atlasnet/core";
import { configuredPlacement } from "./configured.ts";
import { DEFAULT_PLACEMENT } from "./settings.ts";

const HOST = {
  hostname: "here",
  cores: 2,
  workingDir: "/srv",
  resolvePath: (from: string, path: string) => `${from}/${path}`,
};

function configured(env: { readonly [name: string]: string }) {
  const { config } = buildConfig({ env, flags: [] }, HOST);
  return configuredPlacement(config);
}

test("placement behaves as it does by itself, where nothing is configured", () => {
  assert.deepEqual(configured({}), DEFAULT_PLACEMENT);
});

test("what is configured counts, in the units of the clock", () => {
  const { liveMoves, migrationMs, balance } = configured({
    ATLASNET_PLACEMENT_LIVE_MOVES: "false",
    ATLASNET_PLACEMENT_MIGRATION_SECONDS: "7",
    ATLASNET_PLACEMENT_OVERLOADED_PERCENT: "60",
    ATLASNET_PLACEMENT_REBALANCE: "false",
  });
  assert.deepEqual([liveMoves, migrationMs], [false, 7000]);
  assert.deepEqual([balance.enabled, balance.strainedAt], [false, 0.6]);
});
