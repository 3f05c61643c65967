import {
  clipText,
  MAX_REASON_BYTES,
  type ReplicaAck,
  type ReplicaCloseCode,
  type ReplicaOpen,
  type ToReplica,
} from "@atlasnet/core";
import type { StateHash } from "../shard/state-digest.ts";
import {
  MAX_COPIES,
  MAX_KEPT_DELTA_BYTES,
  MAX_KEPT_DELTAS,
  REPLICA_BYTES_PER_SECOND,
  REPLICA_PIECE_BYTES,
  REPLICA_RESUME_MS,
  REPLICA_WINDOW_BYTES,
} from "./bounds.ts";
import { CopySender } from "./copy-sender.ts";
import { OutgoingCopy } from "./outgoing-copy.ts";
import type {
  ReplicaSourceDependencies,
  ReplicaSourceOptions,
  SourceEffect,
  SourceEvent,
  SourceFact,
  SourceProgress,
} from "./source-types.ts";

type SourceMessage = Extract<SourceEvent, { type: "message" }>["message"];

interface Seal extends StateHash {
  readonly tick: number;
  readonly dueAt: number;
}

/**
 * A replica stream on the owner's side: one follower of one shard, over one link after another. Pure: `handle` takes
 * what happened and the time, and returns what is to be done; `nextAt` says when `time` is to be told.
 *
 *     const source = new ReplicaSource({ shard, epoch, id }, { nextCopy, checksum, counts });
 *     for (const effect of source.handle({ type: "opened", open }, clock.now())) …
 *
 * 1. Whoever makes it has checked the follower's ticket, and does so for every link anew.
 * 2. A piece is sent within the window and the rate, a delta once the follower has the whole copy. Both are kept
 *    until they are acknowledged: the stream goes on over another link from where the follower is.
 * 3. Where that cannot be, and at the bounds of what is kept, a new copy is begun; not more often than `maxCopies`.
 * 4. `replica-sealed` is behind the last delta.
 * 5. A stream that begins with a state that the follower has is one whose copy, number KEPT_COPY, came whole before.
 * 6. After `done` or `failed`, and after an `end`, the copy was ended, and all that comes of an event is that a link
 *    which asks again is told how the stream ended.
 */
export class ReplicaSource {
  private readonly options: Required<Omit<ReplicaSourceOptions, "begins">>;
  private readonly dependencies: ReplicaSourceDependencies;
  private readonly sender: CopySender;
  private effects: SourceEffect[] = [];
  private now = Number.NEGATIVE_INFINITY;
  /** The number that was asked for; its copy is there once the thread has begun it. */
  private asked = 0;
  private copies = 0;
  private copy: OutgoingCopy | undefined;
  private seal: Seal | undefined;
  private isLinked = false;
  private lostAt = Number.POSITIVE_INFINITY;
  /** On the present link: the follower was told of the copy, has answered, has heard of the seal. */
  private isOffered = false;
  private isAccepted = false;
  private isSealSaid = false;
  private isCaughtUp = false;
  private keeps = false;
  private isOver = false;
  /** How it ended, as whoever asks is told. */
  private ended: { readonly code: ReplicaCloseCode; readonly reason: string } = {
    code: "ended",
    reason: "the follower is the owner now",
  };

  constructor(options: ReplicaSourceOptions, dependencies: ReplicaSourceDependencies) {
    const { begins, ...others } = options;
    this.options = {
      bytesPerSecond: REPLICA_BYTES_PER_SECOND,
      windowBytes: REPLICA_WINDOW_BYTES,
      pieceBytes: REPLICA_PIECE_BYTES,
      maxKeptDeltaBytes: MAX_KEPT_DELTA_BYTES,
      maxKeptDeltas: MAX_KEPT_DELTAS,
      maxCopies: MAX_COPIES,
      resumeMs: REPLICA_RESUME_MS,
      ...others,
    };
    this.dependencies = dependencies;
    this.sender = new CopySender(this.options, dependencies);
    if (begins === undefined) return;
    this.copies = 1;
    this.copy = OutgoingCopy.had({ type: "copy-begun", shard: options.shard, ...begins });
  }

  /** It is over: done, failed or ended. */
  get over(): boolean {
    return this.isOver;
  }

  get progress(): SourceProgress {
    const { copy, copies } = this;
    return {
      copy: copy?.number ?? 0,
      copies,
      bytes: copy?.acknowledgedBytes ?? 0,
      totalBytes: copy?.totalBytes ?? 0,
      whole: copy?.whole ?? false,
      lagTicks: copy?.deltas.count ?? 0,
      lagBytes: copy?.deltas.cost ?? 0,
    };
  }

  /** When `time` has to be told next, in ms on the clock of `handle`; Infinity when nothing waits for it. */
  get nextAt(): number {
    if (this.isOver) return Number.POSITIVE_INFINITY;
    if (!this.isLinked) return this.lostAt + this.options.resumeMs;
    const { copy, isAccepted, now } = this;
    if (copy === undefined || !isAccepted) return Number.POSITIVE_INFINITY;
    return now + this.sender.waitMs(copy, now);
  }

