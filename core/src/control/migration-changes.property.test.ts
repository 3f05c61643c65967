import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { claimView, wantShard } from "../testing/claims.ts";
import { migrationView, migrationWish } from "../testing/migrations.ts";
import { nodeRecord } from "../testing/node-record.ts";
import { share } from "../testing/thorough.ts";
import { TinyStore } from "../testing/tiny-store.ts";
import { worldRecord } from "../testing/world-record.ts";
import type { TxnRequest } from "./control-store.ts";
import {
  abortMigration,
  beginMigration,
  type MigrationView,
  type SwitchView,
  switchShard,
} from "./migration-changes.ts";
import { changeNodeState, markLost, registerNode } from "./node-changes.ts";
import { type ClaimView, claimShard, isOwned, reclaimShard, releaseShard } from "./ownership.ts";
import { firstShard, migrationKey, movedKey, nodeKey, ownerKey, worldKey } from "./record-keys.ts";
import { createWorld } from "./world-changes.ts";

/**
 * Nodes that migrate a shard by what they saw some time ago, while others claim it, give up, die and are lost:
 * one acts at most, and every migration ends once. A source acts again only as rule 3 of migration-changes.ts says.
 */
const shard = firstShard("arena");
const NODES = ["a", "b", "c"] as const;
type NodeName = (typeof NODES)[number];
type Everything = MigrationView & SwitchView & ClaimView;

interface Process {
  readonly boot: string;
  /** What it last read; its proposals are made of this. */
  view: Everything;
  /** The epoch at which it believes to own the shard. */
  epoch: number | undefined;
  /** The migration that it has sealed the shard for. */
  sealed: string | undefined;
}

const step = fc.record({
  node: fc.constantFrom(...NODES),
  action: fc.oneof(
    fc.constantFrom("expire", "lose", "want", "claim", "reclaim", "release", "die", "abort"),
    fc.constantFrom("enter", "read", "begin", "seal", "switch", "take", "migrate"),
    // These are what it is about.
    fc.constantFrom("read", "switch", "enter", "migrate"),
  ),
});

class Model {
  readonly store = new TinyStore();
  readonly processes = new Map<NodeName, Process>();
  /** How each migration ended. */
  readonly ends = new Map<string, "moved" | "aborted">();
  /** A source has sealed for them: their targets have what it sealed. */
  private readonly handed = new Set<string>();
  private boots = 0;
  private ids = 0;

  constructor() {
    const { store } = this;
    this.propose(createWorld("arena", store.seen("world", worldKey("arena")), worldRecord()));
    for (const name of NODES) this.run(name, "enter");
  }

  run(name: NodeName, action: string): void {
    const { store } = this;
    const process = this.processes.get(name);
    const node = store.seen("node", nodeKey(name));
    if (action === "enter") return this.enter(name);
    if (action === "expire") return void store.leases.delete(name);
    if (action === "want") return void store.txn(wantShard(store, "arena", name));
    if (action === "lose") {
      if (!store.leases.has(name)) this.propose(markLost(name, node, store.term));
      return;
    }
    if (process === undefined) return;
    const { view, boot } = process;
    const me = { node: name, boot, generation: store.generation };
    switch (action) {
      case "die":
        return void this.processes.delete(name);
      case "read":
        return this.read(name, process);
      case "claim":
      case "reclaim": {
        const make = action === "claim" ? claimShard : reclaimShard;
        const epoch = this.propose(make(shard, view, me));
        if (epoch !== undefined) Object.assign(process, { epoch, sealed: undefined });
        return;
      }
      case "release":
        process.epoch = undefined;
        return void this.propose(releaseShard(shard, view.owner, me));
      case "take":
        this.run(name, "want");
        this.run(name, "read");
        return this.run(name, "claim");
      case "begin":
        return this.begin(name, view);
      case "seal":
        return this.seal(process);
      case "switch":
        return this.switch(name, process);
      case "abort":
        return this.abort(view.migration);
      case "migrate":
        // One after another, so that enough of them come to their end.
        this.run(name, "read");
        this.run(name, "begin");
        for (const each of NODES) this.run(each, "read");
        for (const each of NODES) this.run(each, "seal");
    }
  }

  /** At most one process acts: it believes to own the shard, has not sealed it, and its lease runs. */
  check(): void {
    const actors = [...this.processes].filter(
      ([name, { epoch, sealed }]) =>
        epoch !== undefined && sealed === undefined && this.store.leases.has(name),
    );
    assert.ok(actors.length <= 1, JSON.stringify(actors));
    const [actor] = actors;
    if (actor === undefined) return;
    assert.equal(this.store.seen("owner", ownerKey(shard)).modified, actor[1].epoch);
  }

