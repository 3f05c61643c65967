import {
  clipText,
  MAX_REASON_BYTES,
  MAX_REPLICA_DELTA_BYTES,
  type ReplicaCloseCode,
  type ReplicaCopy,
  type ReplicaDelta,
  type ReplicaPiece,
  type ReplicaSealed,
  sameBytes,
  type ToOwner,
  type ToReplica,
} from "@atlasnet/core";
import { KEPT_COPY } from "../host/protocol.ts";
import {
  MAX_REPLICA_STATE_BYTES,
  MIRROR_QUEUE_BYTES,
  REPLICA_RESUME_MS,
  REPLICA_WINDOW_BYTES,
} from "./bounds.ts";
import { IncomingCopy } from "./incoming-copy.ts";
import type { ToldHash } from "./state-comparison.ts";
import type {
  ReplicaTargetDependencies,
  ReplicaTargetOptions,
  TargetEffect,
  TargetEvent,
  TargetFact,
  TargetProgress,
} from "./target-types.ts";

/** What came and the world thread has not taken in: an owner that keeps its windows stays below. */
const MAX_UNTAKEN_BYTES = 4 * REPLICA_WINDOW_BYTES + MAX_REPLICA_DELTA_BYTES;

interface Seal extends ToldHash {
  readonly tick: number;
  readonly receivedAt: number;
  readonly dueAt: number;
  readonly keeps: boolean;
}

/**
 * A replica stream on the follower's side: a shard that another node owns, over one link after another. Pure: `handle`
 * takes what happened and the time, and returns what is to be done; `nextAt` says when `time` is to be told.
 *
 *     const target = new ReplicaTarget({ shard, epoch, id, boot, keeps }, { checksum, counts });
 *     for (const effect of target.handle({ type: "link-up" }, clock.now())) …
 *
 * 1. The world thread gets only what is whole, undamaged, of this epoch and copy, and the next one. Anything else
 *    ends the stream.
 * 2. Pieces of a copy come only after this side has said that its thread waits for them.
 * 3. One replica is in the thread at a time; another is asked for after the answer about the one before.
 * 4. `sealed` is told once, when the state here was compared with the owner's, and is the same. From then on nothing
 *    that the owner says or the link does ends the stream: a switch may be under way.
 * 5. A stream that begins with a state which the thread has is one whose copy, number KEPT_COPY, came whole before.
 * 6. After `done` or `failed`, and after an `end`, nothing comes of any event; but for `done`, the replica was dropped.
 */
export class ReplicaTarget {
  private readonly options: Required<Omit<ReplicaTargetOptions, "begins">>;
  private readonly dependencies: ReplicaTargetDependencies;
  private effects: TargetEffect[] = [];
  private now = Number.NEGATIVE_INFINITY;
  private copy: IncomingCopy | undefined;
  /** Came while the thread had not answered about the copy before. */
  private offered: ReplicaCopy | undefined;
  private seal: Seal | undefined;
  private isSame = false;
  private isLinked = false;
  private lostAt = Number.POSITIVE_INFINITY;
  /** The owner has offered the present copy on the present link. */
  private isAnnounced = false;
  /** Of the present copy. */
  private wasCaughtUp = false;
  private isReady = false;
  private isOver = false;

  constructor(options: ReplicaTargetOptions, dependencies: ReplicaTargetDependencies) {
    const { begins, ...others } = options;
    this.options = {
      maxStateBytes: MAX_REPLICA_STATE_BYTES,
      resumeMs: REPLICA_RESUME_MS,
      ...others,
    };
    this.dependencies = dependencies;
    if (begins === undefined) return;
    const { shard, epoch } = options;
    const offered = { type: "replica-copy", shard, epoch, copy: KEPT_COPY, ...begins } as const;
    this.copy = IncomingCopy.had({ ...offered, bytes: 0, offset: 0 });
    this.wasCaughtUp = true;
  }

  /** It is over: done, failed or ended. */
  get over(): boolean {
    return this.isOver;
  }