  /** `now` in ms, on any clock that does not go back. */
  handle(event: SourceEvent, now: number): readonly SourceEffect[] {
    this.now = now;
    if (!this.isOver) this.take(event);
    else if (event.type === "opened") this.sayEnd();
    if (!this.isOver) this.pump();
    const { effects } = this;
    this.effects = [];
    return effects;
  }

  private take(event: SourceEvent): void {
    switch (event.type) {
      case "opened":
        return this.opened(event.open);
      case "link-lost":
        return this.linkLost();
      case "message":
        return this.message(event.message);
      case "thread":
        return this.fact(event.message);
      case "keeps":
        this.keeps = true;
        return;
      case "copy-failed":
        // Another follower's, or one that was ended here.
        if (event.copy !== undefined && event.copy !== this.asked) return;
        this.asked = 0;
        return this.fail("failed", event.problem);
      case "pulse":
        return this.pulse();
      case "end":
        return this.end(event.code, event.reason);
      case "time":
        if (!this.isLinked && this.now >= this.lostAt + this.options.resumeMs)
          this.fail("failed", `no link to the follower for ${this.options.resumeMs} ms`);
    }
  }

  // The link.

  private opened(open: Pick<ReplicaOpen, "copy" | "bytes" | "tick">): void {
    this.linkLost();
    this.isLinked = true;
    const { copy } = this;
    if (copy === undefined) {
      if (this.asked === 0) this.begin();
      return;
    }
    // Of a copy that is not this one the follower has nothing.
    const isThis = open.copy === copy.number;
    if (copy.resume(isThis ? (open.bytes ?? 0) : 0, isThis ? open.tick : undefined)) {
      if (isThis) this.dependencies.counts.resumes += 1;
      this.offer(copy);
    } else this.restart("the follower is where this stream cannot go on from");
  }

  private linkLost(): void {
    if (this.isLinked) this.lostAt = this.now;
    this.isLinked = false;
    this.isOffered = false;
    this.isAccepted = false;
    this.isSealSaid = false;
    this.noteLag();
  }

  private message(message: SourceMessage): void {
    if (!this.isLinked) return;
    if (message.type === "replica-close") {
      // Of a stream before this one, as a mirror's that was given up for another.
      if (message.id !== this.options.id) return;
      this.isLinked = false;
      this.fail(message.code, message.reason, true);
    } else if (message.epoch !== this.options.epoch)
      this.fail(
        "wrong-epoch",
        `${message.type} of epoch ${message.epoch}, not of ${this.options.epoch}`,
      );
    else if (message.type === "replica-done") {
      this.finish();
      this.effects.push({ type: "done", owner: message.owner });
    } else if (message.copy === this.copy?.number && this.isOffered)
      if (message.type === "replica-ack") this.acknowledged(this.copy, message);
      else this.effects.push({ type: "ready" });
    else if (message.copy > this.asked)
      this.fail("bad-data", `${message.type} of copy ${message.copy}, which there never was`);
  }

  private acknowledged(copy: OutgoingCopy, { bytes, tick }: ReplicaAck): void {
    const whole = tick > 0;
    const isKnown =
      copy.pieces.acknowledge(whole ? bytes + 1 : bytes) &&
      (whole ? copy.deltas.acknowledge(tick) : !copy.whole);
    if (!isKnown)
      return this.fail("bad-data", `the follower says it is at byte ${bytes}, tick ${tick}`);
    this.isAccepted = true;
    if (!whole) return;
    if (!copy.whole) {
      copy.whole = true;
      this.effects.push({ type: "copied", bytes, tick: copy.begun.tick });
    }
    this.effects.push({ type: "acknowledged", tick });
    this.noteLag();
  }

  // The world thread.

  private fact(fact: SourceFact): void {
    const { copy } = this;
    if (fact.type === "copy-begun") {
      if (fact.copy !== this.asked || copy !== undefined) return;
      this.copy = new OutgoingCopy(fact);
      if (this.isLinked) this.offer(this.copy);
    } else if (fact.type === "sealed") this.seal = { ...fact, dueAt: this.now + fact.dueMs };
    else if (copy === undefined) return;
    else if (fact.type === "delta") this.delta(copy, fact);
    else if (fact.copy === copy.number) this.piece(copy, fact);
  }

  private piece(copy: OutgoingCopy, fact: Extract<SourceFact, { type: "copy-piece" }>): void {
    const { offset, data, last } = fact;
    if (copy.isRead || offset !== copy.nextOffset || (data.byteLength === 0 && !last))
      return this.fail("failed", `the copy's piece at byte ${offset} is not its next one`);
    copy.reading = false;
    this.sender.read(data.byteLength);
    copy.addPiece(offset, data, last, this.dependencies.checksum(data));
  }

