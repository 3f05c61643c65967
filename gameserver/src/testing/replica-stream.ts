import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { ReplicaDelta, ReplicaPiece, ToOwner, ToReplica } from "@atlasnet/core";
import type { FromThread, ToThread } from "../host/protocol.ts";
import { newReplicaCounts } from "../replica/counts.ts";
import { ReplicaSource } from "../replica/source.ts";
import type { ReplicaSourceOptions, SourceEffect, SourceEvent } from "../replica/source-types.ts";
import { ReplicaTarget } from "../replica/target.ts";
import type { TargetEffect, TargetEvent, TargetFact } from "../replica/target-types.ts";
import type { StateHash } from "../shard/state-digest.ts";

/** Chooses from what could happen next. */
export type Pick = (count: number) => number;

const SHARD = "arena/0";
const EPOCH = 7;
const definition = {
  name: "model",
  tickRate: 20,
} as unknown as Extract<FromThread, { type: "copy-begun" }>["definition"];

type Ended =
  | { readonly type: "sealed"; readonly tick: number }
  | { readonly type: "failed"; readonly code: string; readonly reason: string };

/** Bytes that ticks change at random. */
class ModelState {
  readonly bytes: Uint8Array;
  tick: number;

  constructor(bytes: Uint8Array, tick: number) {
    this.bytes = bytes;
    this.tick = tick;
  }

  /** A delta is pairs of a place (two bytes) and what is added there: taking one in twice does harm. */
  apply(delta: Uint8Array, tick: number): void {
    for (let i = 0; i + 2 < delta.length; i += 3) {
      const at = ((delta[i] ?? 0) << 8) | (delta[i + 1] ?? 0);
      if (at < this.bytes.length)
        this.bytes[at] = ((this.bytes[at] ?? 0) + (delta[i + 2] ?? 0)) & 255;
    }
    this.tick = tick;
  }

  digest(): StateHash {
    return { hash: this.hash(), sections: new Uint8Array(48).fill(this.tick) };
  }

  hash(): Uint8Array {
    return createHash("md5").update(`${this.tick}/`).update(this.bytes).digest();
  }
}

function hashOf(state: ModelState): string {
  return Buffer.from(state.hash()).toString("hex");
}

/** The owner's world thread. What it is told and what it says keeps its order, nothing more. */
class OwnerThread {
  readonly state: ModelState;
  readonly inbox: SourceThreadMessage[] = [];
  readonly facts: FromThread[] = [];
  /** The hash after every tick. */
  readonly history = new Map<number, string>();
  sealed = false;
  private readonly copies = new Map<number, { bytes: Uint8Array; from: number }>();

  constructor(bytes: number) {
    this.state = new ModelState(new Uint8Array(bytes), 1);
    this.note();
  }

  get openCopies(): number {
    return this.copies.size;
  }

  tick(pick: Pick): void {
    if (this.sealed) return;
    const previous = this.state.tick;
    // A world that rests skips ticks.
    const tick = previous + 1 + (pick(8) === 0 ? pick(5) : 0);
    const data = new Uint8Array(3 * pick(6));
    for (let i = 0; i < data.length; i += 3) {
      data[i + 1] = pick(200);
      data[i + 2] = 1 + pick(255);
    }
    this.state.apply(data, tick);
    this.note();
    if (this.copies.size > 0)
      this.facts.push({ type: "delta", shard: SHARD, previous, tick, data });
  }

  seal(): void {
    this.sealed = true;
    const { tick } = this.state;
    this.facts.push({ type: "sealed", shard: SHARD, tick, ...this.state.digest(), dueMs: 10 });
  }

  work(pick: Pick): void {
    const message = this.inbox.shift();
    if (message?.type === "copy") {
      const { tick, bytes } = this.state;
      this.copies.set(message.copy, { bytes: bytes.slice(), from: 0 });
      const about = { shard: SHARD, copy: message.copy, tick, timeline: 3, tickRate: 20 };
      this.facts.push({ type: "copy-begun", ...about, definition });
    } else if (message?.type === "end-copy") this.copies.delete(message.copy);
    else if (message !== undefined) this.read(message, pick);
  }

  private read(message: Extract<ToThread, { type: "read-copy" }>, pick: Pick): void {
    const copy = this.copies.get(message.copy);
    if (copy === undefined) return;
    const { offset, maxBytes } = message;
    assert.ok(offset >= copy.from, "what was read is not kept");
    copy.from = offset;
    const left = copy.bytes.length - offset;
    const length = Math.min(left, pick(3) === 0 ? 1 + pick(maxBytes) : maxBytes);
    // The last piece may be empty: whoever writes a state does not always know that it ends.
    const last = length === left && (length === 0 || pick(2) === 0);
    const data = copy.bytes.slice(offset, offset + length);
    this.facts.push({ type: "copy-piece", shard: SHARD, copy: message.copy, offset, data, last });
  }