  get progress(): TargetProgress {
    const { copy } = this;
    return {
      copy: copy?.number ?? 0,
      bytes: copy?.takenBytes ?? 0,
      totalBytes: copy?.totalBytes ?? 0,
      whole: (copy?.takenTick ?? 0) > 0,
      tick: copy?.takenTick ?? 0,
      lagTicks: copy?.untakenDeltas ?? 0,
    };
  }

  /** When `time` has to be told next, in ms on the clock of `handle`; Infinity when nothing waits for it. */
  get nextAt(): number {
    const waits = !this.isOver && !this.isLinked && !this.isSame;
    return waits ? this.lostAt + this.options.resumeMs : Number.POSITIVE_INFINITY;
  }

  /** `now` in ms, on any clock that does not go back. */
  handle(event: TargetEvent, now: number): readonly TargetEffect[] {
    if (this.isOver) return [];
    this.now = now;
    this.take(event);
    const { effects } = this;
    this.effects = [];
    return effects;
  }

  private take(event: TargetEvent): void {
    switch (event.type) {
      case "link-up":
        return this.linkUp();
      case "link-lost":
        return this.linkLost();
      case "message":
        return this.message(event.message);
      case "thread":
        return this.fact(event.message);
      case "replica-failed":
        this.copy = undefined;
        return this.fail(event.code, event.problem);
      case "end":
        return this.end(event.code, event.reason);
      case "done":
        return this.done(event.owner);
      case "time":
        if (this.now >= this.nextAt)
          this.fail("failed", `no link to the owner for ${this.options.resumeMs} ms`);
    }
  }

  // The link.

  private linkUp(): void {
    this.linkLost();
    this.isLinked = true;
    const { shard, epoch, id, boot } = this.options;
    const { copy } = this;
    const about = { type: "replica-open", shard, epoch, id, boot } as const;
    // What came is in the thread, or on its way there.
    if (copy === undefined) this.send(about);
    else if (!copy.whole) this.send({ ...about, copy: copy.number, bytes: copy.bytes });
    else this.send({ ...about, copy: copy.number, bytes: copy.bytes, tick: copy.tick });
  }

  private linkLost(): void {
    if (this.isLinked) this.lostAt = this.now;
    this.isLinked = false;
    this.isAnnounced = false;
    // It was not answered: the owner offers it again.
    this.offered = undefined;
  }

  private message(message: ToReplica): void {
    // Whoever has the owner's last state is not stopped by the owner any more, only by the record.
    if (!this.isLinked || this.isSame) return;
    if (message.type === "replica-close") {
      // Of a stream before this one, sent before its owner had heard of this.
      if (message.id !== this.options.id) return;
      this.isLinked = false;
      return this.fail(message.code, message.reason, true);
    }
    if (
      message.epoch !== this.options.epoch &&
      (this.isAnnounced || message.type === "replica-copy")
    )
      return this.fail(
        "wrong-epoch",
        `${message.type} of epoch ${message.epoch}, not of ${this.options.epoch}`,
      );
    if (message.type === "replica-copy") return this.offer(message);
    // Before the owner has offered its copy, all that comes is of a stream before this one over the same channels, as
    // a mirror's that ended here when its shard began to move here.
    const { copy } = this;
    if (!this.isAnnounced || copy === undefined) return;
    switch (message.type) {
      case "replica-piece":
        return this.piece(copy, message);
      case "replica-delta":
        return this.delta(copy, message);
      case "replica-pulse":
        return this.pulsed(copy, message);
      case "replica-sealed":
        return this.sealed(copy, message);
    }
  }

  private offer(message: ReplicaCopy): void {
    const { copy } = this;
    if (message.bytes > this.options.maxStateBytes) return this.tooLarge(message.bytes);
    if (copy !== undefined && message.copy === copy.number) {
      const problem = copy.resumeProblem(message);
      if (problem !== undefined) return this.bad(`copy ${copy.number} ${problem}`);
      this.isAnnounced = true;
      this.goOn(copy);
      if (this.isReady) this.sayReady(copy);
      return;
    }
    const newest = this.offered?.copy ?? copy?.number ?? 0;
    if (message.copy <= newest) return this.bad(`copy ${message.copy} comes after ${newest}`);
    if (message.offset !== 0)
      return this.bad(`copy ${message.copy} begins at byte ${message.offset}, nothing is here`);
    if (message.tick === 0) return this.bad(`copy ${message.copy} is of no tick`);
    this.isAnnounced = false;
    if (copy === undefined || copy.isOpen) this.begin(message);
    else this.offered = message;
  }

