import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  abandonMirror,
  askMirror,
  type Change,
  createWorld,
  encodeRecord,
  firstShard,
  markLost,
  mirroredEpoch,
  mirrorKey,
  nodeKey,
  ownerKey,
  shardKey,
  type TxnRequest,
  worldKey,
} from "@atlasnet/core";
import {
  mirrorView,
  nodeRecord,
  share,
  TinyStore,
  wantShard,
  worldRecord,
} from "@atlasnet/core/testing";
import fc from "fast-check";
import { ClusterRecords } from "../placement/cluster-records.ts";
import type { TxnAnswer } from "../placement/hosting-types.ts";
import { MirrorFollower } from "./follower.ts";
import type { FollowerEffect, FollowerEvent } from "./follower-types.ts";
import { MirrorOwner, type OwnerEffect, type OwnerEvent } from "./owner.ts";

/**
 * An owner and its mirror over a store whose answers get lost and whose watches are late, with links that are cut and
 * slow, processes that stand still and crash: what was let out is in what the mirror goes on with, whoever is owner no
 * more lets nothing out that it made since, and when it is quiet the shard is somewhere, and what it says is heard. The
 * owner has had the shard for long, or by a switch just now that has made the one that had it the mirror.
 */
const SHARD = firstShard("arena");
const GAMESERVERS = ["a", "b"] as const;
/** The mirror that a switch has recorded. */
const SWITCHED = "ffffffffffffffff";

type Fault =
  | "none"
  /** The owner gates once it has recorded that the mirror is in sync. */
  | "gates-late"
  /** The owner ungates when it has lost the mirror, before that is known to be recorded. */
  | "ungates-early"
  /** The mirror goes on to acknowledge when it wants to be the owner. */
  | "acknowledges-on"
  /** The mirror acts before its promotion has committed. */
  | "promotes-early"
  /** The mirror stays recorded as in sync, without its copy. */
  | "withdraws-never"
  /** The owner takes an acknowledgement for that of the next tick. */
  | "releases-ahead";

type ToFollower =
  | { readonly type: "copy"; readonly tick: number }
  | { readonly type: "delta"; readonly tick: number }
  | { readonly type: "pulse" }
  | { readonly type: "close" };

type ToOwner =
  | { readonly type: "open"; readonly id: string; readonly tick: number | undefined }
  | { readonly type: "ack"; readonly tick: number }
  | { readonly type: "close" };

interface Work {
  readonly node: "a" | "b";
  readonly request: TxnRequest;
  readonly answered: (answer: TxnAnswer) => void;
}

class Side {
  readonly node: "a" | "b";
  readonly records = new ClusterRecords();
  readonly inbox: Change[][] = [];
  alive = true;
  /** It stands still: nothing reaches it, and its timers do not ring. */
  paused = false;
  private seen: ReturnType<Side["read"]> | undefined;

  constructor(node: "a" | "b") {
    this.node = node;
  }

  get runs(): boolean {
    return this.alive && !this.paused;
  }

  /** Records are decoded once for each change: that is what takes the time. */
  view(): ReturnType<Side["read"]> {
    this.seen ??= this.read();
    return this.seen;
  }

  private read() {
    const { records } = this;
    const owner = records.seen("owner", ownerKey(SHARD));
    return {
      owner,
      mirror: records.seen("mirror", mirrorKey(SHARD)),
      shard: records.seen("shard", shardKey(SHARD)),
      world: records.seen("world", worldKey("arena")),
      node: records.seen("node", nodeKey(this.node)),
      ownerNode: records.seen("node", nodeKey(owner.record?.node ?? "")),
    };
  }

  deliver(count: number): void {
    if (this.inbox.length > 0) this.seen = undefined;
    for (const changes of this.inbox.splice(0, count))
      for (const change of changes) this.records.apply(change);
  }
}

