import assert from "node:assert/strict";
import { test } from "node:test";
import { callCode } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { MAX_STAYING, type RebalancePlan } from "../placement/rebalance-plan.ts";
import type { CallHandler } from "../raft/shell/peer-calls.ts";
import { GroupRebalance } from "./group-rebalance.ts";

const LOADS = { before: 0.9, after: 0.5 };

/** As large as plans become. */
function largePlan(moves: number): RebalancePlan {
  return {
    ...{ enabled: true, liveMoves: true, more: 7 },
    moves: Array.from({ length: moves }, (_, i) => ({
      ...{ shard: `w${i}/0`, world: `w${i}`, from: "gs-1", to: "gs-2", live: true },
      ...{ fromLoad: LOADS, toLoad: LOADS, reason: "it has stayed overloaded" },
    })),
    stay: Array.from({ length: MAX_STAYING }, (_, i) => ({ node: `n${i}`, load: 0.5, why: "so" })),
  };
}

function group(plan: RebalancePlan | undefined) {
  const clock = new SimClock();
  const handlers: CallHandler[] = [];
  const at = (own: () => RebalancePlan | undefined) =>
    new GroupRebalance(
      { timeoutMs: 1000 },
      {
        ...{ clock, own, leader: () => ({ node: "api-1", term: 1 }) },
        calls: {
          handle: (_, handler) => handlers.push(handler),
          askLeader: async () =>
            handlers[0]?.("api-2", new Uint8Array(0)) ?? callCode("unknown-method"),
        },
      },
    );
  return { leader: at(() => plan), follower: at(() => undefined) };
}

test("whoever does not lead shows the leader's plan, as large as it may be", async () => {
  const plan = largePlan(1000);
  const { leader, follower } = group(plan);
  assert.equal(await leader.plan(), plan);
  assert.deepEqual(await follower.plan(), plan);
});

test("without a leader that says it, there is no plan", async () => {
  assert.equal(await group(undefined).follower.plan(), undefined);
});
