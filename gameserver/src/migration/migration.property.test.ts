import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  abortMigration,
  beginMigration,
  type Change,
  createWorld,
  encodeRecord,
  firstShard,
  migrationKey,
  mirrorKey,
  nodeKey,
  ownerKey,
  reclaimShard,
  shardKey,
  type TxnRequest,
  worldKey,
} from "@atlasnet/core";
import { claimView, nodeRecord, TinyStore, wantShard, worldRecord } from "@atlasnet/core/testing";
import fc from "fast-check";
import { ClusterRecords } from "../placement/cluster-records.ts";
import type { TxnAnswer } from "../placement/hosting-types.ts";
import { MigrationSource, type SourceEffect, type SourceEvent } from "./source.ts";
import { MigrationTarget, type TargetEffect, type TargetEvent } from "./target.ts";

/**
 * Both sides of a migration over a store whose answers get lost and whose watches are late, with crashes, replicas
 * that differ, and threads that die: never do two act for the shard, what was let out is never gone, and when it is
 * quiet the shard runs in one place, and stands still nowhere.
 */
const SHARD = firstShard("arena");

type Fault =
  | "none"
  /** The source goes on after an abort that failed. */
  | "unseals-early"
  /** The source goes on when it is late, whatever became of the abort. */
  | "unseals-late"
  /** The target acts before its switch has committed. */
  | "promotes-early"
  /** The target takes another state than the source's for the same. */
  | "ignores-hash"
  /** The target lets its replica go while nobody knows whether the switch was applied. */
  | "drops-early";

interface Work {
  readonly node: "a" | "b";
  readonly life: object;
  readonly request: TxnRequest;
  readonly answered: (answer: TxnAnswer) => void;
}

class Side {
  readonly records = new ClusterRecords();
  readonly inbox: Change[][] = [];
  readonly life = {};
  alive = true;
  /** Ticks that the state here has seen; undefined: there is none. */
  state: number | undefined;
  acts = false;

  view(node: string) {
    const { records } = this;
    return {
      migration: records.seen("migration", migrationKey(SHARD)),
      owner: records.seen("owner", ownerKey(SHARD)),
      shard: records.seen("shard", shardKey(SHARD)),
      world: records.seen("world", worldKey("arena")),
      mirror: records.seen("mirror", mirrorKey(SHARD)),
      node: records.seen("node", nodeKey(node)),
    };
  }
}

class Model {
  readonly store = new TinyStore();
  readonly a = new Side();
  readonly b = new Side();
  private readonly work: Work[] = [];
  private readonly fault: Fault;
  private source: MigrationSource;
  private target: MigrationTarget;
  private now = 0;
  /** The highest state that was let out. */
  private seen = 0;
  /** Of the source's last tick, on its way to the target. */
  private seal: number | undefined;
  private isSealed = false;
  private differs = false;
  /** Of what died at the source. */
  private files: number | undefined;
  /** State was lost by a death that no migration is to blame for. */
  private isExcused = false;
  private steps = 0;
  moved = false;
  aborted = false;

  constructor(fault: Fault) {
    this.fault = fault;
    const { store } = this;
    store.onChanges = (changes) => {
      for (const side of [this.a, this.b]) side.inbox.push([...changes]);
    };
    for (const node of ["a", "b"]) {
      store.leases.add(node);
      const record = { ...nodeRecord({ boot: `${node}1`, state: "ready" }), cordoned: false };
      this.put(nodeKey(node), encodeRecord("node", record));
    }
    this.propose(createWorld("arena", store.seen("world", worldKey("arena")), worldRecord()));
    store.txn(wantShard(store, "arena", "a"));
    const world = store.seen("world", worldKey("arena")).created;
    const owner = { world, node: "a", boot: "a1", state: "owned" } as const;
    this.put(ownerKey(SHARD), encodeRecord("owner", owner));
    this.a.state = 0;
    this.a.acts = true;
    const view = {
      ...claimView(store, "arena", "b"),
      target: store.seen("node", nodeKey("b")),
      migration: store.seen("migration", migrationKey(SHARD)),
    };
    const id = "0123456789abcdef";
    const wish = { id, to: "b", reason: "operator", started: 0, deadlineMs: 20_000 } as const;
    this.propose(beginMigration(SHARD, view, wish, store.generation));
    for (const side of [this.a, this.b]) this.deliver(side, 100);
    const migration = store.seen("migration", migrationKey(SHARD));
    const wallTime = () => 0;
    this.source = new MigrationSource(
      { shard: SHARD, me: { node: "a", boot: "a1" }, migration, maxSealedMs: 500 },
      { view: () => this.a.view("a"), wallTime },
      0,
    );
    this.target = new MigrationTarget(
      { shard: SHARD, me: { node: "b", boot: "b1", generation: store.generation }, migration },
      { view: () => this.b.view("b"), wallTime },
      0,
    );
    this.tellTarget({ type: "begin" });
  }