/** What the owner has: ticks, and which of them were let out. */
class OwnerShard {
  tick = 1;
  released = 1;
  isGated = false;
  /** The stream: its follower's ticket, and whether it was told a copy. */
  stream: { readonly id: string; sent: number; acknowledged: number } | undefined;
}

class Model {
  readonly store = new TinyStore();
  readonly a = new Side("a");
  readonly b = new Side("b");
  readonly shard = new OwnerShard();
  readonly owner: MirrorOwner;
  private readonly fault: Fault;
  private readonly epoch: number;
  private readonly work: Work[] = [];
  private readonly toFollower: ToFollower[] = [];
  private readonly toOwner: ToOwner[] = [];
  private follower: MirrorFollower | undefined;
  private followed: string | undefined;
  /** The tick of the state at the mirror; undefined: it has none, or not all of it. */
  private state: number | undefined;
  private isSilent = false;
  /** The copy went while the mirror wanted to be the owner. */
  private isTornAway = false;
  private now = 0;
  private asked = 0;
  /** When the promotion committed: the owner's tick then. */
  private tickAtPromotion: number | undefined;
  /** The tick of what the mirror went on with. */
  promoted: number | undefined;
  wasInSync = false;
  wasCleared = false;
  /** It began with a switch. */
  private readonly isMoved: boolean;
  /** The state of the seal, which whatever ran the shard at the mirror has yet to hand over. */
  private kept: number | undefined;

  constructor(fault: Fault, isMoved: boolean) {
    this.fault = fault;
    this.isMoved = isMoved;
    const { store, a, b } = this;
    store.onChanges = (changes) => {
      for (const side of [a, b]) side.inbox.push([...changes]);
      const owner = store.seen("owner", ownerKey(SHARD)).record;
      if (owner?.node === "b") this.tickAtPromotion ??= this.shard.tick;
    };
    for (const node of GAMESERVERS) {
      store.leases.add(node);
      const record = { ...nodeRecord({ boot: `${node}1`, state: "ready" }), cordoned: false };
      this.put(nodeKey(node), encodeRecord("node", record));
    }
    const world = worldRecord({ durability: "mirror" });
    this.propose(createWorld("arena", store.seen("world", worldKey("arena")), world));
    store.txn(wantShard(store, "arena", "a"));
    const { created } = store.seen("world", worldKey("arena"));
    const owner = { world: created, node: "a", boot: "a1", state: "owned" } as const;
    if (isMoved) for (const side of [a, b]) side.deliver(100);
    this.put(ownerKey(SHARD), encodeRecord("owner", owner), isMoved ? created : undefined);
    this.epoch = store.revision;
    if (!isMoved) for (const side of [a, b]) side.deliver(100);
    const about = { shard: SHARD, epoch: this.epoch, boot: "a1", timeoutMs: 500 };
    const { shard } = this;
    const begins = isMoved ? { id: SWITCHED, node: "b", tick: shard.tick } : undefined;
    this.owner = new MirrorOwner({ ...about, begins }, () => a.view(), 0);
    if (!isMoved) return;
    shard.isGated = fault !== "gates-late";
    shard.stream = { id: SWITCHED, sent: shard.tick, acknowledged: shard.tick };
    this.kept = shard.tick;
    this.wasInSync = true;
  }

  /** `mirrored`: the world for which the same transaction makes `b` the mirror. */
  private put(key: string, value: Uint8Array, mirrored?: number): void {
    const mirror =
      mirrored === undefined
        ? undefined
        : encodeRecord("mirror", {
            ...{ id: SWITCHED, world: mirrored, epoch: 0, node: "b", boot: "b1" },
            state: "in-sync",
          });
    this.store.txn({
      compare: [],
      then: [
        { type: "put", key, value },
        ...(mirror === undefined
          ? []
          : [{ type: "put", key: mirrorKey(SHARD), value: mirror } as const]),
      ],
    });
  }

  private propose(made: { ok: true; txn: TxnRequest } | { ok: false }): boolean {
    return made.ok && this.store.txn(made.txn).succeeded;
  }

  // The owner