  private enter(name: NodeName): void {
    const { store } = this;
    const node = store.seen("node", nodeKey(name));
    const before = this.processes.get(name);
    const boot = before?.boot ?? `${name}${++this.boots}`;
    const previousBoot = before === undefined ? node.record?.boot : undefined;
    const { generation } = store;
    const record = nodeRecord({ boot });
    if (this.propose(registerNode(name, node, { record, generation, previousBoot })) === undefined)
      return;
    store.leases.add(name);
    this.propose(changeNodeState(name, store.seen("node", nodeKey(name)), boot, "ready"));
    const view = migrationView(store, "arena", name);
    const all = { ...view, ...claimView(store, "arena", name) };
    // A living process still knows what it has sealed.
    this.processes.set(name, { boot, view: all, epoch: undefined, sealed: before?.sealed });
  }

  /** What it reads is the newest: a sealed source knows from it how its migration has ended. */
  private read(name: NodeName, process: Process): void {
    const { store } = this;
    process.view = {
      ...migrationView(store, "arena", name),
      ...claimView(store, "arena", name),
    };
    const { owner, ownerNode, migration } = process.view;
    const isOwn = owner.record?.node === name && owner.record.boot === process.boot;
    process.epoch =
      isOwn && isOwned(owner, ownerNode, store.generation) ? owner.modified : undefined;
    if (migration.record?.id !== process.sealed) process.sealed = undefined;
  }

  private begin(to: NodeName, view: Everything): void {
    const { store } = this;
    const before = store.seen("migration", migrationKey(shard));
    const wish = migrationWish(++this.ids, { to });
    const begun = this.propose(beginMigration(shard, view, wish, store.generation));
    if (begun === undefined) return;
    assert.equal(before.record, undefined, "one at a time");
    const { record } = store.seen("migration", migrationKey(shard));
    assert.equal(record?.epoch, store.seen("owner", ownerKey(shard)).modified);
  }

  private seal(process: Process): void {
    const { record } = process.view.migration;
    if (process.epoch === undefined || process.epoch !== record?.epoch) return;
    if (process.boot !== record.fromBoot) return;
    process.sealed = record.id;
    this.handed.add(record.id);
  }

  private switch(name: NodeName, process: Process): void {
    const { record } = process.view.migration;
    if (record === undefined || !this.handed.has(record.id)) return;
    const before = this.store.seen("owner", ownerKey(shard));
    const me = { node: name, boot: process.boot, generation: this.store.generation };
    const epoch = this.propose(switchShard(shard, process.view, me, { ended: 2_000 }));
    if (epoch === undefined) return;
    assert.equal(before.modified, record.epoch, "the ownership that was meant has ended");
    Object.assign(process, { epoch, sealed: undefined });
    assert.equal(claimView(this.store, "arena", name).shard.record?.wanted, name);
    this.ended(record.id, "moved");
  }

  private abort(migration: Everything["migration"]): void {
    const how = { by: "x", problem: "enough", ended: 2_000 };
    const done = this.propose(abortMigration(shard, migration, how));
    if (done !== undefined && migration.record !== undefined)
      this.ended(migration.record.id, "aborted");
  }

  private ended(id: string, outcome: "moved" | "aborted"): void {
    assert.equal(this.ends.get(id), undefined, "it ends once");
    this.ends.set(id, outcome);
    const { record } = this.store.seen("moved", movedKey(shard));
    assert.deepEqual([record?.id, record?.outcome], [id, outcome]);
    assert.equal(this.store.get(migrationKey(shard)), undefined);
  }

  private propose(
    made: { readonly ok: true; readonly txn: TxnRequest } | { readonly ok: false },
  ): number | undefined {
    if (!made.ok) return undefined;
    const { succeeded, revision } = this.store.txn(made.txn);
    return succeeded ? revision : undefined;
  }
}

test("one acts at most while a shard moves, and every migration ends once", () => {
  const count = { moved: 0, aborted: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 200, size: "max" }), (steps) => {
      const model = new Model();
      model.run("a", "want");
      model.run("a", "read");
      model.run("a", "claim");
      for (const { node, action } of steps) {
        model.run(node, action);
        model.check();
      }
      for (const outcome of model.ends.values()) count[outcome] += 1;
    }),
    { numRuns: share(300) },
  );
  assert.ok(count.moved > share(150) && count.aborted > share(150), JSON.stringify(count));
});
