import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Change,
  changeNodeState,
  cordonNode,
  createWorld,
  firstShard,
  forgetShard,
  markLost,
  nodeKey,
  ownerKey,
  registerNode,
  removeWorld,
  type TxnRequest,
  updateWorld,
  worldKey,
} from "@atlasnet/core";
import {
  claimView,
  nodeRecord,
  share,
  TinyStore,
  wantShard,
  worldRecord,
} from "@atlasnet/core/testing";
import fc from "fast-check";
import { Hosting } from "./hosting.ts";
import type { HostingEffect, HostingEvent, TxnAnswer } from "./hosting-types.ts";

/**
 * Nodes with late views and lost answers, modules that do not load, threads that die, leases that run out, an
 * operator who changes his mind: two nodes never act for a shard at once, no epoch is run at twice, and when it
 * is quiet every world runs where it is wanted.
 */
const NODES = ["a", "b", "c"] as const;
const WORLDS = ["arena", "lobby"] as const;
type NodeName = (typeof NODES)[number];
type WorldName = (typeof WORLDS)[number];

interface Work {
  readonly node: NodeName;
  readonly run: () => void;
}

class Process {
  readonly hosting: Hosting;
  readonly inbox: Change[][] = [];
  /** What runs here, at which epoch. */
  readonly running = new Map<string, number>();
  boot: string;

  constructor(node: NodeName, boot: string) {
    this.hosting = new Hosting({ node, maxClaims: 1, maxOpens: 1 });
    this.boot = boot;
  }
}

class Model {
  readonly store = new TinyStore();
  private readonly processes = new Map<NodeName, Process>();
  /** Effects under way, of all nodes; done in any order. */
  private readonly work: Work[] = [];
  private readonly ranAt = new Set<string>();
  private boots = 0;
  now = 0;
  opens = 0;

  constructor() {
    this.store.onChanges = (changes) => {
      for (const { inbox } of this.processes.values()) inbox.push([...changes]);
    };
    for (const node of NODES) this.start(node);
  }

  private start(node: NodeName): void {
    const process = new Process(node, "");
    this.processes.set(node, process);
    for (const prefix of ["nodes/", "worlds/", "shards/"])
      this.tell(node, { type: "view", prefix, items: this.itemsBelow(prefix) });
    this.register(node, this.store.seen("node", nodeKey(node)).record?.boot);
  }

  private itemsBelow(prefix: string) {
    return this.store.keys(prefix).flatMap((key) => this.store.get(key) ?? []);
  }

  private register(node: NodeName, previousBoot: string | undefined): void {
    const process = this.processOf(node);
    const boot = `${node}${++this.boots}`;
    const registered = this.propose(
      registerNode(node, this.store.seen("node", nodeKey(node)), {
        record: nodeRecord({ boot }),
        generation: this.store.generation,
        previousBoot,
      }),
    );
    assert.ok(registered !== undefined);
    process.boot = boot;
    this.store.leases.add(node);
    this.propose(changeNodeState(node, this.store.seen("node", nodeKey(node)), boot, "ready"));
    const { generation } = this.store;
    const registration = { boot, generation, revision: registered };
    this.tell(node, { type: "registered", registration });
  }

  private processOf(node: NodeName): Process {
    return this.processes.get(node) ?? assert.fail(`no process ${node}`);
  }

  private propose(
    made: { readonly ok: true; readonly txn: TxnRequest } | { readonly ok: false },
  ): number | undefined {
    if (!made.ok) return undefined;
    const { succeeded, revision } = this.store.txn(made.txn);
    return succeeded ? revision : undefined;
  }

  private tell(node: NodeName, event: HostingEvent): void {
    const process = this.processOf(node);
    for (const effect of process.hosting.handle(event, this.now)) this.take(node, process, effect);
  }