  private tellOwner(event: OwnerEvent): void {
    if (!this.a.alive) return;
    for (const effect of this.owner.handle(event, this.now)) this.ofOwner(effect);
  }

  private ofOwner(effect: OwnerEffect): void {
    const { shard } = this;
    switch (effect.type) {
      case "gate":
        if (this.fault !== "gates-late") shard.isGated = true;
        return;
      case "release":
        return this.release(effect.tick + (this.fault === "releases-ahead" ? 1 : 0));
      case "ungate":
        shard.isGated = false;
        this.wasCleared ||= this.wasInSync;
        return this.release(shard.tick);
      case "in-sync":
        shard.isGated = true;
        this.wasInSync = true;
        return;
      case "lost":
        if (this.fault !== "ungates-early") return;
        shard.isGated = false;
        return this.release(shard.tick);
      case "txn":
        return this.later("a", effect.request, (answer) =>
          this.tellOwner({ type: "answered", attempt: effect.attempt, answer }),
        );
      case "pulse":
        if (shard.stream !== undefined) this.toFollower.push({ type: "pulse" });
        return;
      case "end":
        if (shard.stream !== undefined) this.toFollower.push({ type: "close" });
        shard.stream = undefined;
        return;
      case "freed":
        return;
    }
  }

  /** Lets out what ticks up to this one had to say. */
  private release(tick: number): void {
    const { shard } = this;
    const upTo = Math.min(tick, shard.tick);
    if (upTo <= shard.released) return;
    shard.released = upTo;
    if (this.tickAtPromotion !== undefined)
      assert.ok(upTo <= this.tickAtPromotion, "it lets out what it made as the owner no more");
    if (this.promoted !== undefined)
      assert.ok(upTo <= this.promoted, "what is let out is not in what the mirror went on with");
  }

  private ticks(): void {
    const { shard, owner } = this;
    if (!this.a.runs || owner.phase === "over") return;
    shard.tick += 1;
    this.tellOwner({ type: "ticked", tick: shard.tick });
    this.sendDeltas();
    if (!shard.isGated) this.release(shard.tick);
  }

  private sendDeltas(): void {
    const { stream, tick } = this.shard;
    if (stream === undefined) return;
    while (stream.sent < tick) this.toFollower.push({ type: "delta", tick: ++stream.sent });
  }

  private hearFollower(message: ToOwner): void {
    const { shard, a, owner } = this;
    if (message.type === "close") {
      shard.stream = undefined;
      return this.tellOwner({ type: "failed", code: "failed", reason: "planted" });
    }
    if (message.type === "ack") {
      const { stream } = shard;
      if (stream === undefined || message.tick > stream.sent) return;
      stream.acknowledged = Math.max(stream.acknowledged, message.tick);
      this.tellOwner({ type: "acknowledged", tick: message.tick });
      const isNear = shard.tick - stream.acknowledged <= 1;
      return this.tellOwner({ type: isNear ? "caught-up" : "lagging" });
    }
    const { mirror, owner: seen } = a.view();
    const isAhead = this.isMoved && message.id === SWITCHED && seen.modified < this.epoch;
    const isKnown = isAhead || mirror.record?.id === message.id;
    const isGood = isKnown && owner.phase !== "clearing";
    if (!isGood || owner.phase === "over") return void this.toFollower.push({ type: "close" });
    this.tellOwner({ type: "opened", id: message.id });
    const { stream } = shard;
    const goesOn = stream?.id === message.id && message.tick !== undefined;
    if (goesOn && message.tick >= stream.acknowledged && message.tick <= shard.tick) {
      stream.sent = message.tick;
      this.sendDeltas();
      return;
    }
    shard.stream = { id: message.id, sent: shard.tick, acknowledged: 0 };
    this.toFollower.push({ type: "copy", tick: shard.tick });
    this.tellOwner({ type: "copying" });
  }

  // The mirror

  private tellFollower(event: FollowerEvent): void {
    if (!this.b.alive) return;
    for (const effect of this.follower?.handle(event, this.now) ?? []) this.ofFollower(effect);
  }

