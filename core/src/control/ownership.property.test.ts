import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { claimView, wantShard } from "../testing/claims.ts";
import { nodeRecord } from "../testing/node-record.ts";
import { share } from "../testing/thorough.ts";
import { TinyStore } from "../testing/tiny-store.ts";
import { worldRecord } from "../testing/world-record.ts";
import type { KeyValue, TxnRequest } from "./control-store.ts";
import { changeNodeState, markLost, registerNode, removeNode } from "./node-changes.ts";
import { type ClaimView, claimShard, isOwned, reclaimShard, releaseShard } from "./ownership.ts";
import { firstShard, nodeKey, ownerKey, worldKey } from "./record-keys.ts";
import { createWorld, forgetShard, removeWorld } from "./world-changes.ts";

/**
 * Nodes that see old states, propose late, die, come back and get lost, a world that comes and goes,
 * restores in between: two nodes never act for the shard at once, and no epoch is used twice.
 */
const shard = firstShard("arena");
const NODES = ["a", "b", "c"] as const;
type NodeName = (typeof NODES)[number];

interface Process {
  boot: string;
  /** What it last read; its proposals are made of this. */
  view: ClaimView | undefined;
  generation: number;
  /** The epoch at which it believes to own the shard. */
  epoch: number | undefined;
}

const common = [
  "enter",
  "expire",
  "lose",
  "read",
  "claim",
  "reclaim",
  "take",
  "take",
  "release",
  "give",
  "want",
  "die",
  "create",
  "forget",
] as const;
const rare = ["rm", "remove", "backup", "restore"] as const;
type Action = (typeof common)[number] | (typeof rare)[number];
const step = fc.record({
  node: fc.constantFrom(...NODES),
  action: fc.oneof<fc.WeightedArbitrary<Action>[]>(
    { arbitrary: fc.constantFrom(...common), weight: 12 },
    { arbitrary: fc.constantFrom(...rare), weight: 1 },
  ),
});

class Model {
  readonly store = new TinyStore();
  readonly processes = new Map<NodeName, Process>();
  private boots = 0;
  private lastEpoch = 0;
  private backup: ReadonlyMap<string, KeyValue> = new Map();
  /** Made from old views, as proposals that are under way. */
  claims = 0;

  run(name: NodeName, action: Action): void {
    const { store } = this;
    const process = this.processes.get(name);
    const node = store.seen("node", nodeKey(name));
    const world = store.seen("world", worldKey("arena"));
    switch (action) {
      case "enter":
        return this.enter(name, process);
      case "expire":
        // The leader's clock; the node itself stopped a little earlier.
        store.leases.delete(name);
        return;
      case "lose":
        if (!store.leases.has(name)) this.propose(markLost(name, node, store.term));
        return;
      case "read":
        if (process !== undefined) {
          process.view = claimView(store, "arena", name);
          process.generation = store.generation;
          process.epoch = this.ownEpoch(name, process.boot);
        }
        return;
      case "claim":
        return this.claim(name, process);
      case "reclaim":
        return this.claim(name, process, reclaimShard);
      case "take":
        this.run(name, "want");
        this.run(name, "read");
        return this.claim(name, process);
      case "give":
        this.run(name, "read");
        this.run(name, "release");
        return;
      case "release":
        if (process?.view !== undefined) {
          const { boot, view } = process;
          process.epoch = undefined;
          this.propose(releaseShard(shard, view.owner, { node: name, boot }));
        }
        return;
      case "want":
        store.txn(wantShard(store, "arena", name));
        return;
      case "die":
        this.processes.delete(name);
        return;
      case "rm":
        this.propose(removeNode(name, node));
        return;
      case "create":
        this.propose(createWorld("arena", world, worldRecord()));
        return;
      case "remove":
        this.propose(removeWorld("arena", world));
        return;
      case "forget":
        this.propose(
          forgetShard(shard, "arena", claimView(store, "arena", name), store.generation),
        );
        return;
      case "backup":
        this.backup = store.backup();
        return;
      case "restore":
        store.restore(this.backup);
        // One full lease passes before anybody registers.
        return;
    }
  }

  /** Who reads that it owns the shard may act for it, as long as its lease runs. */
  private ownEpoch(name: NodeName, boot: string): number | undefined {
    const { store } = this;
    const owner = store.seen("owner", ownerKey(shard));
    const isOwn = owner.record?.node === name && owner.record.boot === boot;
    const node = store.seen("node", nodeKey(name));
    return isOwn && isOwned(owner, node, store.generation) ? owner.modified : undefined;
  }

  /** At most one process acts: it believes to own the shard, and its lease runs. */
  check(): void {
    const actors = [...this.processes].filter(
      ([name, { epoch }]) => epoch !== undefined && this.store.leases.has(name),
    );
    assert.ok(actors.length <= 1, JSON.stringify(actors.map(([name]) => name)));
    const [actor] = actors;
    if (actor === undefined) return;
    const [name, { epoch }] = actor;
    const owner = this.store.seen("owner", ownerKey(shard));
    assert.equal(owner.modified, epoch);
    assert.ok(isOwned(owner, this.store.seen("node", nodeKey(name)), this.store.generation));
  }

  private enter(name: NodeName, before: Process | undefined): void {
    // A living process registers again under its boot; a dead one's successor has its data directory.
    const boot = before?.boot ?? `${name}${++this.boots}`;
    const node = this.store.seen("node", nodeKey(name));
    const done = this.propose(
      registerNode(name, node, {
        record: nodeRecord({ boot }),
        generation: this.store.generation,
        previousBoot: before === undefined ? node.record?.boot : undefined,
      }),
    );
    if (done === undefined) return;
    this.store.leases.add(name);
    // Whoever registers believes nothing of before: the record is the truth.
    this.processes.set(name, { boot, view: undefined, generation: -1, epoch: undefined });
    this.propose(changeNodeState(name, this.store.seen("node", nodeKey(name)), boot, "ready"));
  }

  private claim(
    name: NodeName,
    process: Process | undefined,
    make: typeof claimShard | typeof reclaimShard = claimShard,
  ): void {
    if (process?.view === undefined) return;
    const { boot, generation, view } = process;
    const done = this.propose(make(shard, view, { node: name, boot, generation }));
    if (done === undefined) return;
    this.claims += 1;
    assert.ok(done > this.lastEpoch, `epoch ${done} after ${this.lastEpoch}`);
    this.lastEpoch = done;
    process.epoch = done;
  }

  private propose(
    made: { readonly ok: true; readonly txn: TxnRequest } | { readonly ok: false },
  ): number | undefined {
    if (!made.ok) return undefined;
    const { succeeded, revision } = this.store.txn(made.txn);
    return succeeded ? revision : undefined;
  }
}

test("never two owners at once, and every epoch above all before", () => {
  let claims = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 60, maxLength: 250, size: "max" }), (steps) => {
      const model = new Model();
      model.run("a", "create");
      for (const name of NODES) model.run(name, "enter");
      for (const { node, action } of steps) {
        model.run(node, action);
        model.check();
      }
      claims += model.claims;
    }),
    { numRuns: share(300) },
  );
  assert.ok(claims > share(600), `only ${claims} claims succeeded`);
});
