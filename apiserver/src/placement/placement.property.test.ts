import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { share } from "@atlasnet/core/testing";
import fc from "fast-check";
import { DEFAULT_PLACEMENT } from "./settings.ts";
import { NO_FAULTS, SimCluster, type SimFaults } from "./sim-cluster.ts";

const IDLE = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };
const WORLDS = 30;
const WAYS = ["well", "gives-up", "never-ends"] as const;
const ZONES = ["eu", "us"] as const;

/** Nothing is passed over any more once a cluster was quiet for as long as `settle` waits. */
const SETTINGS = {
  ...DEFAULT_PLACEMENT,
  avoidMs: 45_000,
  migrationMs: 20_000,
};

/** A cluster in which everything happens to everybody, and then nothing any more. */
function turbulent(seed: number, faults: SimFaults, liveMoves = false): SimCluster {
  const random = new SeededRandom(seed);
  const cluster = new SimCluster(random, faults, { ...SETTINGS, liveMoves });
  const nodeRecord = (index: number) => ({
    labels: { zone: ZONES[index % 2] ?? "" },
    capacity: { weight: 12 + index, sessions: 0, memoryBytes: 0 },
    modules: index % 3 === 0 ? ["./arena.js"] : ["*"],
  });
  const count = random.int(3, 8);
  for (let i = 0; i < count; i++) cluster.addNode(`n${i}`, nodeRecord(i));
  const world = () => {
    const zone = ZONES[random.int(0, 3)];
    return {
      constraints: { nodeLabels: zone === undefined ? {} : { zone }, nodes: [] },
      weight: random.int(1, 3),
      policy: random.float() < 0.3 ? ("pack" as const) : ("spread" as const),
      enabled: random.float() < 0.9,
      failover: random.float() < 0.1 ? ("manual" as const) : ("automatic" as const),
      durability: random.float() < 0.3 ? ("mirror" as const) : ("none" as const),
      module: { source: "node" as const, path: random.float() < 0.5 ? "./arena.js" : "./race.js" },
    };
  };
  for (let i = 0; i < WORLDS; i++) cluster.setWorld(`w${i}`, world());
  for (let i = 0; i < 25; i++) {
    const index = random.int(0, count - 1);
    const node = `n${index}`;
    const name = `w${random.int(0, WORLDS + 3)}`;
    const sim = cluster.nodes.get(node);
    const events = [
      () => cluster.kill(node),
      () => cluster.addNode(node, nodeRecord(index)),
      () => cluster.addNode(node, nodeRecord(index)),
      () => cluster.cordon(node, random.float() < 0.5),
      () => cluster.drain(node),
      () => cluster.undrain(node),
      () => cluster.setWorld(name, world()),
      () => cluster.removeWorld(name),
      () => cluster.changeLeader(),
      () => {
        if (sim !== undefined) sim.isCut = !sim.isCut;
      },
      () => {
        if (sim !== undefined) sim.isBroken = !sim.isBroken;
      },
    ];
    if (liveMoves)
      events.push(
        () => cluster.drain(node),
        () => {
          if (sim !== undefined) sim.migrates = WAYS[random.int(0, WAYS.length - 1)] ?? "well";
        },
      );
    events[random.int(0, events.length - 1)]?.();
    cluster.advance(random.int(1, 40) * 100);
    checkCounts(cluster);
  }
  for (const sim of cluster.nodes.values()) {
    sim.isCut = false;
    sim.isBroken = false;
    sim.migrates = "well";
  }
  cluster.faults = NO_FAULTS;
  return cluster;
}

/** What must hold once nothing is asked for any more. */
function checkSettled(cluster: SimCluster): void {
  const { view } = cluster;
  for (const [name, world] of view.worlds) {
    const shard = view.shards.get(`${name}/0`);
    assert.ok(shard !== undefined, name);
    const owner = cluster.ownerOf(name);
    if (!world.enabled) {
      assert.equal(owner, undefined, `${name} is disabled`);
      continue;
    }
    if (owner !== undefined) {
      assert.equal(cluster.wantedOf(name), owner, name);
      checkMirrored(cluster, name, owner);
      continue;
    }
    // It is nowhere: then there is nowhere for it to be, or it waits for a node of its own.
    if (world.failover === "manual") continue;
    for (const node of view.nodes.values()) {
      const could = view.canTake(node, shard) && view.hasRoom(node, world.weight);
      assert.ok(!could, `${name} could be at ${node.id}`);
    }
  }
  for (const shard of view.shards.values()) assert.ok(shard.world, `${shard.name} is forgotten`);
  checkCounts(cluster);
  assert.equal(view.occupancy.moving, 0);
  assert.equal(view.pending.size, 0);
  assert.equal(view.migrating.size, 0);
}