  private lookAtMirror(): void {
    const { b } = this;
    const { mirror } = b.view();
    const { record } = mirror;
    if (record !== undefined && record.id !== this.followed && this.follower === undefined) {
      this.followed = record.id;
      const me = { node: "b", boot: "b1", generation: this.store.generation };
      this.state = undefined;
      this.isSilent = false;
      const epoch = mirroredEpoch(mirror) ?? 0;
      const comes = this.kept !== undefined;
      this.follower = new MirrorFollower(
        { shard: SHARD, me, mirror: { ...record, epoch }, suspectMs: 400, comes },
        () => b.view(),
        this.now,
      );
      if (!comes) this.tellFollower({ type: "begin" });
    } else if (this.kept !== undefined) this.tellFollower({ type: "begin" });
    this.tellFollower({ type: "look" });
  }

  private ofFollower(effect: FollowerEffect): void {
    switch (effect.type) {
      case "prepare":
        return this.tellFollower({ type: "prepared" });
      case "follow":
        this.state = this.kept;
        this.kept = undefined;
        if (this.state !== undefined) this.tellFollower({ type: "following" });
        return this.open();
      case "silence":
        this.isSilent = true;
        return;
      case "reopen":
        this.isSilent = false;
        return this.open();
      case "txn":
        if (this.fault === "withdraws-never" && effect.request.then.length === 1) return;
        if (this.fault === "promotes-early") this.promoted ??= this.state;
        return this.later("b", effect.request, (answer) => {
          this.tellFollower({ type: "answered", attempt: effect.attempt, answer });
        });
      case "promote": {
        assert.equal(this.store.get(ownerKey(SHARD))?.modified, effect.epoch);
        if (this.isTornAway && this.state === undefined) {
          // Its thread died after it proposed itself: it is opened from the disk, and says that it went back.
          this.promoted = this.shard.tick;
          return this.tellFollower({ type: "promoted", problem: "its replica is gone" });
        }
        assert.ok(this.state !== undefined, "it goes on with nothing");
        assert.ok(this.state >= this.shard.released, "what was let out is not in its state");
        this.promoted = this.state;
        return this.tellFollower({ type: "promoted" });
      }
      case "drop":
        this.state = undefined;
        this.toOwner.push({ type: "close" });
        return;
      case "over":
        this.follower = undefined;
        return;
      case "suspected":
      case "withdraws":
        return;
    }
  }

  private open(): void {
    this.toOwner.push({ type: "open", id: this.followed ?? "", tick: this.state });
  }

  private hearOwner(message: ToFollower): void {
    if (this.follower === undefined || this.promoted !== undefined) return;
    if (message.type !== "close") this.tellFollower({ type: "heard" });
    const goesOn = this.fault === "acknowledges-on";
    if (this.isSilent && !goesOn) return;
    switch (message.type) {
      case "close":
        return this.tellFollower({ type: "closed" });
      case "copy":
        this.state = message.tick;
        this.tellFollower({ type: "copying" });
        this.tellFollower({ type: "following" });
        return this.acknowledge();
      case "delta":
        if (this.state === undefined || message.tick <= this.state) return;
        if (message.tick !== this.state + 1) return;
        this.state = message.tick;
        return this.acknowledge();
      case "pulse":
        return this.acknowledge();
    }
  }

  private acknowledge(): void {
    if (this.state !== undefined) this.toOwner.push({ type: "ack", tick: this.state });
  }

  // Between them

  private later(node: "a" | "b", request: TxnRequest, answered: Work["answered"]): void {
    this.work.push({ node, request, answered });
  }

  private carryOut({ node, request, answered }: Work, how: "ok" | "lost" | "never"): void {
    const { succeeded, revision } =
      how === "never" ? { succeeded: false, revision: 0 } : this.store.txn(request);
    if (!this[node].alive) return;
    if (how !== "ok") return answered({ type: "failed", problem: "planted", unknown: true });
    answered(succeeded ? { type: "done", revision } : { type: "conflict" });
  }