  private take(node: NodeName, process: Process, effect: HostingEffect): void {
    if (effect.type === "report") return;
    if (effect.type === "renewed") {
      const epoch = effect.ownership?.epoch;
      if (epoch !== undefined) this.runAt(process, effect.shard, epoch);
      return;
    }
    const { boot } = process;
    this.work.push({
      node,
      run: () => {
        const isGone = this.processOf(node) !== process || process.boot !== boot;
        // A transaction that left goes on its way; of what a dead process would have done nothing is left.
        if (effect.type === "txn") return this.txn(node, isGone, effect);
        if (isGone) return;
        const { shard, attempt } = effect;
        if (effect.type === "close") {
          process.running.delete(shard);
          return this.tell(node, { type: "closed", shard, attempt });
        }
        const problem = this.fails ? { problem: "planted" } : {};
        if (effect.type === "open" && !this.fails) {
          this.opens += 1;
          assert.ok(!process.running.has(shard));
          this.runAt(process, shard, effect.ownership.epoch);
        }
        const type = effect.type === "open" ? "opened" : "prepared";
        this.tell(node, { type, shard, attempt, ...problem });
      },
    });
  }

  private runAt(process: Process, shard: string, epoch: number): void {
    assert.ok(!this.ranAt.has(`${shard} ${epoch}`), `${shard} runs at ${epoch} twice`);
    this.ranAt.add(`${shard} ${epoch}`);
    process.running.set(shard, epoch);
  }

  private fails = false;
  private answerGetsLost = false;

  private txn(
    node: NodeName,
    isGone: boolean,
    effect: Extract<HostingEffect, { type: "txn" }>,
  ): void {
    const { shard, attempt, request } = effect;
    const answer = (given: TxnAnswer) => {
      if (!isGone) this.tell(node, { type: "answered", shard, attempt, answer: given });
    };
    if (this.fails) {
      // It is not answered, and applied later, or never.
      this.work.push({ node, run: () => void this.store.txn(request) });
      return answer({ type: "failed", problem: "planted", unknown: true });
    }
    const { succeeded, revision } = this.store.txn(request);
    if (this.answerGetsLost) return answer({ type: "failed", problem: "planted", unknown: true });
    answer(succeeded ? { type: "done", revision } : { type: "conflict" });
  }

  private catchUp(node: NodeName): void {
    for (const { inbox } = this.processOf(node); inbox.length > 0; )
      this.tell(node, { type: "changes", changes: inbox.shift() ?? [] });
  }

  step({ action, node, world, pick }: Step): void {
    const { store } = this;
    const process = this.processOf(node);
    const shard = firstShard(world);
    const nodeNow = store.seen("node", nodeKey(node));
    const worldNow = store.seen("world", worldKey(world));
    switch (action) {
      case "deliver": {
        const changes = process.inbox.shift();
        if (changes !== undefined) this.tell(node, { type: "changes", changes });
        return;
      }
      case "flow":
        for (const name of NODES) this.catchUp(name);
        for (const work of this.work.splice(0)) work.run();
        return;
      case "work":
      case "fail":
      case "lose-answer": {
        const [work] = this.work.splice(pick % Math.max(1, this.work.length), 1);
        this.fails = action === "fail";
        this.answerGetsLost = action === "lose-answer";
        work?.run();
        this.fails = false;
        this.answerGetsLost = false;
        return;
      }
      case "time":
        this.now += pick * 100;
        return this.tell(node, { type: "time" });
      case "die":
        if (process.running.delete(shard))
          this.tell(node, { type: "died", shard, problem: "planted" });
        return;
      case "renew":
        return this.tell(node, { type: "renew", shard });
      case "expire":
        store.leases.delete(node);
        return;
      case "unexpire":
        if (nodeNow.record?.state !== "lost") store.leases.add(node);
        return;
      case "lose":
        if (!store.leases.has(node)) this.propose(markLost(node, nodeNow, store.term));
        return;
      case "return":
        if (nodeNow.record?.state !== "lost") return;
        process.running.clear();
        this.tell(node, { type: "lost" });
        this.register(node, undefined);
        return;
      case "crash":
        this.start(node);
        return;
      case "cordon":
        this.propose(cordonNode(node, nodeNow, this.store.generation, pick % 8 === 0));
        return;
      case "want":
        store.txn(wantShard(store, world, pick % 4 === 0 ? undefined : node));
        return;
      case "create":
        this.propose(createWorld(world, worldNow, worldRecord()));
        return;
      case "update": {
        const graceSeconds = pick % 50;
        const record = worldRecord({ enabled: pick % 8 > 0, graceSeconds });
        this.propose(updateWorld(world, worldNow, record));
        return;
      }
      case "remove":
        this.propose(removeWorld(world, worldNow));
        return;
      case "forget": {
        const view = claimView(store, world, node);
        this.propose(forgetShard(shard, world, view, store.generation));
      }
    }
  }