  private delta(copy: OutgoingCopy, fact: Extract<SourceFact, { type: "delta" }>): void {
    const { previous, tick, data } = fact;
    if (previous !== copy.deltas.end || tick <= previous)
      return this.fail(
        "failed",
        `the delta of tick ${tick} follows tick ${previous}, not ${copy.deltas.end}`,
      );
    const { maxKeptDeltaBytes, maxKeptDeltas } = this.options;
    copy.addDelta(fact, this.dependencies.checksum(data));
    if (copy.deltas.count > maxKeptDeltas)
      this.restart(`the follower is more than ${maxKeptDeltas} ticks behind`);
    else if (copy.deltas.cost > maxKeptDeltaBytes)
      this.restart(`the follower is more than ${maxKeptDeltaBytes} bytes behind`);
    else this.noteLag();
  }

  // What is to be done next.

  private pump(): void {
    const { copy } = this;
    if (copy === undefined || !this.isAccepted) return;
    for (const piece of this.sender.pieces(copy)) this.send(piece, true);
    if (this.sender.waitMs(copy, this.now) === 0) {
      copy.reading = true;
      const { shard, pieceBytes: maxBytes } = this.options;
      const read = { shard, copy: copy.number, offset: copy.nextOffset, maxBytes };
      this.effects.push({ type: "thread", message: { type: "read-copy", ...read } });
    }
    if (!copy.whole) return;
    for (const delta of this.sender.deltas(copy)) this.send(delta);
    if (copy.deltas.sent === copy.deltas.end) this.saySeal(copy.deltas.end);
  }

  /** Every delta was sent, up to `lastTick`. */
  private saySeal(lastTick: number): void {
    const { seal } = this;
    if (seal === undefined || this.isSealSaid) return;
    const { tick, hash, sections, dueAt } = seal;
    if (tick !== lastTick)
      return this.fail("failed", `sealed at tick ${tick}, the last delta is of ${lastTick}`);
    this.isSealSaid = true;
    const { shard, epoch } = this.options;
    const dueMs = Math.max(0, Math.round(dueAt - this.now));
    const kept = this.keeps && { keeps: true };
    this.send({ type: "replica-sealed", shard, epoch, tick, hash, sections, dueMs, ...kept });
  }

  private pulse(): void {
    const { copy } = this;
    if (!this.isLinked || !this.isAccepted || copy?.whole !== true) return;
    const { shard, epoch } = this.options;
    this.send({ type: "replica-pulse", shard, epoch, copy: copy.number });
  }

  private offer(copy: OutgoingCopy): void {
    this.isOffered = true;
    this.send(this.sender.offer(copy));
  }

  private noteLag(): void {
    const { copy } = this;
    const isNear = copy?.whole === true && this.isAccepted && copy.deltas.count <= 1;
    if (isNear === this.isCaughtUp) return;
    this.isCaughtUp = isNear;
    this.effects.push({ type: isNear ? "caught-up" : "lagging" });
  }

  // Copies begin and end.

  private begin(): void {
    this.copies += 1;
    this.asked = this.dependencies.nextCopy();
    const { shard } = this.options;
    this.effects.push(
      { type: "thread", message: { type: "copy", shard, copy: this.asked } },
      { type: "copying", copy: this.asked, again: this.copies > 1 },
    );
  }

  /** The present copy is of no use any more. Without a link, the next one begins with a link. */
  private restart(why: string): void {
    this.dropCopy();
    this.noteLag();
    if (this.copies >= this.options.maxCopies)
      return this.fail("too-slow", `${why}, after ${this.copies} copies`);
    this.dependencies.counts.restarts += 1;
    if (this.isLinked) this.begin();
  }

  private dropCopy(): void {
    if (this.asked === 0 && this.copy === undefined) return;
    const { shard } = this.options;
    this.effects.push({ type: "thread", message: { type: "end-copy", shard, copy: this.asked } });
    this.asked = 0;
    this.copy = undefined;
    this.isOffered = false;
    this.isAccepted = false;
    this.isSealSaid = false;
  }

  private fail(code: ReplicaCloseCode, reason: string, byPeer = false): void {
    this.dependencies.counts.failures += 1;
    this.end(code, reason);
    this.effects.push({ type: "failed", code, reason, byPeer });
  }

  private end(code: ReplicaCloseCode, reason: string): void {
    this.ended = { code, reason: clipText(reason, MAX_REASON_BYTES) };
    if (this.isLinked) this.sayEnd();
    this.finish();
  }

  private sayEnd(): void {
    const { shard, epoch, id } = this.options;
    this.send({ type: "replica-close", shard, epoch, id, ...this.ended });
  }

  private finish(): void {
    this.isOver = true;
    this.dropCopy();
  }

  private send(message: ToReplica, bulk = false): void {
    this.effects.push({ type: "send", bulk, message });
  }
}