  private cut(): void {
    this.toFollower.length = 0;
    this.toOwner.length = 0;
  }

  /** A link that was cut is there again: the follower says where it is. */
  private linkAgain(): void {
    if (this.follower?.phase === "following" && this.promoted === undefined) this.open();
  }

  private flow(count: number): void {
    for (let left = count; left > 0; left--) {
      if (this.a.runs) {
        const [message] = this.toOwner.splice(0, 1);
        if (message !== undefined) this.hearFollower(message);
      }
      if (this.b.runs) {
        const [message] = this.toFollower.splice(0, 1);
        if (message !== undefined) this.hearOwner(message);
      }
    }
  }

  private lookAround(side: Side, count: number): void {
    if (!side.runs) return;
    side.deliver(count);
    if (side === this.a) this.tellOwner({ type: "look" });
    else this.lookAtMirror();
  }

  private pass(ms: number): void {
    this.now += ms;
    if (this.a.runs && this.now >= this.owner.nextAt) this.tellOwner({ type: "time" });
    const { follower } = this;
    if (this.b.runs && follower !== undefined && this.now >= follower.nextAt)
      this.tellFollower({ type: "time" });
  }

  private ask(): void {
    const view = mirrorView(this.store, "arena", "b");
    if (view.mirror.record !== undefined) return;
    const id = String(++this.asked).padStart(16, "0");
    this.propose(askMirror(SHARD, view, { id, node: "b", generation: this.store.generation }));
  }

  // What happens

  step({ action, pick }: Step): void {
    const { a, b, work } = this;
    switch (action) {
      case "tick":
        return this.ticks();
      case "flow":
        return this.flow(1 + (pick % 6));
      case "look":
        this.lookAround(a, 1 + (pick % 3));
        return this.lookAround(b, 1 + (pick % 2));
      case "look-mirror":
        return this.lookAround(b, 1 + (pick % 3));
      case "ask":
        return this.ask();
      case "time":
        return this.pass(10 + pick * 10);
      case "calm":
        for (let n = 0; n < 10; n++) this.calm();
        return;
      case "txn":
      case "lose-answer":
      case "never":
      case "applied-late": {
        const [each] = work.splice(pick % Math.max(1, work.length), 1);
        if (each === undefined) return;
        if (action === "applied-late") {
          // Whoever asked hears nothing, and it is applied whenever.
          if (this[each.node].alive)
            each.answered({ type: "failed", problem: "planted", unknown: true });
          return void work.push({ ...each, answered: () => undefined });
        }
        return this.carryOut(each, action === "txn" ? "ok" : action === "never" ? "never" : "lost");
      }
      case "cut":
        this.cut();
        if (pick % 2 === 0) this.linkAgain();
        return;
      case "pause":
        (pick % 2 === 0 ? a : b).paused = true;
        return;
      case "go-on":
        a.paused = b.paused = false;
        return;
      case "owner-gone":
        return b.runs ? this.tellFollower({ type: "owner-gone" }) : undefined;
      case "replica-dies":
        if (!b.runs || this.promoted !== undefined || this.state === undefined) return;
        this.state = undefined;
        this.isTornAway ||= this.follower?.phase === "suspecting";
        this.toOwner.push({ type: "close" });
        return this.tellFollower({ type: "failed", code: "failed", reason: "planted" });
      case "abandon":
        // The control plane does so when the mirror's node is gone.
        if (b.alive) return;
        return void this.store.txn(
          abandonMirror(SHARD, this.store.seen("mirror", mirrorKey(SHARD))),
        );
      case "free":
        return this.tellOwner(
          pick % 2 === 0 ? { type: "free", reason: "planted" } : { type: "stay" },
        );
      case "crash-owner":
        a.alive = false;
        return this.cut();
      case "crash-mirror":
        if (this.promoted !== undefined) return;
        b.alive = false;
        return this.cut();
    }
  }