  private begin(message: ReplicaCopy): void {
    this.drop();
    this.copy = new IncomingCopy(message);
    this.offered = undefined;
    this.seal = undefined;
    this.isAnnounced = this.isLinked;
    this.wasCaughtUp = false;
    this.isReady = false;
    const { copy, tick, timeline, tickRate, definition, bytes } = message;
    this.effects.push(
      { type: "copying", copy, tick, bytes },
      { type: "replica", state: { tick, timeline, definition }, tickRate },
    );
  }

  private piece(copy: IncomingCopy, message: ReplicaPiece): void {
    // Pieces go over a channel of their own: some of an older copy may still come.
    if (message.copy < copy.number) return;
    if (!copy.isOpen || message.copy !== copy.number)
      return this.bad(`a piece of copy ${message.copy} came before this side waited for it`);
    const problem = copy.pieceProblem(message, this.dependencies.checksum);
    if (problem !== undefined) return this.bad(`the copy's piece ${problem}`);
    copy.addPiece(message);
    if (copy.bytes > this.options.maxStateBytes) return this.tooLarge(copy.bytes);
    const { shard } = this.options;
    const { offset, data, last } = message;
    const { counts } = this.dependencies;
    counts.piecesReceived += 1;
    counts.pieceBytesReceived += data.byteLength;
    this.effects.push({
      type: "thread",
      message: { type: "replica-piece", shard, offset, data, last },
    });
    this.checkUntaken(copy);
  }

  private delta(copy: IncomingCopy, message: ReplicaDelta): void {
    if (this.seal !== undefined)
      return this.bad(`a delta of tick ${message.tick} came after the seal at ${this.seal.tick}`);
    const problem = copy.deltaProblem(message, this.dependencies.checksum);
    if (problem !== undefined) return this.bad(`the delta ${problem}`);
    copy.addDelta(message);
    const { shard } = this.options;
    const { previous, tick, data } = message;
    // The seal, which may be of any tick, is compared with what the thread said last.
    const hashed = this.options.keeps || message.hash !== undefined;
    const { counts } = this.dependencies;
    counts.deltasReceived += 1;
    counts.deltaBytesReceived += data.byteLength;
    this.effects.push({
      type: "thread",
      message: { type: "replica-delta", shard, previous, tick, data, hashed },
    });
    this.checkUntaken(copy);
    if (!this.options.keeps && !this.isOver) this.goOn(copy);
  }

  private pulsed(
    copy: IncomingCopy,
    { copy: number }: Extract<ToReplica, { type: "replica-pulse" }>,
  ): void {
    if (copy.number === number) this.goOn(copy);
  }

  private sealed(
    copy: IncomingCopy,
    { tick, hash, sections, dueMs, keeps = false }: ReplicaSealed,
  ): void {
    if (!copy.whole || tick !== copy.tick)
      return this.bad(`sealed at tick ${tick}, this state is of tick ${copy.tick}`);
    if (this.seal !== undefined) {
      // Said again over another link.
      if (!sameBytes(this.seal.hash, hash)) this.bad(`two hashes of tick ${tick}`);
      return;
    }
    const state = { hash, ...(sections && { sections }) };
    this.seal = { tick, ...state, receivedAt: this.now, dueAt: this.now + dueMs, keeps };
    this.compare(copy);
  }

  // The world thread.

  private fact(fact: TargetFact): void {
    const { copy, offered } = this;
    if (copy === undefined) return;
    if (fact.type === "replica-open") {
      if (copy.isOpen) return;
      copy.isOpen = true;
      if (offered !== undefined) this.begin(offered);
      else this.goOn(copy);
    } else if (!copy.isOpen) return;
    else if (fact.type === "replica-at") this.at(copy, fact);
    else this.kept(copy, fact.tick);
  }

