import assert from "node:assert/strict";
import { test } from "node:test";
import { settle } from "@atlasnet/core/node";
import { SimViolation } from "../raft/sim/violation.ts";
import { CONTROL_FAULTS, type ControlFault } from "./faults.ts";
import type { Plan } from "./plan.ts";
import { runSeeds } from "./run-seeds.ts";

/** Rules that may notice a fault first, and the seeds within which that happens: some times what it takes. */
interface Caught {
  readonly rules: readonly string[];
  readonly seeds: number;
  /** The first of them: one that shows it, as things are. */
  readonly first?: number;
  /** A run in which it matters. */
  readonly plan?: Partial<Plan>;
}

const ACTORS = ["one actor per shard", "epochs grow"];
const LEASES = ["leases run out first", ...ACTORS];
const PROGRESS = ["progress after healing"];
const WATCHES = ["watches"];
const STATE = ["one state on all replicas", "state machine safety"];
const KEYS = ["linearizable keys"];
const TOLD = ["acknowledged writes"];

/** Apiservers that stand, and gameservers that have something to lose. */
const STEADY: Partial<Plan> = {
  pause: 0,
  crash: 0,
  failingDisk: 0,
  members: 0,
  transfer: 0,
  loss: 0,
  leaseMs: 800,
  gameservers: 4,
  gameserverCrash: 0,
  gameserverPause: 0,
  worlds: 6,
};

/** Worlds come, go and move all the time, and nothing else is wrong. */
const BUSY_OPERATOR: Partial<Plan> = {
  ...STEADY,
  leaseMs: 2000,
  operator: 0.6,
  cut: 0,
  delayMs: 20,
  clockJump: 0,
};

const CAUGHT: Readonly<Record<ControlFault, Caught>> = {
  "new-id-per-retry": { rules: KEYS, seeds: 6, first: 2 },
  "forgets-requests": { rules: [...STATE, ...TOLD], seeds: 6 },
  "reads-without-asking": { rules: [...WATCHES, ...KEYS], seeds: 6 },
  "answers-before-commit": { rules: TOLD, seeds: 3 },
  "applies-as-it-likes": { rules: STATE, seeds: 3 },
  "drops-compares": { rules: KEYS, seeds: 6 },
  "answers-another-revision": { rules: TOLD, seeds: 3 },
  "sync-does-nothing": {
    rules: ["apiservers start", "leader completeness", ...STATE, ...TOLD],
    seeds: 6,
    plan: { crash: 0.03 },
  },
  "goes-on-after-failed-sync": {
    rules: [
      ...PROGRESS,
      "apiservers start",
      "election safety",
      "leader completeness",
      ...STATE,
      ...TOLD,
    ],
    seeds: 8,
    plan: { failingDisk: 0.06 },
  },
  "checkpoint-loses-a-key": { rules: ["apiservers start", ...STATE], seeds: 6, first: 2 },
  "watch-skips": { rules: WATCHES, seeds: 3 },
  "watch-goes-back": { rules: WATCHES, seeds: 3 },
  "watch-resumes-late": { rules: WATCHES, seeds: 3 },
  "watch-resumes-from-now": { rules: WATCHES, seeds: 3 },
  "watch-hides-compaction": { rules: WATCHES, seeds: 6, plan: { historyChanges: 20 } },
  "watch-always-compacted": { rules: WATCHES, seeds: 3 },
  "watch-goes-silent": { rules: PROGRESS, seeds: 4 },
  "lease-from-answer": {
    rules: LEASES,
    seeds: 8,
    plan: { ...STEADY, delayMs: 60, cut: 0.06, loss: 0.02 },
  },
  "lease-renewed-while-declared": {
    rules: LEASES,
    seeds: 12,
    first: 3,
    plan: { ...STEADY, delayMs: 20, cut: 0.1, gameserverPause: 0.1, syncMs: 150, stall: 0.1 },
  },
  "new-leader-does-not-wait": { rules: LEASES, seeds: 8, first: 3, plan: { crash: 0.03 } },
  "declares-early": { rules: LEASES, seeds: 4 },
  "blind-to-sleep": {
    rules: LEASES,
    seeds: 12,
    plan: { ...STEADY, gameserverPause: 0.12 },
  },
  "acts-without-looking": {
    rules: LEASES,
    seeds: 12,
    plan: { ...STEADY, gameserverPause: 0.12 },
  },
  "too-much-drift": { rules: LEASES, seeds: 10, first: 3, plan: { cut: 0.15 } },
  "deaf-to-loss": { rules: PROGRESS, seeds: 4, plan: { gameserverPause: 0.1 } },
  "claims-blindly": { rules: ACTORS, seeds: 20, first: 3, plan: BUSY_OPERATOR },
  "acts-before-claimed": { rules: ACTORS, seeds: 3 },
  "acts-while-releasing": { rules: ACTORS, seeds: 6, first: 3, plan: { operator: 0.1 } },
  "acts-after-loss": {
    rules: ACTORS,
    seeds: 12,
    plan: { ...STEADY, gameserverPause: 0.12 },
  },
  "epoch-of-view": { rules: ACTORS, seeds: 3 },
  "never-releases": { rules: PROGRESS, seeds: 8, first: 4, plan: BUSY_OPERATOR },
  "claims-never": { rules: PROGRESS, seeds: 3 },
  "moves-for-nothing": { rules: ["no move without a cause", ...PROGRESS], seeds: 8, first: 6 },
  "wishes-come-late": {
    rules: ["no move without a cause", ...PROGRESS],
    seeds: 8,
    first: 4,
    plan: { ...STEADY, operator: 0.3, gameserverPause: 0.1 },
  },
  "places-once": { rules: PROGRESS, seeds: 4, plan: { worlds: 6, operator: 0.1 } },
  "loses-nobody": {
    rules: PROGRESS,
    seeds: 8,
    first: 2,
    plan: { gameserverCrash: 0.05, gameserverPause: 0.1 },
  },
  "touches-what-moves": {
    rules: ["what moves is left alone", "no move without a cause"],
    seeds: 6,
    plan: { ...BUSY_OPERATOR, liveMoves: true },
  },
  "switches-unsealed": {
    rules: ACTORS,
    seeds: 6,
    plan: { ...BUSY_OPERATOR, liveMoves: true },
  },
  "unseals-by-itself": {
    rules: ACTORS,
    seeds: 8,
    plan: { ...BUSY_OPERATOR, liveMoves: true },
  },
};

for (const fault of CONTROL_FAULTS)
  test(`planted fault ${fault}`, async (t) => {
    const { rules, seeds, first = 1, plan = {} } = CAUGHT[fault];
    const { failures } = await runSeeds({ first, count: seeds, faults: [fault], plan, settle });
    const [failure] = failures;
    assert.ok(failure, `${seeds} seeds saw nothing`);
    const { error, seed } = failure;
    assert.ok(error instanceof SimViolation, error.stack);
    assert.ok(rules.includes(error.rule), `seed ${seed} failed otherwise: ${error.message}`);
    t.diagnostic(`seed ${seed}: ${error.rule}`);
  });