  private calm(ms = 20): void {
    const { a, b, work } = this;
    a.paused = b.paused = false;
    this.lookAround(a, 100);
    this.lookAround(b, 100);
    this.flow(20);
    for (const each of work.splice(0)) this.carryOut(each, "ok");
    this.ticks();
    this.flow(20);
    this.pass(ms);
  }

  /** Faults are over: whoever can goes on. */
  settle(): void {
    const { a, b, store } = this;
    for (const side of [a, b]) {
      if (side.alive) continue;
      const node = store.seen("node", nodeKey(side.node));
      store.leases.delete(side.node);
      this.propose(markLost(side.node, node, store.term));
    }
    this.tellOwner({ type: "stay" });
    this.linkAgain();
    for (let n = 0; n < 120; n++) this.calm(100);
    const owner = store.seen("owner", ownerKey(SHARD)).record;
    const mirror = store.seen("mirror", mirrorKey(SHARD)).record;
    if (owner?.node === "b") {
      if (b.alive) assert.ok(this.promoted !== undefined, "it is the owner, and does not act");
      return;
    }
    if (a.alive) {
      if (!b.alive) assert.ok(mirror?.state !== "in-sync", "its mirror is gone, and stands there");
      assert.ok(this.shard.tick - this.shard.released <= 2, "what it says is not heard");
      return;
    }
    // It has taken over, or has withdrawn: then the control plane chooses.
    if (b.alive) assert.ok(mirror?.state !== "in-sync", "it is left to a mirror that does nothing");
  }
}

const often = [
  "tick",
  "tick",
  "flow",
  "flow",
  "flow",
  "look",
  "look",
  "txn",
  "time",
  "ask",
] as const;
const some = ["calm", "look-mirror", "lose-answer", "never", "applied-late", "go-on"] as const;
const rare = [
  ...(["cut", "cut", "pause", "pause", "owner-gone", "replica-dies", "free", "abandon"] as const),
  ...(["crash-owner", "crash-mirror"] as const),
] as const;
const step = fc.record({
  action: fc.oneof(
    { arbitrary: fc.constantFrom(...often), weight: 20 },
    { arbitrary: fc.constantFrom(...some), weight: 6 },
    { arbitrary: fc.constantFrom(...rare), weight: 2 },
  ),
  pick: fc.nat(100),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function check(
  fault: Fault,
  numRuns: number,
  isMoved = false,
): { promoted: number; cleared: number } {
  const ends = { promoted: 0, cleared: 0 };
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 120, size: "max" }), (steps) => {
      const model = new Model(fault, isMoved);
      for (const planned of steps) model.step(planned);
      model.settle();
      if (model.promoted !== undefined) ends.promoted += 1;
      if (model.wasCleared) ends.cleared += 1;
    }),
    { numRuns, endOnFailure: true },
  );
  return ends;
}

test("what was let out is in what the mirror goes on with, and it ends in one place", () => {
  const { promoted, cleared } = check("none", share(500));
  assert.ok(
    promoted > share(30) && cleared > share(30),
    `${promoted} were promoted, ${cleared} cleared`,
  );
});

test("the same right behind a move, with what it moved from as the mirror", () => {
  const { promoted, cleared } = check("none", share(500), true);
  assert.ok(
    promoted > share(30) && cleared > share(30),
    `${promoted} were promoted, ${cleared} cleared`,
  );
});

describe("what would break it is found:", () => {
  for (const fault of [
    "gates-late",
    "ungates-early",
    "acknowledges-on",
    "promotes-early",
    "releases-ahead",
    "withdraws-never",
  ] as const)
    test(fault, () => {
      assert.throws(() => check(fault, 3_000), { message: /Property failed/ });
    });

  for (const fault of ["gates-late", "ungates-early", "acknowledges-on"] as const)
    test(`${fault}, right behind a move`, () => {
      assert.throws(() => check(fault, 3_000, true), { message: /Property failed/ });
    });
});
