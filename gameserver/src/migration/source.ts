import {
  abortMigration,
  type MigrationRecord,
  type ReplicaCloseCode,
  type Seen,
  type TxnRequest,
} from "@atlasnet/core";
import type { TxnAnswer } from "../placement/hosting-types.ts";
import { TxnAttempts } from "../placement/txn-attempts.ts";
import { ENDED_ELSEWHERE, type MovingView, type Registered, standingOf } from "./ticket.ts";

/** Players wait while the shard is sealed: without a decision after this long, in ms, the migration is aborted. */
export const MAX_SEALED_MS = 5_000;

export type SourceEvent =
  /** The watch has shown something; `view` says what. */
  | { readonly type: "look" }
  /** A copy begins; `again`: in the place of another one, and what was said of that counts no more. */
  | { readonly type: "copying"; readonly again: boolean }
  /** The copy is whole there. */
  | { readonly type: "copied" }
  /** The follower could take over. */
  | { readonly type: "ready" }
  /** At most one tick is not acknowledged by it; and that this is so no more. */
  | { readonly type: "caught-up" }
  | { readonly type: "lagging" }
  /** The stream came to an end that no other link mends. */
  | { readonly type: "failed"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** The shard stands still. */
  | { readonly type: "sealed" }
  /** The shard runs here no more, or is about to be closed; unless it has moved, it does not go on by itself. */
  | { readonly type: "gone"; readonly problem: string }
  /** An operator, or a stop of this node, wants it to end. */
  | { readonly type: "give-up"; readonly problem: string }
  | { readonly type: "answered"; readonly attempt: number; readonly answer: TxnAnswer }
  /** `nextAt` has come. */
  | { readonly type: "time" };

export type SourceEffect =
  /** No tick from here on; answered by `sealed`. Proxies are told behind its last output. */
  | { readonly type: "seal" }
  /** It goes on here, at its epoch: the abort has committed. */
  | { readonly type: "unseal" }
  /** Answered by `answered`. */
  | { readonly type: "txn"; readonly attempt: number; readonly request: TxnRequest }
  /** The copy and its stream end. */
  | { readonly type: "end"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** Nothing more comes of this migration. `moved`: the shard is somebody else's. */
  | {
      readonly type: "over";
      readonly outcome: "moved" | "aborted";
      readonly problem: string;
    };

export type SourcePhase =
  /** Nobody has asked for a copy yet. */
  | "waiting"
  | "copying"
  | "following"
  /** Sealed, or about to be: nothing is let out any more until it is decided. */
  | "sealed"
  /** It was not sealed, and the abort is under way. */
  | "aborting"
  | "over";

export interface SourceOptions {
  readonly shard: string;
  readonly me: Registered;
  /** As it was seen first. */
  readonly migration: Seen<MigrationRecord>;
  readonly maxSealedMs?: number;
}

export interface SourceDependencies {
  /** What the watch shows now. */
  view(): MovingView;
  /** Ms since 1970, for people. */
  wallTime(): number;
}

/**
 * A migration as the shard's owner sees it. Pure: events and the time in, effects out.
 *
 * 1. It seals once the follower could take over and has caught up; once.
 * 2. A sealed shard goes on only when an abort is known to have committed: by the answer to this node's own
 *    transaction, or because the record is gone while the owner is still the one that it was begun for. Neither a
 *    deadline nor a lost link is enough; they only make it propose the abort.
 * 3. Before the seal, an abort ends the copy and nothing else. What was closed while it was sealed stays closed.
 * 4. It ends by itself: after the record's deadline since this node has seen it, and after `maxSealedMs` of standing still.
 */
export class MigrationSource {
  private readonly options: Required<SourceOptions>;
  private readonly dependencies: SourceDependencies;
  private readonly deadlineAt: number;
  private effects: SourceEffect[] = [];
  private now: SourcePhase = "waiting";
  private time: number;
  private isReady = false;
  private isCaughtUp = false;
  private sealedAt: number | undefined;
  /** There is nothing to unseal any more. */
  private isGone = false;
  /** Why it is to be aborted; undefined: it is not. */
  private problem: string | undefined;
  /** The transaction under way; 0: none. */
  private readonly attempts = new TxnAttempts();

  /** `now` in ms, on any clock that does not go back. */
  constructor(options: SourceOptions, dependencies: SourceDependencies, now: number) {
    this.options = { maxSealedMs: MAX_SEALED_MS, ...options };
    this.dependencies = dependencies;
    this.time = now;
    this.deadlineAt = now + this.record.deadlineMs;
  }

  get phase(): SourcePhase {
    return this.now;
  }

  get record(): MigrationRecord {
    const { record } = this.options.migration;
    if (record === undefined) throw new Error("a migration has a record");
    return record;
  }

  /** When `time` has to be told next, in ms. */
  get nextAt(): number {
    if (this.now === "over") return Number.POSITIVE_INFINITY;
    if (this.problem !== undefined) return this.attempts.nextAt;
    return Math.min(this.deadlineAt, this.sealedUntil);
  }

  private get sealedUntil(): number {
    const { sealedAt } = this;
    return sealedAt === undefined ? Number.POSITIVE_INFINITY : sealedAt + this.options.maxSealedMs;
  }

  handle(event: SourceEvent, now: number): readonly SourceEffect[] {
    this.effects = [];
    this.time = now;
    if (this.now === "over") return this.effects;
    this.take(event);
    this.look();
    return this.effects;
  }

  private take(event: SourceEvent): void {
    switch (event.type) {
      case "copying":
        if (event.again) this.isReady = this.isCaughtUp = false;
        if (this.now === "waiting" || this.now === "following") this.now = "copying";
        return;
      case "copied":
        if (this.now === "copying") this.now = "following";
        return;
      case "ready":
        this.isReady = true;
        return;
      case "caught-up":
      case "lagging":
        this.isCaughtUp = event.type === "caught-up";
        return;
      case "failed":
        return this.giveUp(`${event.reason} (${event.code})`, event.code);
      case "gone":
        this.isGone = true;
        return this.giveUp(event.problem, "failed");
      case "give-up":
        return this.giveUp(event.problem, "failed");
      case "answered":
        return this.answered(event.attempt, event.answer);
      case "sealed":
      case "look":
      case "time":
        return;
    }
  }

  private look(): void {
    const { view } = this.dependencies;
    if (this.isOver) return;
    const standing = standingOf(this.options.migration, view());
    if (standing === "switched") return this.moved();
    if (standing === "aborted") return this.aborted(this.problem ?? ENDED_ELSEWHERE);
    if (standing === "stale") this.giveUp("the shard is at another epoch", "wrong-epoch");
    if (this.time >= this.deadlineAt)
      this.giveUp(`it took longer than ${this.record.deadlineMs} ms`, "too-slow");
    if (this.time >= this.sealedUntil)
      this.giveUp(
        `nobody took the shard over within ${this.options.maxSealedMs} ms of its seal`,
        "too-slow",
      );
    if (this.problem !== undefined) return this.propose();
    if (this.now === "following" && this.isReady && this.isCaughtUp) this.seal();
  }

  /** Asked anew after steps that may have ended it. */
  private get isOver(): boolean {
    return this.now === "over";
  }

  private seal(): void {
    this.now = "sealed";
    this.sealedAt = this.time;
    this.effects.push({ type: "seal" });
  }

  private giveUp(problem: string, code: ReplicaCloseCode): void {
    if (this.problem !== undefined) return;
    this.problem = problem;
    this.attempts.hurry(this.time);
    // What has been sealed may have been taken over by now: the stream's end is told once that is known.
    if (this.now === "sealed") return;
    this.now = "aborting";
    this.effects.push({ type: "end", code, reason: problem });
  }

  private propose(): void {
    if (!this.attempts.isDue(this.time)) return;
    const { shard, me } = this.options;
    const proposal = abortMigration(shard, this.dependencies.view().migration, {
      by: me.node,
      problem: this.problem ?? "",
      ended: this.dependencies.wallTime(),
    });
    // The view has lost it and not yet said how it ended.
    if (!proposal.ok) return this.attempts.pause(this.time);
    this.effects.push({ type: "txn", attempt: this.attempts.begin(), request: proposal.txn });
  }

  private answered(attempt: number, answer: TxnAnswer): void {
    if (!this.attempts.answered(attempt)) return;
    if (answer.type === "done") return this.aborted(this.problem ?? "");
    // The watch is about to tell what came before it, or it was not heard: it is asked again.
    this.attempts.pause(this.time);
  }

  private aborted(problem: string): void {
    if (this.now === "sealed" && !this.isGone) this.effects.push({ type: "unseal" });
    if (this.now !== "aborting") this.effects.push({ type: "end", code: "ended", reason: problem });
    this.over("aborted", problem);
  }

  private moved(): void {
    // Nobody takes over what was not sealed: it was given back, or taken away, after somebody else had ended this.
    if (this.sealedAt === undefined)
      return this.aborted(this.problem ?? "this node gave it back before it was sealed");
    if (this.now !== "aborting")
      this.effects.push({ type: "end", code: "ended", reason: "it has moved" });
    this.over("moved", "");
  }

  private over(outcome: "moved" | "aborted", problem: string): void {
    this.now = "over";
    this.effects.push({ type: "over", outcome, problem });
  }
}