/** Who should have a mirror has one in sync, if any node could be it; nobody else has one. */
function checkMirrored(cluster: SimCluster, name: string, owner: string): void {
  const { view } = cluster;
  const shard = view.shards.get(`${name}/0`);
  assert.ok(shard?.world !== undefined);
  const { durability, weight } = shard.world;
  const mirror = cluster.mirrorOf(name);
  if (durability !== "mirror") return assert.equal(mirror, undefined, name);
  if (shard.isMirrored(view.generation)) return assert.ok(!mirror?.startsWith(`${owner} `), name);
  for (const node of view.nodes.values()) {
    if (node.id === owner || node.record?.cordoned === true) continue;
    const could = view.canTake(node, shard) && view.hasRoom(node, weight);
    assert.ok(!could, `${name} of ${owner} could be mirrored at ${node.id}; it is ${mirror}`);
  }
}

/** Weights and moves that are kept up to date are those that a fresh count gives. */
function checkCounts({ view }: SimCluster): void {
  const weights = new Map<string, number>();
  const moves = new Map<string, number>();
  for (const shard of view.shards.values()) {
    // A shard of a removed world weighs what it did, until its owner has released it.
    const weight = shard.world?.weight ?? shard.seatWeight;
    const places = new Set([shard.target]);
    if (shard.isOwned(view.generation)) places.add(shard.owner);
    places.delete(undefined);
    if (places.size > 1)
      for (const node of places) moves.set(node?.id ?? "", (moves.get(node?.id ?? "") ?? 0) + 1);
    const mirror = shard.pending?.mirror ?? shard.mirrorOfNow?.node;
    places.add(mirror);
    places.delete(undefined);
    for (const node of places) {
      if (node === undefined) continue;
      weights.set(node.id, (weights.get(node.id) ?? 0) + weight);
    }
  }
  for (const node of view.nodes.values()) {
    assert.equal(node.weight, weights.get(node.id) ?? 0, node.id);
    assert.equal(node.moves, moves.get(node.id) ?? 0, node.id);
  }
}

/** Nodes are asked only for what they may have and have room for, as of when they were asked. */
function watchAsked(cluster: SimCluster): () => void {
  let at = cluster.intents.length;
  return () => {
    const { view } = cluster;
    for (const { intent } of cluster.intents.slice(at)) {
      if (intent.type !== "want" || intent.node === undefined) continue;
      const node = view.nodes.get(intent.node);
      const shard = view.shards.get(intent.shard);
      assert.ok(node !== undefined && shard?.world !== undefined);
      assert.equal(shard.world.kind.misfit(node, view.modules), undefined, intent.shard);
      assert.equal(node.record?.state, "ready");
      assert.ok(node.weight <= (node.record?.capacity.weight ?? 0), `${node.id} has too much`);
    }
    at = cluster.intents.length;
  };
}

const seeds = fc.integer({ min: 0, max: 1_000_000 });

describe("whatever happens", () => {
  const late = { delayMs: 700, lost: 0.1, unanswered: 0.1 };
  for (const [title, faults, liveMoves] of [
    ["when all goes well", NO_FAULTS, false],
    ["with late, lost and unanswered transactions", late, false],
    ["when shards are moved while they run", late, true],
  ] as const)
    test(`there is one actor for each shard, and rest in the end, ${title}`, () => {
      fc.assert(
        fc.property(seeds, (seed) => {
          const cluster = turbulent(seed, faults, liveMoves);
          cluster.settle();
          checkSettled(cluster);
        }),
        { numRuns: 3 },
      );
    });
});

