import assert from "node:assert/strict";
import { test } from "node:test";
import { share } from "@atlasnet/core/testing";
import { PLANTED_FAULTS } from "./sim/planted.ts";
import { simulateWal } from "./sim/wal-simulation.ts";

const FAULTS = { writeError: 0.01, syncError: 0.02, otherError: 0.02 };

test("crashes of power and process lose nothing acknowledged, and invent nothing", async () => {
  const seen = await simulateWal(share(60), {});
  assert.ok(seen.saved > share(3000) && seen.checkpoints > share(100), JSON.stringify(seen));
});

test("the same on a disk that fails", async () => {
  const seen = await simulateWal(share(60), { faults: FAULTS });
  assert.ok(seen.saved > share(3000) && seen.failed > share(300), JSON.stringify(seen));
});

test("the same on a full disk", async () => {
  const seen = await simulateWal(share(40), { faults: { capacityBytes: 60_000 } });
  assert.ok(seen.saved > share(2000) && seen.failed > share(100), JSON.stringify(seen));
});

test("damaged bytes anywhere: the exact log, or a refusal by name, never another log", async () => {
  const seen = await simulateWal(share(80), { damage: true });
  assert.ok(seen.refused > share(150) && seen.saved > share(3000), JSON.stringify(seen));
});

test("the same on a disk that fails, too", async () => {
  const seen = await simulateWal(share(60), { damage: true, faults: FAULTS });
  assert.ok(seen.refused > share(100), JSON.stringify(seen));
});

for (const [name, { plant, plan }] of Object.entries(PLANTED_FAULTS)) {
  test(`the checker sees it when ${name}`, async () => {
    await assert.rejects(simulateWal(200, { ...plan, plant }), /^Error: seed \d+: /);
  });
}