  private note(): void {
    this.history.set(this.state.tick, hashOf(this.state));
  }
}

type SourceThreadMessage = Extract<SourceEffect, { type: "thread" }>["message"];
type TargetThreadMessage =
  | Extract<TargetEffect, { type: "thread" }>["message"]
  | Extract<TargetEffect, { type: "replica" }>;

/** The follower's world thread: it believes whatever it is given. */
class FollowerThread {
  readonly inbox: TargetThreadMessage[] = [];
  readonly facts: TargetFact[] = [];
  state: ModelState | undefined;
  private tickOfCopy = 0;
  private loaded: number[] | undefined;

  work(): void {
    const message = this.inbox.shift();
    if (message === undefined) return;
    if (message.type === "replica") {
      assert.equal(this.loaded, undefined, "two replicas at a time");
      this.loaded = [];
      this.tickOfCopy = message.state.tick;
      this.facts.push({ type: "replica-open", shard: SHARD });
    } else if (message.type === "drop-replica") {
      this.loaded = undefined;
      this.state = undefined;
    } else if (message.type === "keep-replica") {
      const tick = this.state?.tick ?? 0;
      this.facts.push({ type: "replica-kept", shard: SHARD, tick });
    } else {
      if (message.type === "replica-piece") this.piece(message);
      else this.state?.apply(message.data, message.tick);
      this.tell();
    }
  }

  private piece({ data, last }: Extract<ToThread, { type: "replica-piece" }>): void {
    this.loaded?.push(...data);
    if (last) this.state = new ModelState(Uint8Array.from(this.loaded ?? []), this.tickOfCopy);
  }

  private tell(): void {
    const bytes = this.loaded?.length ?? 0;
    const about = { type: "replica-at", shard: SHARD, bytes } as const;
    if (this.state === undefined) this.facts.push({ ...about, tick: 0 });
    else this.facts.push({ ...about, tick: this.state.tick, ...this.state.digest() });
  }
}

/** Channels of one link, each in order, none before another. */
class ModelLink {
  readonly toOwner: ToOwner[] = [];
  readonly toFollower: ToReplica[] = [];
  readonly bulk: ToReplica[] = [];
  isCut = false;

  cut(): void {
    this.isCut = true;
    this.toOwner.length = 0;
    this.toFollower.length = 0;
    this.bulk.length = 0;
  }
}

/** What a link does to a message that it should bring once and unharmed. */
export type Harm = (message: ReplicaPiece | ReplicaDelta) => readonly ToReplica[];

export interface StreamModelOptions {
  readonly stateBytes: number;
  readonly source?: Partial<ReplicaSourceOptions>;
  /** Of both sides. */
  readonly resumeMs: number;
}

/**
 * An owner and a follower with their world threads, over links that are cut; everything that can happen next happens
 * in any order. It checks all the time that the follower's thread has a state that the owner's had at that tick.
 */
export class StreamModel {
  readonly owner: OwnerThread;
  readonly follower = new FollowerThread();
  readonly sourceCounts = newReplicaCounts();
  readonly targetCounts = newReplicaCounts();
  readonly source: ReplicaSource;
  readonly target: ReplicaTarget;
  now = 1000;
  /** How each side's stream ended; the target's `sealed` counts as an end. */
  sourceEnd: Ended | undefined;
  targetEnd: Ended | undefined;
  isReady = false;
  isCaughtUp = false;
  private link: ModelLink | undefined;
  /** The link that the owner's side has in hand. */
  private ownersLink: ModelLink | undefined;
  private copies = 0;
  private readonly wasAt = new Set<number>();

  constructor({ stateBytes, source, resumeMs }: StreamModelOptions) {
    this.owner = new OwnerThread(stateBytes);
    const about = { shard: SHARD, epoch: EPOCH, id: "1f" };
    const checksum = (bytes: Uint8Array) => crc32(bytes);
    this.source = new ReplicaSource(
      { ...about, pieceBytes: 40, windowBytes: 100, bytesPerSecond: 50_000, resumeMs, ...source },
      { nextCopy: () => (this.copies += 1), checksum, counts: this.sourceCounts },
    );
    this.target = new ReplicaTarget(
      { ...about, boot: "b", keeps: true, resumeMs },
      { checksum, counts: this.targetCounts },
    );
  }

  get isOver(): boolean {
    return this.targetEnd !== undefined;
  }

  cut(): void {
    this.link?.cut();
  }

  seal(): void {
    if (!this.owner.sealed) this.owner.seal();
  }

  /** Everything under way happens, in some order; time goes on until nothing waits for it. */
  settle(): void {
    for (;;) {
      while (this.step(() => 0));
      const next = Math.min(this.source.nextAt, this.target.nextAt);
      if (next === Number.POSITIVE_INFINITY) return;
      this.now = Math.max(this.now, next);
    }
  }

  pass(ms: number): void {
    this.now += ms;
  }