test("nodes are asked for what they may have and have room for", () => {
  fc.assert(
    fc.property(seeds, (seed) => {
      const random = new SeededRandom(seed);
      const cluster = new SimCluster(random);
      for (let i = 0; i < 5; i++)
        cluster.addNode(`n${i}`, {
          labels: { zone: ZONES[i % 2] ?? "" },
          capacity: { weight: random.int(0, 12), sessions: 0, memoryBytes: 0 },
          modules: i === 0 ? [] : ["*"],
        });
      for (let i = 0; i < 25; i++) {
        const zone = ZONES[random.int(0, 2)];
        const nodeLabels = zone === undefined ? {} : { zone };
        const constraints = { nodeLabels, nodes: random.float() < 0.1 ? ["n1"] : [] };
        cluster.setWorld(`w${i}`, { constraints, weight: random.int(1, 4) });
      }
      const check = watchAsked(cluster);
      cluster.advance(2000, check);
      cluster.kill(`n${random.int(1, 4)}`);
      cluster.advance(20_000, check);
      checkSettled(cluster);
    }),
    { numRuns: share(15) },
  );
});

test("equal worlds are spread as evenly as the nodes allow", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 5, max: 60 }), { minLength: 1, maxLength: 8 }),
      fc.nat(80),
      (capacities, wish) => {
        const cluster = new SimCluster(new SeededRandom(1));
        const room = capacities.reduce((sum, each) => sum + each, 0);
        const worlds = Math.min(wish, room);
        for (const [i, weight] of capacities.entries())
          cluster.addNode(`n${i}`, { capacity: { weight, sessions: 0, memoryBytes: 0 } });
        for (let i = 0; i < worlds; i++) cluster.setWorld(`w${i}`);
        cluster.advance(3000);
        const loads = [...cluster.view.nodes.values()].map(
          ({ weight, record }) => weight / (record?.capacity.weight ?? 1),
        );
        // One world more or less at the smallest node.
        const bound = 1 / Math.min(...capacities);
        assert.ok(Math.max(...loads) - Math.min(...loads) <= bound + 1e-9, loads.join(" "));
      },
    ),
    { numRuns: share(15) },
  );
});

test("no move is undone while the loads of its nodes stay the same, and moving ends", () => {
  const settings = {
    ...DEFAULT_PLACEMENT,
    liveMoves: false,
    balance: {
      ...DEFAULT_PLACEMENT.balance,
      moves: "all" as const,
      restMs: 0,
      everyMs: 500,
      threshold: 0.02,
      strainedAt: 0,
    },
  };
  let moves = 0;
  fc.assert(
    fc.property(seeds, (seed) => {
      const random = new SeededRandom(seed);
      const cluster = new SimCluster(random, NO_FAULTS, settings);
      const capacity = () => ({ weight: random.int(10, 40), sessions: 1000, memoryBytes: 0 });
      cluster.addNode("n0", { capacity: capacity() });
      cluster.addNode("n1", { capacity: capacity() });
      for (let i = 0; i < 20; i++) cluster.setWorld(`w${i}`, { weight: random.int(1, 3) });
      cluster.advance(2000);
      for (let i = 2; i < 6; i++) cluster.addNode(`n${i}`, { capacity: capacity() });
      for (const id of cluster.nodes.keys())
        cluster.view.reports.load(id, { ...IDLE, sessions: random.int(0, 300) }, cluster.now);
      cluster.advance(SETTLING_MS, () => {
        for (const id of cluster.nodes.keys()) {
          const load = cluster.view.nodes.get(id)?.load;
          if (load !== undefined) cluster.view.reports.load(id, load, cluster.now + 1);
        }
      });
      // A shard may come back once other moves have changed what its two nodes carry; never before.
      const last = new Map<string, { from: string | undefined; to: string | undefined }>();
      for (const { intent, from } of cluster.intents) {
        if (intent.type !== "want" || intent.reason !== "balanced") continue;
        const { shard, node: to } = intent;
        moves += 1;
        const { from: back, to: away } = last.get(shard) ?? {};
        assert.ok(away === undefined || away !== from || back !== to, `${shard} goes to and fro`);
        for (const [other, { from: a, to: b }] of last)
          if ([a, b].some((node) => node === from || node === to)) last.delete(other);
        last.set(shard, { from, to });
      }
      const before = cluster.intents.length;
      cluster.advance(10_000);
      assert.equal(cluster.intents.length, before, "it moves on and on");
    }),
    { numRuns: share(25) },
  );
  assert.ok(moves > share(25), `only ${moves} moves`);
});

/** Moves are one at a time for each node. */
const SETTLING_MS = 60_000;