  private put(key: string, value: Uint8Array): void {
    this.store.txn({ compare: [], then: [{ type: "put", key, value }] });
  }

  private propose(made: { ok: true; txn: TxnRequest } | { ok: false }): void {
    if (made.ok) this.store.txn(made.txn);
  }

  private deliver(side: Side, count: number): void {
    for (let left = count; left > 0; left--) {
      const changes = side.inbox.shift();
      if (changes === undefined) break;
      for (const change of changes) side.records.apply(change);
    }
  }

  // The two cores, and what they ask for

  private tellSource(event: SourceEvent): void {
    if (!this.a.alive) return;
    for (const effect of this.source.handle(event, this.now)) this.ofSource(effect);
    // Whoever owns it no more closes it.
    const { owner } = this.a.view("a");
    if (owner.record?.node !== "a") this.a.acts = false;
  }

  private ofSource(effect: SourceEffect): void {
    const { a } = this;
    switch (effect.type) {
      case "seal":
        a.acts = false;
        this.isSealed = true;
        return;
      case "unseal":
        assert.ok(this.isSealed || this.fault !== "none", "it was not sealed");
        return this.unseal();
      case "txn":
        return this.later("a", effect.request, (answer) => {
          if (this.fault === "unseals-early" && this.isSealed && answer.type === "failed")
            this.unseal();
          this.tellSource({ type: "answered", attempt: effect.attempt, answer });
        });
      case "end":
        this.seal = undefined;
        return;
      case "over":
        if (effect.outcome === "aborted") this.aborted = true;
        return;
    }
  }

  private unseal(): void {
    this.isSealed = false;
    if (this.a.state !== undefined) this.a.acts = true;
  }

  private tellTarget(event: TargetEvent): void {
    if (!this.b.alive) return;
    for (const effect of this.target.handle(event, this.now)) this.ofTarget(effect);
  }

  private ofTarget(effect: TargetEffect): void {
    const { b } = this;
    switch (effect.type) {
      case "prepare":
        return this.tellTarget({ type: "prepared" });
      case "follow":
        return this.tellSource({ type: "copying", again: false });
      case "txn":
        if (this.fault === "promotes-early" && this.target.phase === "switching") b.acts = true;
        return this.later("b", effect.request, (answer) => {
          if (this.fault === "drops-early" && answer.type === "failed") b.state = undefined;
          this.tellTarget({ type: "answered", attempt: effect.attempt, answer });
        });
      case "promote": {
        assert.equal(this.store.get(ownerKey(SHARD))?.modified, effect.epoch);
        this.moved = true;
        if (b.state === undefined) assert.ok(this.isExcused, "its replica was let go");
        else b.acts = true;
        const problem = b.state === undefined ? { problem: "its replica is gone" } : {};
        return this.tellTarget({ type: "promoted", ...problem });
      }
      case "drop":
        if (!b.acts) b.state = undefined;
        return this.tellSource({ type: "failed", code: effect.code, reason: effect.reason });
      case "over":
        return;
    }
  }

  private later(node: "a" | "b", request: TxnRequest, answered: Work["answered"]): void {
    this.work.push({ node, life: this[node].life, request, answered });
  }

  private carryOut(work: Work, how: "ok" | "lost" | "never"): void {
    const { succeeded, revision } =
      how === "never" ? { succeeded: false, revision: 0 } : this.store.txn(work.request);
    if (how !== "ok") return work.answered({ type: "failed", problem: "planted", unknown: true });
    work.answered(succeeded ? { type: "done", revision } : { type: "conflict" });
  }

  // What happens