  /** Damages, loses or doubles the next message of a channel to the follower. */
  harm(harm: Harm, bulk: boolean): void {
    const queue = (bulk ? this.link?.bulk : this.link?.toFollower) ?? [];
    for (const [index, message] of queue.entries())
      if (message.type === "replica-piece" || message.type === "replica-delta") {
        queue.splice(index, 1, ...harm(message));
        return;
      }
  }

  /** One of the things that can happen now; false when nothing can. */
  step(pick: Pick): boolean {
    const possible = this.possible();
    const run = possible[pick(possible.length)];
    if (run === undefined) return false;
    run(pick);
    return true;
  }

  private possible(): ((pick: Pick) => void)[] {
    const { link, owner, follower, source, target, now } = this;
    const can: ((pick: Pick) => void)[] = [];
    const fact = owner.facts[0];
    if (fact !== undefined) can.push(() => this.sourceFact());
    if (owner.inbox.length > 0) can.push((pick) => owner.work(pick));
    if (follower.inbox.length > 0) can.push(() => this.followerWorks());
    if (follower.facts.length > 0) can.push(() => this.targetFact());
    if (link === undefined) {
      if (!target.over) can.push(() => this.dial());
    } else if (link.isCut) can.push(() => this.followerLoses());
    else {
      if (link.toFollower.length > 0) can.push(() => this.arrives(link.toFollower.shift()));
      if (link.bulk.length > 0) can.push(() => this.arrives(link.bulk.shift()));
      if (link.toOwner.length > 0) can.push(() => this.ownerHears(link));
    }
    if (this.ownersLink?.isCut === true) can.push(() => this.ownerLoses());
    if (now >= source.nextAt) can.push(() => this.tellSource({ type: "time" }));
    if (now >= target.nextAt) can.push(() => this.tellTarget({ type: "time" }));
    return can;
  }

  private followerWorks(): void {
    this.follower.work();
    const { state } = this.follower;
    if (state === undefined) return;
    const hash = hashOf(state);
    assert.equal(hash, this.owner.history.get(state.tick), `another state at tick ${state.tick}`);
    this.wasAt.add(state.tick);
  }

  private sourceFact(): void {
    const fact = this.owner.facts.shift();
    if (
      fact?.type === "copy-begun" ||
      fact?.type === "copy-piece" ||
      fact?.type === "delta" ||
      fact?.type === "sealed"
    )
      this.tellSource({ type: "thread", message: fact });
  }

  private targetFact(): void {
    const message = this.follower.facts.shift();
    if (message !== undefined) this.tellTarget({ type: "thread", message });
  }

  private dial(): void {
    this.link = new ModelLink();
    this.tellTarget({ type: "link-up" });
  }

  private followerLoses(): void {
    this.link = undefined;
    this.tellTarget({ type: "link-lost" });
  }

  private ownerLoses(): void {
    this.ownersLink = undefined;
    this.tellSource({ type: "link-lost" });
  }

  private ownerHears(link: ModelLink): void {
    const message = link.toOwner.shift();
    if (message === undefined) return;
    if (message.type === "replica-open") {
      this.ownersLink = link;
      this.tellSource({ type: "opened", open: message });
    } else if (link === this.ownersLink) this.tellSource({ type: "message", message });
  }

  private arrives(message: ToReplica | undefined): void {
    if (message !== undefined) this.tellTarget({ type: "message", message });
  }

  private tellSource(event: SourceEvent): void {
    for (const effect of this.source.handle(event, this.now)) {
      if (effect.type === "thread") this.owner.inbox.push(effect.message);
      else if (effect.type === "send") {
        const link = this.ownersLink;
        if (link?.isCut === false) (effect.bulk ? link.bulk : link.toFollower).push(effect.message);
      } else if (effect.type === "copying") this.isReady = false;
      else if (effect.type === "ready") this.isReady = true;
      else if (effect.type === "caught-up") this.isCaughtUp = true;
      else if (effect.type === "lagging") this.isCaughtUp = false;
      else if (effect.type === "acknowledged")
        assert.ok(this.wasAt.has(effect.tick), `tick ${effect.tick} was acknowledged too early`);
      else if (effect.type === "failed") this.sourceEnd = effect;
    }
  }

  private tellTarget(event: TargetEvent): void {
    for (const effect of this.target.handle(event, this.now)) {
      if (effect.type === "thread") this.follower.inbox.push(effect.message);
      else if (effect.type === "replica") this.follower.inbox.push(effect);
      else if (effect.type === "send") {
        if (this.link?.isCut === false) this.link.toOwner.push(effect.message);
      } else if (effect.type === "sealed") {
        const { state } = this.follower;
        assert.deepEqual(state?.bytes, this.owner.state.bytes);
        assert.equal(effect.tick, this.owner.state.tick);
        this.targetEnd = effect;
      } else if (effect.type === "failed") this.targetEnd = effect;
    }
  }
}
