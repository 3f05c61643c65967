import assert from "node:assert/strict";
import { test } from "node:test";
import { SimViolation } from "@atlasnet/apiserver/sim";
import { CLUSTER_FAULTS, type ClusterFault } from "./faults.ts";
import type { Plan } from "./plan.ts";
import { runSeeds } from "./run-seeds.ts";

/** Rules that may notice a fault first, and the seeds within which that happens: some times what it takes. */
interface Caught {
  readonly rules: readonly string[];
  readonly seeds: number;
  /** A run in which it matters. */
  readonly plan: Partial<Plan>;
}

const ONCE = ["4.1 exactly once, in order"];
const GOES_ON = ["4.1 a mirror goes on without going back"];
const BOUNDS = ["4.2 everything is bounded"];
const ACTORS = ["5.1 one actor per shard"];
const EPOCHS = ["5.3 epochs only grow"];
const STORE = ["3.1 the state is the store"];
const ENCODED = ["3.2 a topic is encoded once in a tick"];
const HASHES = ["3.3 who follows has the same hash"];
const GHOSTS = ["3.4 a mirror is the world at a tick"];
const COMMITTED = ["5.2 what leaves is of a committed tick"];
const OWNERS = ["5.4 ownership by one's own transaction"];
const MIRRORS = ["5.5 what leaves waits for the mirror"];
const SLEEP = ["a world that slept goes on as it was"];
const UPGRADES = ["an upgrade is tried first, and then there is only forward"];
const LEFT = ["a mirror goes on, or gives up"];
const PROGRESS = ["progress after healing"];

const CALM: Partial<Plan> = {
  ...{ gameserverCrash: 0, proxyCrash: 0, clientCrash: 0, apiserverCrash: 0, election: 0 },
  ...{ threadDeath: 0, cut: 0, isolation: 0, pause: 0, storeOutage: 0, operator: 0, aim: 0 },
  ...{ proxyRoll: 0, sleepAfterSeconds: 0, nap: 0, upgrade: 0, oldHost: false },
  ...{ noQuorum: 0, parting: 0, manualFailover: false },
  ...{ gameservers: 3, clients: 4, worlds: 1, slowWorlds: true, sayEveryMs: 800 },
  ...{ troubleMs: 40_000, durabilities: ["journal"] },
};
const CRASHES: Partial<Plan> = { ...CALM, gameserverCrash: 0.05, snapshotIntervalMs: 5_000 };

const MIRRORED: Partial<Plan> = { ...CALM, durabilities: ["mirror"], sayEveryMs: 300 };