  step({ action, pick }: Step): void {
    const { a, b } = this;
    this.steps += 1;
    switch (action) {
      case "tick":
        if (!a.acts || a.state === undefined) return;
        a.state += 1;
        this.seen = Math.max(this.seen, a.state);
        return;
      case "deliver":
        this.deliver(a, 1 + (pick % 3));
        this.tellSource({ type: "look" });
        this.deliver(b, 1 + (pick % 2));
        return this.tellTarget({ type: "look" });
      case "deliver-target":
        this.deliver(b, 1);
        return this.tellTarget({ type: "look" });
      case "stream":
        return this.stream();
      case "txn":
      case "lose-answer":
      case "never":
      case "applied-late": {
        const [work] = this.work.splice(pick % Math.max(1, this.work.length), 1);
        if (work === undefined) return;
        if (action !== "applied-late")
          return this.carryOut(
            work,
            action === "txn" ? "ok" : action === "never" ? "never" : "lost",
          );
        // Whoever asked hears nothing, and it is applied whenever.
        work.answered({ type: "failed", problem: "planted", unknown: true });
        this.work.push({ ...work, answered: () => undefined });
        return;
      }
      case "time":
        this.now += 1 + pick * 10;
        this.tellSource({ type: "time" });
        this.tellTarget({ type: "time" });
        if (this.fault === "unseals-late" && this.isSealed && this.source.phase === "sealed")
          this.unseal();
        return;
      case "differ":
        this.differs = true;
        return;
      case "cut":
        if (this.seal === undefined && this.target.phase !== "switching")
          this.tellTarget({ type: "failed", code: "failed", reason: "planted" });
        return;
      case "replica-dies":
        if (this.target.phase === "promoting" || b.acts) return;
        b.state = undefined;
        if (this.target.phase === "switching") this.isExcused = true;
        return this.tellTarget({ type: "failed", code: "failed", reason: "its thread died" });
      case "end":
        return this.propose(
          abortMigration(SHARD, this.store.seen("migration", migrationKey(SHARD)), {
            ...{ by: "an operator", problem: "planted", ended: 0 },
          }),
        );
      case "thread-dies":
        return this.threadDies();
      case "crash-source":
        a.alive = false;
        a.acts = false;
        a.state = undefined;
        this.isExcused = true;
        return;
      case "crash-target":
        // Of its state nothing is left, unless it had a snapshot: not what this is about.
        b.alive = false;
        b.acts = false;
        b.state = undefined;
        this.isExcused = true;
        return;
    }
  }

  /** The stream goes on by one step. */
  private stream(): void {
    const { a, b, source, target } = this;
    if (!b.alive) return;
    if (this.seal !== undefined) {
      const state = this.seal;
      this.seal = undefined;
      const hasIt = target.phase === "copying" || target.phase === "following";
      if (!hasIt) return;
      if (this.differs && this.fault !== "ignores-hash")
        return this.tellTarget({ type: "failed", code: "hash-differs", reason: "planted" });
      b.state = this.differs ? Math.floor(state / 2) - 1 : state;
      return this.tellTarget({ type: "sealed", tick: state + 1, dueMs: 10, keeps: false });
    }
    if (!a.alive) return;
    if (source.phase === "copying") {
      this.tellTarget({ type: "following" });
      return this.tellSource({ type: "copied" });
    }
    if (source.phase !== "following" && source.phase !== "sealed") return;
    if (source.phase === "following") {
      this.tellSource({ type: "ready" });
      this.tellSource({ type: "caught-up" });
    }
    if (this.isSealed && a.state !== undefined && b.state === undefined) {
      this.seal = a.state;
      this.tellSource({ type: "sealed" });
    }
  }

  /** What ran at the source is gone; it goes on from its files, at another epoch, if it still may. */
  private threadDies(): void {
    const { a } = this;
    if (!a.alive || a.state === undefined) return;
    if (a.view("a").owner.record?.node !== "a") return;
    this.files = a.state;
    a.acts = false;
    a.state = undefined;
    this.isSealed = false;
    this.tellSource({ type: "gone", problem: "its thread died" });
    this.reopen();
  }

