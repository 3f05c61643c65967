import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { MAX_STAYING, rebalancePlan } from "./rebalance-plan.ts";
import { DEFAULT_PLACEMENT } from "./settings.ts";
import { NO_FAULTS, SIM_STEP_MS, SimCluster } from "./sim-cluster.ts";

const IDLE = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

test("a plan says in figures what would move, and in sentences why the rest stays", () => {
  const settings = { ...DEFAULT_PLACEMENT, liveMoves: true };
  const cluster = new SimCluster(new SeededRandom(1), NO_FAULTS, settings);
  cluster.addNode("a");
  for (let i = 0; i < 10; i++) cluster.setWorld(`w${i}`);
  cluster.advance(1000);
  for (let i = 0; i < MAX_STAYING + 5; i++) cluster.addNode(`b${i}`);
  cluster.advance(SIM_STEP_MS);
  const { view, now } = cluster;
  view.reports.load("a", { ...IDLE, busy: 0.9 }, now + 1);
  const early = rebalancePlan({ view, settings, now: now + 10_000 });
  assert.deepEqual(early.moves, []);
  assert.equal(early.stay[0]?.node, "a");
  assert.match(early.stay[0]?.why ?? "", /overloaded for 10 s since .* after 30 s/);
  assert.deepEqual([early.stay.length, early.more], [MAX_STAYING, 6]);
  const { moves, liveMoves, enabled } = rebalancePlan({ view, settings, now: now + 40_000 });
  assert.deepEqual([liveMoves, enabled, moves.length], [true, true, 1]);
  const [move] = moves;
  assert.deepEqual([move?.from, move?.to, move?.live], ["a", "b0", true]);
  assert.match(move?.reason ?? "", /^a has stayed at 80 % or more for 40 s$/);
});