const CAUGHT: Readonly<Record<ClusterFault, Caught>> = {
  // The rule is looked at in ticks in which nothing comes from outside.
  "state-beside-the-store": {
    rules: STORE,
    seeds: 2,
    plan: { ...CALM, worlds: 3, sayEveryMs: 3_000 },
  },
  "topic-per-player": { rules: ENCODED, seeds: 2, plan: CALM },
  "change-not-in-the-delta": { rules: HASHES, seeds: 2, plan: CALM },
  "leaves-not-told": { rules: GHOSTS, seeds: 2, plan: CALM },
  "tells-of-the-next-tick": { rules: COMMITTED, seeds: 2, plan: CALM },
  "owner-by-decree": { rules: OWNERS, seeds: 4, plan: { ...CALM, operator: 0.3 } },
  "attach-acknowledges-more": {
    rules: [...ONCE, ...COMMITTED],
    seeds: 4,
    plan: { ...CALM, proxyCrash: 0.1 },
  },
  "attach-skips-a-message": {
    rules: [...ONCE, ...PROGRESS],
    seeds: 4,
    plan: { ...CALM, proxyCrash: 0.1 },
  },
  "old-state-taken-for-exact": { rules: ONCE, seeds: 12, plan: CRASHES },
  "rollback-not-announced": {
    rules: ONCE,
    seeds: 12,
    plan: {
      ...{ ...CALM, threadDeath: 0.1, journalSyncMs: 1_000, sayEveryMs: 200 },
      ...{ isolation: 0.1, leaseMs: 2_000 },
    },
  },
  "proxy-never-slow": {
    rules: BOUNDS,
    seeds: 6,
    plan: { ...CALM, slowWorlds: false, cut: 0.2 },
  },
  "acts-without-lease": {
    rules: [...ACTORS, ...EPOCHS],
    seeds: 12,
    plan: { ...CALM, worlds: 3, isolation: 0.15, leaseMs: 2_000, sayEveryMs: 500 },
  },
  "source-goes-on": {
    rules: [...ACTORS, ...OWNERS],
    seeds: 6,
    plan: { ...CALM, slowWorlds: false, operator: 0.6, delayMs: 30 },
  },
  // Both are cut off for longer than a lease, and play on.
  "gives-up-what-is-unleased": {
    rules: [...ACTORS, ...EPOCHS],
    seeds: 6,
    plan: { ...MIRRORED, manualFailover: true, worlds: 3, parting: 0.15, leaseMs: 2_000 },
  },
  "mirror-a-tick-behind": {
    rules: GOES_ON,
    seeds: 6,
    plan: { ...MIRRORED, gameserverCrash: 0.05, sayEveryMs: 1_000 },
  },
  "lets-out-what-its-mirror-lacks": { rules: MIRRORS, seeds: 2, plan: MIRRORED },
  "ungates-before-it-cleared": { rules: MIRRORS, seeds: 4, plan: { ...MIRRORED, pause: 0.1 } },
  // An owner that its mirror does not hear, and that the mirror reaches.
  "mirror-never-silent": {
    rules: MIRRORS,
    seeds: 6,
    plan: {
      ...{ ...MIRRORED, worlds: 3, gameservers: 2, apiservers: 1, proxies: 1, clients: 3 },
      ...{ cut: 0.25, sayEveryMs: 3_000 },
    },
  },
  "no-gate-at-the-switch": {
    rules: MIRRORS,
    seeds: 3,
    plan: { ...MIRRORED, gameservers: 2, operator: 0.3 },
  },
  "source-keeps-nothing": {
    rules: GOES_ON,
    seeds: 8,
    plan: { ...MIRRORED, gameservers: 2, worlds: 3, operator: 0.4, gameserverCrash: 0.06 },
  },
  "lets-out-its-trial": { rules: UPGRADES, seeds: 3, plan: { ...CALM, upgrade: 0.3 } },
  "goes-on-after-a-failed-trial": { rules: UPGRADES, seeds: 8, plan: { ...CALM, upgrade: 0.3 } },
  "wakes-for-nobody": {
    rules: SLEEP,
    seeds: 3,
    plan: { ...CALM, sleepAfterSeconds: 1, nap: 0.2, worlds: 2 },
  },
  "wakes-as-another": {
    rules: SLEEP,
    seeds: 3,
    plan: { ...CALM, sleepAfterSeconds: 1, nap: 0.2, worlds: 2 },
  },
  // The threads of owner and mirror die, one right after the other.
  "never-withdraws": { rules: LEFT, seeds: 4, plan: { ...MIRRORED, worlds: 3, threadDeath: 0.3 } },
  "acts-at-an-old-epoch": { rules: EPOCHS, seeds: 4, plan: { ...CALM, operator: 0.3 } },
};

for (const fault of CLUSTER_FAULTS)
  test(`planted fault ${fault}`, async (t) => {
    const { rules, seeds, plan } = CAUGHT[fault];
    const { failures } = await runSeeds({ first: 1, count: seeds, faults: [fault], plan });
    const [failure] = failures;
    assert.ok(failure, `${seeds} seeds saw nothing`);
    const { error, seed } = failure;
    assert.ok(error instanceof SimViolation, error.stack);
    assert.ok(rules.includes(error.rule), `seed ${seed} failed otherwise: ${error.message}`);
    t.diagnostic(`seed ${seed}: ${error.rule}`);
  });