  private at(copy: IncomingCopy, fact: Extract<TargetFact, { type: "replica-at" }>): void {
    const { mirrored } = copy;
    const difference = copy.took(fact.bytes, fact.tick, fact);
    if (difference !== undefined) return this.fail("hash-differs", difference);
    const isNews = mirrored === 0 || mirrored !== copy.mirroredTick(MIRROR_QUEUE_BYTES);
    if (this.options.keeps || isNews) this.goOn(copy);
    if (copy.isCaughtUp && !this.wasCaughtUp) {
      this.wasCaughtUp = true;
      this.effects.push({ type: "caught-up", tick: copy.tick });
      const { shard, keeps } = this.options;
      if (keeps) this.effects.push({ type: "thread", message: { type: "keep-replica", shard } });
    }
    this.compare(copy);
  }

  private kept(copy: IncomingCopy, tick: number): void {
    if (!this.wasCaughtUp || tick < copy.offered.tick || this.isReady) return;
    this.isReady = true;
    this.effects.push({ type: "ready" });
    this.sayReady(copy);
  }

  private compare(copy: IncomingCopy): void {
    const { seal } = this;
    if (seal === undefined || this.isSame) return;
    const { takenTick, takenHash } = copy;
    if (takenTick !== seal.tick || takenHash === undefined) return;
    const difference = copy.difference(seal);
    if (difference !== undefined) return this.fail("hash-differs", difference);
    this.isSame = true;
    const { tick, receivedAt, dueAt, keeps } = seal;
    const { timeline, tickRate, definition } = copy.offered;
    const kept = keeps && { kept: { tick, timeline, tickRate, definition } };
    this.effects.push({ type: "sealed", tick, receivedAt, dueAt, ...kept });
  }

  // What the owner is told.

  /** Tells the owner how far this side is. */
  private goOn(copy: IncomingCopy): void {
    if (!this.isAnnounced || !copy.isOpen) return;
    const { shard, epoch } = this.options;
    const { number, takenBytes: bytes } = copy;
    const tick = this.options.keeps ? copy.takenTick : copy.mirroredTick(MIRROR_QUEUE_BYTES);
    this.send({ type: "replica-ack", shard, epoch, copy: number, bytes, tick });
  }

  private sayReady({ number }: IncomingCopy): void {
    if (!this.isAnnounced) return;
    const { shard, epoch } = this.options;
    this.send({ type: "replica-ready", shard, epoch, copy: number });
  }

  // The end.

  private checkUntaken(copy: IncomingCopy): void {
    if (copy.untakenBytes > MAX_UNTAKEN_BYTES)
      this.fail("too-slow", `${copy.untakenBytes} bytes wait for the world thread`);
  }

  private tooLarge(bytes: number): void {
    const { maxStateBytes } = this.options;
    this.fail("too-slow", `a state of ${bytes} bytes, this node takes ${maxStateBytes} at most`);
  }

  private bad(reason: string): void {
    this.fail("bad-data", reason);
  }

  private fail(code: ReplicaCloseCode, reason: string, byPeer = false): void {
    this.dependencies.counts.failures += 1;
    this.end(code, reason);
    this.effects.push({ type: "failed", code, reason, byPeer });
  }

  private end(code: ReplicaCloseCode, reason: string): void {
    const { shard, epoch, id } = this.options;
    const clipped = clipText(reason, MAX_REASON_BYTES);
    if (this.isLinked)
      this.send({ type: "replica-close", shard, epoch, id, code, reason: clipped });
    this.isOver = true;
    this.drop();
  }

  private done(owner: number): void {
    const { shard, epoch } = this.options;
    if (this.isLinked) this.send({ type: "replica-done", shard, epoch, owner });
    this.isOver = true;
  }

  private drop(): void {
    if (this.copy === undefined) return;
    this.copy = undefined;
    const { shard } = this.options;
    this.effects.push({ type: "thread", message: { type: "drop-replica", shard } });
  }

  private send(message: ToOwner): void {
    this.effects.push({ type: "send", message });
  }
}
