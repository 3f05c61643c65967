import assert from "node:assert/strict";
import type { TxnRequest } from "../control/control-store.ts";
import {
  abandonMirror,
  askMirror,
  clearMirror,
  confirmMirror,
  dismissMirror,
  promoteMirror,
  withdrawMirror,
} from "../control/mirror-changes.ts";
import { changeNodeState, markLost, registerNode } from "../control/node-changes.ts";
import { claimShard, isAlive, isOwned, reclaimShard, releaseShard } from "../control/ownership.ts";
import { firstShard, nodeKey, worldKey } from "../control/record-keys.ts";
import { createWorld } from "../control/world-changes.ts";
import { wantShard } from "./claims.ts";
import { mirrorView } from "./mirrors.ts";
import { nodeRecord } from "./node-record.ts";
import { TinyStore } from "./tiny-store.ts";
import { worldRecord } from "./world-record.ts";

const shard = firstShard("arena");
export const NODES = ["a", "b", "c"] as const;
type NodeName = (typeof NODES)[number];
type View = ReturnType<typeof mirrorView>;

export type MirrorFault =
  | "gates-late"
  | "ungates-early"
  | "acknowledges-on"
  | "claims-anyway"
  | "clears-when-lost"
  // Of a world whose owner acts on its mirror's word alone.
  | "abandons-anyway"
  | "replaces-anyway"
  | "heeds-no-record";

interface Process {
  readonly boot: string;
  /** What it last read; its proposals are made of this. */
  view: View;
  /** The epoch at which it believes to own the shard, and the ticks that its state has seen. */
  epoch: number | undefined;
  ticks: number;
  /** The mirror without whose word it lets nothing out. */
  gate: string | undefined;
  /** It has seen that this mirror is recorded as unleased: with its word it acts without a lease. */
  unleased: string | undefined;
  /** What it follows as a mirror, and how far; once it is silent it says nothing of that one ever again. */
  follows: { readonly id: string; ticks: number; silent: boolean } | undefined;
}

/**
 * Nodes that own and mirror a shard by what they saw some time ago, and die, are lost and come back, under leases; or, of
 * one that `isUnleased`, without. Each does what it is told to as far as transactions let it, and breaks one rule as `fault`
 * says. `check` and each step throw where two act, or something is gone that was told.
 */
export class MirrorModel {
  readonly store = new TinyStore();
  readonly processes = new Map<NodeName, Process>();
  readonly fault: MirrorFault | undefined;
  readonly isUnleased: boolean;
  promoted = 0;
  /** Ticks that somebody was told of without a lease. */
  unleasedTicks = 0;
  /** Ticks whose outcome somebody was told. */
  private told = 0;
  private boots = 0;
  private ids = 0;

  constructor(isUnleased: boolean, fault?: MirrorFault) {
    const { store } = this;
    this.fault = fault;
    this.isUnleased = isUnleased;
    this.propose(createWorld("arena", store.seen("world", worldKey("arena")), worldRecord()));
    for (const name of NODES) this.run(name, "enter");
  }