  /** At most one node acts for a shard, and it is the owner. */
  check(): void {
    for (const world of WORLDS) {
      const shard = firstShard(world);
      const actors = [...this.processes].filter(
        ([node, { running }]) => running.has(shard) && this.store.leases.has(node),
      );
      assert.ok(actors.length <= 1, `${shard}: ${actors.map(([node]) => node)}`);
      const [actor] = actors;
      if (actor === undefined) continue;
      const owner = this.store.seen("owner", ownerKey(shard));
      assert.equal(owner.record?.node, actor[0]);
      assert.equal(owner.record.boot, actor[1].boot);
      assert.equal(owner.record.state, "owned");
      assert.ok(owner.modified >= (actor[1].running.get(shard) ?? 0));
    }
  }

  /** No faults any more: everybody lives, every world is wanted somewhere. */
  quiet(): void {
    for (const world of WORLDS) {
      const now = this.store.seen("world", worldKey(world));
      this.propose(createWorld(world, now, worldRecord()));
      this.propose(updateWorld(world, now, worldRecord()));
    }
    for (const node of NODES) {
      const common = { node, world: "arena", pick: 1 } as const;
      for (const action of ["unexpire", "return"] as const) this.step({ ...common, action });
      this.propose(
        cordonNode(node, this.store.seen("node", nodeKey(node)), this.store.generation, false),
      );
    }
    const home = { arena: "a", lobby: "b" } as const;
    for (const world of WORLDS) this.store.txn(wantShard(this.store, world, home[world]));
    for (let round = 0; round < 400; round++) {
      this.now += 5_000;
      for (const node of NODES) {
        // Like whoever drives it: it hears of the time when it has asked for that, and what comes may come before.
        if (round % 2 === 0) this.catchUp(node);
        if (this.processOf(node).hosting.nextAt <= this.now) this.tell(node, { type: "time" });
        this.catchUp(node);
      }
      for (const { run } of this.work.splice(0)) run();
      this.check();
      const runs = (world: WorldName) =>
        NODES.filter((node) => {
          const shard = firstShard(world);
          const epoch = this.processOf(node).running.get(shard);
          return epoch !== undefined && epoch === this.store.get(ownerKey(shard))?.modified;
        }).join();
      if (this.work.length === 0 && runs("arena") === "a" && runs("lobby") === "b") return;
    }
    assert.fail("it does not come to rest");
  }

  drain(): void {
    for (const node of NODES) this.tell(node, { type: "draining" });
    for (let round = 0; round < 20; round++) {
      this.now += 5_000;
      for (const { run } of this.work.splice(0)) run();
      for (const node of NODES) this.tell(node, { type: "time" });
    }
    for (const node of NODES) {
      assert.ok(this.processOf(node).hosting.settled, `${node} has not given everything back`);
      assert.equal(this.processOf(node).running.size, 0);
    }
    for (const world of WORLDS)
      assert.equal(this.store.seen("owner", ownerKey(firstShard(world))).record?.state, "released");
  }
}

const often = ["deliver", "work", "flow", "flow", "flow", "flow", "time", "want", "want"] as const;
const some = [
  "fail",
  "lose-answer",
  "die",
  "renew",
  "expire",
  "unexpire",
  "unexpire",
  "lose",
  "return",
  "return",
  "create",
] as const;
const rare = ["crash", "cordon", "update", "update", "remove", "forget"] as const;
const step = fc.record({
  action: fc.oneof(
    { arbitrary: fc.constantFrom(...often), weight: 12 },
    { arbitrary: fc.constantFrom(...some), weight: 4 },
    { arbitrary: fc.constantFrom(...rare), weight: 1 },
  ),
  node: fc.constantFrom(...NODES),
  world: fc.constantFrom(...WORLDS),
  pick: fc.nat(1000),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

test("never two that act, no epoch twice, and in the end every world where it is wanted", () => {
  let opens = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 100, maxLength: 400, size: "max" }), (steps) => {
      const model = new Model();
      for (const world of WORLDS) model.step({ action: "create", node: "a", world, pick: 1 });
      for (const planned of steps) {
        model.step(planned);
        model.check();
      }
      model.quiet();
      model.drain();
      opens += model.opens;
    }),
    { numRuns: share(200) },
  );
  assert.ok(opens > share(1000), `only ${opens} times a world was opened`);
});
