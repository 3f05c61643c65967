import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ControlError,
  type ControlErrorCode,
  encodeRecord,
  type KeyValue,
  nodeKey,
  noopLogger,
  type TxnRequest,
  type TxnResult,
  worldKey,
} from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { nodeRecord, worldRecord } from "@atlasnet/core/testing";
import { PlacementPlanner } from "../placement/planner.ts";
import { DEFAULT_PLACEMENT } from "../placement/settings.ts";
import { ClusterView } from "../placement/view.ts";
import { LeaseTable } from "../store/lease-table.ts";
import { PlacementLoop } from "./placement-loop.ts";

const HOLDER = { node: "gs-1", boot: "b", leaseMs: 1000 };

function item(key: string, value: Uint8Array): KeyValue {
  return { key, value, created: 1, modified: 1, version: 1 };
}

/** One node, some worlds, and a store that answers as it is told. */
function scene(worlds: number) {
  const clock = new SimClock();
  const view = new ClusterView(DEFAULT_PLACEMENT);
  const leases = new LeaseTable();
  const planner = new PlacementPlanner(DEFAULT_PLACEMENT, view, leases);
  const asked: { readonly txn: TxnRequest; readonly at: number }[] = [];
  const answers: ((answer: TxnResult | ControlErrorCode) => void)[] = [];
  let isComplete = true;
  const loop = new PlacementLoop({
    planner,
    clock,
    logger: noopLogger,
    canStep: () => isComplete,
    store: {
      txn: (txn) => {
        asked.push({ txn, at: clock.now() });
        return new Promise((resolve, reject) => {
          answers.push((answer) => {
            if (typeof answer === "string") reject(new ControlError(answer, "as told"));
            else resolve(answer);
          });
        });
      },
    },
  });
  const { boot, leaseMs } = HOLDER;
  const capacity = { weight: 1000, sessions: 0, memoryBytes: 0 };
  const record = encodeRecord("node", {
    ...nodeRecord({ boot, leaseMs, capacity, state: "ready" }),
    cordoned: false,
  });
  view.load([item(nodeKey(HOLDER.node), record)], 0);
  for (let i = 0; i < worlds; i++)
    view.load([item(worldKey(`w${i}`), encodeRecord("world", worldRecord()))], 0);
  leases.lead(0, [HOLDER]);
  loop.lead(1);
  return {
    ...{ clock, view, leases, planner, loop, asked, answers },
    setComplete: (complete: boolean) => {
      isComplete = complete;
    },
  };
}

const renewal = { node: HOLDER.node, boot: HOLDER.boot, number: 1 };

test("what the store refuses for certain gives renewals free again; what it leaves open does not", async () => {
  for (const [code, answered] of [
    ["busy", true],
    ["quota", true],
    ["timeout", false],
    ["no-quorum", false],
  ] as const) {
    const { clock, leases, asked, answers } = scene(0);
    await clock.elapse(1100, settle);
    assert.equal(asked.length, 1, code);
    answers[0]?.(code);
    await settle();
    assert.equal("renewal" in leases.receive(renewal, clock.now()), answered, code);
  }
});

test("a loss is proposed in the turn in which it was declared", async () => {
  const { clock, leases, asked } = scene(0);
  const { declare } = leases;
  let declaredAt: number | undefined;
  let proposedBefore = 0;
  leases.declare = (node, now) => {
    declaredAt = clock.now();
    proposedBefore = asked.length;
    queueMicrotask(() => assert.equal(asked.length, proposedBefore + 1));
    return declare.call(leases, node, now);
  };
  await clock.elapse(1100, settle);
  assert.equal(asked[0]?.at, declaredAt);
});

test("steps have turns of their own, and the answers to what was asked in an earlier reign say nothing", async () => {
  const { clock, loop, view, planner, asked, answers } = scene(300);
  await clock.elapse(1, settle);
  await settle();
  const first = asked.length;
  assert.ok(first > 0);
  assert.equal(view.pending.size, 300);
  assert.ok(loop.figures.steps >= 2, "300 intents take more than one step");
  loop.follow();
  assert.equal(view.pending.size, 0);
  loop.lead(2);
  await clock.elapse(1, settle);
  await settle();
  assert.equal(asked.length, 2 * first);
  let settled = 0;
  planner.settled = () => {
    settled += 1;
  };
  for (const answer of answers.slice(0, first)) answer({ succeeded: false, revision: 1 });
  await settle();
  assert.equal(settled, 0);
  for (const answer of answers.slice(first)) answer({ succeeded: true, revision: 1 });
  await settle();
  assert.equal(settled, first);
  assert.deepEqual(loop.figures.transactions, { done: first, failed: first, unknown: 0 });
});

test("nothing is decided while the view has a gap, nor after the end", async () => {
  const { clock, loop, asked, setComplete } = scene(1);
  setComplete(false);
  await clock.elapse(5000, settle);
  assert.equal(asked.length, 0);
  setComplete(true);
  loop.wake();
  await clock.elapse(1, settle);
  assert.ok(asked.length > 0);
  const before = asked.length;
  loop.follow();
  loop.wake();
  assert.equal(clock.pending, 0);
  await clock.elapse(60_000, settle);
  assert.equal(asked.length, before);
});