  run(name: NodeName, action: string): void {
    const { store } = this;
    const process = this.processes.get(name);
    const node = store.seen("node", nodeKey(name));
    if (action === "enter") return this.enter(name);
    if (action === "expire") return void store.leases.delete(name);
    if (action === "abandon") return this.abandon();
    if (action === "restore") return this.restore();
    if (action === "part") return this.part();
    if (action === "dismiss")
      return void this.propose(dismissMirror(shard, mirrorView(store, "arena", "a").mirror));
    if (action === "lose") {
      if (!store.leases.has(name)) this.propose(markLost(name, node, store.term));
      return;
    }
    if (process === undefined) return;
    const { view, boot, epoch } = process;
    const me = { node: name, boot, generation: store.generation };
    switch (action) {
      case "die":
        return void this.processes.delete(name);
      case "drain":
        return void this.propose(changeNodeState(name, node, boot, "draining"));
      case "read":
        return this.read(name, process);
      case "claim":
      case "reclaim":
        return this.claim(name, process, action);
      case "take":
        store.txn(wantShard(store, "arena", name));
        this.run(name, "read");
        return this.run(name, "claim");
      case "release":
        process.epoch = undefined;
        return void this.propose(releaseShard(shard, view.owner, me, view.mirror));
      case "ask": {
        const id = (++this.ids).toString(16).padStart(16, "0");
        const record = view.mirror.record && { ...view.mirror.record, unleased: false };
        const careless = { ...view, mirror: { ...view.mirror, record } };
        const seen = this.fault === "replaces-anyway" ? careless : view;
        return void this.propose(
          askMirror(shard, seen, { id, node: name, generation: store.generation }),
        );
      }
      case "replace":
        // Its mirror is to go, and this node to be the next one.
        for (const each of NODES) if (each === view.mirror.record?.node) this.run(each, "drain");
        for (const each of ["read", "ask", "read", "follow"]) this.run(name, each);
        return;
      case "succeed":
        for (const each of ["read", "promote"]) this.run(name, each);
        return;
      case "overtake":
        // Another mirror is asked for while the owner confirms the one that it knows.
        for (const each of ["read", "ask", "read", "follow"]) this.run(name, each);
        for (const each of NODES) this.run(each, "read");
        for (const each of NODES) if (each !== name) this.run(each, "ask");
        for (const each of NODES) this.run(each, "confirm");
        return;
      case "follow": {
        const { record } = view.mirror;
        if (record?.node === name && record.boot === boot && process.follows?.id !== record.id)
          process.follows = { id: record.id, ticks: 0, silent: false };
        return;
      }
      case "confirm":
        return this.confirm(process);
      case "clear": {
        if (epoch === undefined) return;
        if (this.fault === "ungates-early") process.gate = undefined;
        return this.clear(process, epoch);
      }
      case "withdraw":
        return this.withdraw(name, process);
      case "tick":
        return this.tick(name, process);
      case "promote":
        return this.promote(name, process);
      case "mirror":
        // One after another, so that enough of them come to be in sync.
        for (const each of ["read", "ask", "read", "follow"]) this.run(name, each);
        for (const each of NODES) for (const what of ["read", "confirm"]) this.run(each, what);
        for (const each of NODES) this.run(each, "tick");
        if (this.isUnleased) for (const each of NODES) this.run(each, "read");
    }
  }

  /** At most one process lets anything out. */
  check(): void {
    const actors = [...this.processes].filter(([name, process]) => this.lets(name, process));
    assert.ok(actors.length <= 1, `${actors.map(([name]) => name)} act`);
  }

  private lets(name: NodeName, process: Process): boolean {
    if (process.epoch === undefined || !this.mayAct(name, process)) return false;
    return process.gate === undefined || this.follower(process.gate)?.silent === false;
  }

  private mayAct(name: NodeName, { gate, unleased }: Process): boolean {
    return this.store.leases.has(name) || (gate !== undefined && unleased === gate);
  }

  private follower(id: string) {
    return [...this.processes.values()].find(({ follows }) => follows?.id === id)?.follows;
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
    const view = mirrorView(store, "arena", name);
    const empty = { epoch: undefined, ticks: 0, gate: undefined, unleased: undefined };
    // Whoever was taken for lost has dropped what it followed.
    const wasLost = before !== undefined && !isAlive(node.record, before.boot);
    if (wasLost && before.follows !== undefined) before.follows.silent = true;
    this.processes.set(name, { boot, view, follows: before?.follows, ...empty });
  }

  /** What it reads is the newest. A gate ends once the record of its mirror is gone or another one. */
  private read(name: NodeName, process: Process): void {
    const { store } = this;
    process.view = mirrorView(store, "arena", name);
    const { owner, ownerNode, mirror } = process.view;
    const isOwn =
      owner.record?.node === name &&
      owner.record.boot === process.boot &&
      isOwned(owner, ownerNode, store.generation);
    // Whoever has lost its state does not go on at its epoch: it reclaims.
    if (!isOwn || process.epoch !== owner.modified) process.epoch = undefined;
    if (mirror.record?.id !== process.gate) process.gate = process.unleased = undefined;
    const confirmed = mirror.record?.state === "in-sync" && mirror.record.epoch === process.epoch;
    if (this.fault === "gates-late" && confirmed) process.gate = mirror.record?.id;
    if (confirmed && mirror.record?.unleased === true) process.unleased = mirror.record.id;
  }

  private claim(name: NodeName, process: Process, action: "claim" | "reclaim"): void {
    const { store } = this;
    const { boot, view } = process;
    const before = mirrorView(store, "arena", name);
    const forgotten = { ...view, mirror: { ...view.mirror, record: undefined } };
    const seen = this.fault === "claims-anyway" ? forgotten : view;
    const make = action === "claim" ? claimShard : reclaimShard;
    const epoch = this.propose(make(shard, seen, { node: name, boot, generation: 0 }));
    if (epoch === undefined) return;
    const { record } = before.mirror;
    const mirrored = record?.state === "in-sync" && record.epoch === before.owner.modified;
    assert.ok(!mirrored || before.owner.record?.state !== "owned", "its mirror has what is newer");
    // It begins from what is on a disk: whoever was told more hears of a rollback.
    Object.assign(process, { epoch, ticks: 0, gate: undefined });
    this.told = 0;
  }