  private reopen(): void {
    const { a, store, files } = this;
    const { owner } = a.view("a");
    if (!a.alive || a.state !== undefined || files === undefined) return;
    if (owner.record?.node !== "a") return;
    const made = reclaimShard(SHARD, a.view("a"), {
      node: "a",
      boot: "a1",
      generation: store.generation,
    });
    if (!made.ok) return;
    this.later("a", made.txn, (answer) => {
      if (answer.type !== "done" || !a.alive || a.state !== undefined) return;
      a.state = files;
      a.acts = true;
    });
  }

  /** Never two, and nothing of what was let out is gone. */
  check(): void {
    const { a, b } = this;
    assert.ok(!(a.acts && b.acts), `both act after ${this.steps} steps`);
    const owner = this.store.seen("owner", ownerKey(SHARD));
    if (b.acts) assert.equal(owner.record?.node, "b", "it acts and is not the owner");
    if (a.acts) assert.equal(owner.record?.node, "a", "it acts and is not the owner any more");
    const acting = a.acts ? a : b;
    if (acting.acts) assert.ok((acting.state ?? 0) >= this.seen, "what was let out is gone");
  }

  private get isAtRest(): boolean {
    const { a, b } = this;
    const isHeard = [a, b].every(({ inbox }) => inbox.length === 0);
    const isOver =
      (!a.alive || this.source.phase === "over") && (!b.alive || this.target.phase === "over");
    const isOpenAgain = a.state !== undefined || this.files === undefined || this.moved;
    return isHeard && isOver && this.work.length === 0 && (isOpenAgain || !a.alive);
  }

  quiet(): void {
    for (let round = 0; round < 60 && !this.isAtRest; round++) {
      this.now += 1_000;
      for (const side of [this.a, this.b]) this.deliver(side, 100);
      this.tellSource({ type: "look" });
      this.tellTarget({ type: "look" });
      this.stream();
      if (this.work.length === 0) this.reopen();
      for (const work of this.work.splice(0)) this.carryOut(work, "ok");
      this.tellSource({ type: "time" });
      this.tellTarget({ type: "time" });
      this.check();
    }
    const { a, b } = this;
    if (a.alive) assert.equal(this.source.phase, "over");
    if (b.alive) assert.equal(this.target.phase, "over");
    if (a.alive || b.alive)
      assert.equal(this.store.get(migrationKey(SHARD)), undefined, "nobody has ended it");
    const owner = this.store.seen("owner", ownerKey(SHARD)).record?.node;
    const [side, other] = owner === "a" ? [a, b] : [b, a];
    assert.ok(!other.acts);
    if (!side.alive || side.state === undefined) assert.ok(this.isExcused || !a.alive);
    else assert.ok(side.acts, "it stands still where it is");
  }
}

const often = ["stream", "stream", "tick", "tick", "deliver", "deliver", "txn", "time"] as const;
const some = ["lose-answer", "never", "applied-late", "deliver-target", "tick"] as const;
const rare = [
  "differ",
  "cut",
  "replica-dies",
  "end",
  "thread-dies",
  "crash-source",
  "crash-target",
] as const;
const step = fc.record({
  action: fc.oneof(
    { arbitrary: fc.constantFrom(...often), weight: 24 },
    { arbitrary: fc.constantFrom(...some), weight: 6 },
    { arbitrary: fc.constantFrom(...rare), weight: 1 },
  ),
  pick: fc.nat(100),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function check(fault: Fault, numRuns: number): { moved: number; aborted: number } {
  const ends = { moved: 0, aborted: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 80, size: "max" }), (steps) => {
      const model = new Model(fault);
      for (const planned of steps) {
        model.step(planned);
        model.check();
      }
      model.quiet();
      if (model.moved) ends.moved += 1;
      if (model.aborted) ends.aborted += 1;
    }),
    { numRuns, endOnFailure: true },
  );
  return ends;
}

test("never two that act, nothing that was let out is lost, and it ends in one place", () => {
  const { moved, aborted } = check("none", 500);
  assert.ok(moved > 40 && aborted > 40, `${moved} moved, ${aborted} were aborted`);
});

describe("what would break it is found:", () => {
  for (const fault of [
    "unseals-early",
    "unseals-late",
    "promotes-early",
    "ignores-hash",
    "drops-early",
  ] as const)
    test(fault, () => {
      assert.throws(() => check(fault, 2_000), { message: /Property failed/ });
    });
});