  private confirm(process: Process): void {
    const { epoch, view } = process;
    const { record } = view.mirror;
    const follower = record === undefined ? undefined : this.follower(record.id);
    if (epoch === undefined || record?.epoch !== epoch || follower?.silent !== false) return;
    if (this.fault !== "gates-late") process.gate = record.id;
    follower.ticks = process.ticks;
    const unleased = this.isUnleased;
    this.propose(confirmMirror(shard, view.mirror, { epoch, unleased }));
    if (unleased && this.fault === "heeds-no-record") process.unleased = record.id;
  }

  private tick(name: NodeName, process: Process): void {
    if (process.epoch === undefined || !this.mayAct(name, process)) return;
    process.ticks += 1;
    const follower = process.gate === undefined ? undefined : this.follower(process.gate);
    if (follower?.silent === false) follower.ticks = process.ticks;
    else if (process.gate !== undefined) return;
    this.told = process.ticks;
    if (!this.store.leases.has(name)) this.unleasedTicks += 1;
  }

  private promote(name: NodeName, process: Process): void {
    const { follows, boot, view } = process;
    if (follows === undefined) return;
    if (this.fault !== "acknowledges-on") follows.silent = true;
    const me = { node: name, boot, generation: this.store.generation, follows: follows.id };
    const epoch = this.propose(promoteMirror(shard, view, me));
    if (epoch === undefined) return;
    assert.ok(follows.ticks >= this.told, `told ${this.told}, promoted at ${follows.ticks}`);
    Object.assign(process, { epoch, ticks: follows.ticks, gate: undefined });
    this.promoted += 1;
  }

  private clear(process: Process, epoch: number): void {
    const { store } = this;
    const { view } = process;
    const { owner, ownerNode, mirror } = mirrorView(store, "arena", "a");
    const isOwner = isOwned(owner, ownerNode, store.generation);
    const made = clearMirror(shard, view, { epoch });
    if (!made.ok) return;
    const { leases, ...unleased } = made.txn;
    const txn = this.fault === "clears-when-lost" ? unleased : made.txn;
    if (this.propose({ ok: true, txn }) === undefined) return;
    process.gate = process.unleased = undefined;
    assert.ok(isOwner || mirror.record?.state !== "in-sync", "cleared by one who was lost");
  }

  /** Its copy is gone. */
  private withdraw(name: NodeName, process: Process): void {
    const { follows, boot, view } = process;
    if (follows === undefined || view.mirror.record?.id !== follows.id) return;
    follows.silent = true;
    const me = { node: name, boot, follows: follows.id };
    this.propose(withdrawMirror(shard, view.mirror, me));
  }

  /** The control plane, of a world that may begin again when owner and mirror are lost. */
  private abandon(): void {
    const { owner, ownerNode, mirror, mirrorNode } = mirrorView(this.store, "arena", "a");
    if (mirror.record === undefined || isOwned(owner, ownerNode, 0)) return;
    if (isAlive(mirrorNode.record, mirror.record.boot)) return;
    if (mirror.record.unleased === true && this.fault !== "abandons-anyway") return;
    this.store.txn(abandonMirror(shard, mirror));
  }

  /** Owner and mirror are cut off together, for longer than a lease. They hear nothing of it, and go on. */
  private part(): void {
    const { owner } = mirrorView(this.store, "arena", "a");
    const gate = this.processes.get(NODES.find((name) => name === owner.record?.node) ?? "a")?.gate;
    for (const name of NODES) {
      const follows = this.processes.get(name)?.follows?.id;
      if (name !== owner.record?.node && (gate === undefined || follows !== gate)) continue;
      this.run(name, "expire");
      this.run(name, "lose");
    }
    for (const name of NODES) this.run(name, "tick");
  }

  /** An operator, who has made sure that both are dead. */
  private restore(): void {
    const { owner, ownerNode, mirror } = mirrorView(this.store, "arena", "a");
    if (mirror.record === undefined || isOwned(owner, ownerNode, 0)) return;
    for (const name of NODES)
      if (name === owner.record?.node || name === mirror.record.node) this.processes.delete(name);
    this.store.txn(abandonMirror(shard, mirror));
  }

  private propose(
    made: { readonly ok: true; readonly txn: TxnRequest } | { readonly ok: false },
  ): number | undefined {
    if (!made.ok) return undefined;
    const { succeeded, revision } = this.store.txn(made.txn);
    return succeeded ? revision : undefined;
  }
}
