import {
  abortMigration,
  type Claimant,
  type MigrationRecord,
  mirrorAfter,
  type ReplicaCloseCode,
  type Revision,
  type Seen,
  type SwitchView,
  switchShard,
  type TxnRequest,
} from "@atlasnet/core";
import type { TxnAnswer } from "../placement/hosting-types.ts";
import { TxnAttempts } from "../placement/txn-attempts.ts";
import { ENDED_ELSEWHERE, standingOf } from "./ticket.ts";

export type TargetEvent =
  /** The watch has shown something; `view` says what. */
  | { readonly type: "look" }
  /** It is its turn: not too many others are under way. */
  | { readonly type: "begin" }
  /** The module is there, and this node can take the shard; or it cannot. */
  | { readonly type: "prepared"; readonly problem?: string }
  /** A copy begins, or another one. */
  | { readonly type: "copying" }
  /** The copy is whole, and what came since was taken in. */
  | { readonly type: "following" }
  /** The replica is at the tick of the seal, and its hash is the source's. */
  | {
      readonly type: "sealed";
      readonly tick: number;
      readonly dueMs: number;
      /** The source keeps that state, and follows from there on if the switch says so. */
      readonly keeps: boolean;
    }
  /** The replica is no more: its stream, its thread or its module failed. */
  | { readonly type: "failed"; readonly code: ReplicaCloseCode; readonly reason: string }
  | { readonly type: "give-up"; readonly problem: string }
  | { readonly type: "answered"; readonly attempt: number; readonly answer: TxnAnswer }
  /** It ticks here now; or it does not, and is opened as after any failure. */
  | { readonly type: "promoted"; readonly problem?: string }
  /** `nextAt` has come. */
  | { readonly type: "time" };

export type TargetEffect =
  /** Look whether this node can take it, and fetch its module; answered by `prepared`. */
  | { readonly type: "prepare" }
  /** Follow the source until it is sealed. */
  | { readonly type: "follow" }
  /** Answered by `answered`. */
  | { readonly type: "txn"; readonly attempt: number; readonly request: TxnRequest }
  /**
   * This node owns it, at `epoch`; answered by `promoted`. `mirrored`: the switch has recorded the source as its mirror,
   * and nothing may leave from the first tick on that this one has not got.
   */
  | {
      readonly type: "promote";
      readonly epoch: Revision;
      readonly dueMs: number;
      readonly mirrored: boolean;
    }
  /** The replica goes, and the stream with it. */
  | { readonly type: "drop"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** Nothing more comes of this migration. */
  | {
      readonly type: "over";
      readonly outcome: "moved" | "aborted";
      readonly problem: string;
      /** From the word of the seal to the first tick here, in ms; when it moved. */
      readonly gapMs?: number;
    };

export type TargetPhase =
  /** Others are under way. */
  | "waiting"
  | "preparing"
  | "copying"
  | "following"
  /** A switch is proposed, and may have been applied. */
  | "switching"
  | "promoting"
  /** Nothing is left here, and the abort is under way. */
  | "aborting"
  | "over";

export interface TargetOptions {
  readonly shard: string;
  /** As it was seen first. */
  readonly migration: Seen<MigrationRecord>;
  /** Of the ids of its transactions. */
  readonly me: Claimant;
}

export interface TargetDependencies {
  /** What the watch shows now. */
  view(): SwitchView;
  /** Ms since 1970, for people. */
  wallTime(): number;
}

/**
 * A migration as the gameserver sees it that the shard moves to. Pure: events and the time in, effects out.
 *
 * 1. It proposes the switch only while it holds the state of the seal, with the source's hash.
 * 2. It lets the replica act only when the switch is known to have committed: by its answer, or because the watch shows
 *    this boot as the owner behind the epoch that the migration was begun for.
 * 3. Once a switch is proposed, the replica stays until it is known which it was: while the outcome is open it neither
 *    ticks nor goes.
 * 4. Where the source keeps the state of the seal, the switch records it as the mirror, and nothing is let out that it has
 *    not got: that holds from the promotion on.
 * 5. Whatever fails before is an abort, with the reason. After the switch there is only forward: what fails then is
 *    the failure of an owner.
 */
export class MigrationTarget {
  private readonly options: TargetOptions;
  private readonly dependencies: TargetDependencies;
  private readonly deadlineAt: number;
  private effects: TargetEffect[] = [];
  private now: TargetPhase = "waiting";
  private time: number;
  /** Why it is to be aborted; undefined: it is not. */
  private problem: string | undefined;
  /** When the word of the seal came, and when the next tick is due. */
  private sealed:
    | { readonly at: number; readonly dueAt: number; readonly keeps: boolean }
    | undefined;
  /** A switch was proposed that records the source as the mirror. */
  private isMirrored = false;
  private readonly attempts = new TxnAttempts();
  /** The one under way, or made last, is. */
  private proposal: "switch" | "abort" = "switch";

  /** `now` in ms, on any clock that does not go back. */
  constructor(options: TargetOptions, dependencies: TargetDependencies, now: number) {
    this.options = options;
    this.dependencies = dependencies;
    this.time = now;
    this.deadlineAt = now + this.record.deadlineMs;
  }

  get phase(): TargetPhase {
    return this.now;
  }

  get record(): MigrationRecord {
    const { record } = this.options.migration;
    if (record === undefined) throw new Error("a migration has a record");
    return record;
  }

  /** When `time` has to be told next, in ms. */
  get nextAt(): number {
    if (this.now === "over" || this.now === "promoting") return Number.POSITIVE_INFINITY;
    const isOwing = this.now === "switching" || this.problem !== undefined;
    const again = isOwing ? this.attempts.nextAt : Number.POSITIVE_INFINITY;
    return this.problem === undefined ? Math.min(this.deadlineAt, again) : again;
  }

  handle(event: TargetEvent, now: number): readonly TargetEffect[] {
    this.effects = [];
    this.time = now;
    if (this.now === "over") return this.effects;
    this.take(event);
    this.look();
    return this.effects;
  }

  private take(event: TargetEvent): void {
    switch (event.type) {
      case "begin":
        if (this.now === "waiting") this.step("preparing", { type: "prepare" });
        return;
      case "prepared":
        if (event.problem !== undefined) return this.giveUp(event.problem, "failed");
        if (this.now === "preparing") this.step("copying", { type: "follow" });
        return;
      case "copying":
        if (this.now === "following") this.now = "copying";
        return;
      case "following":
        if (this.now === "copying") this.now = "following";
        return;
      case "sealed":
        if (this.now !== "following" && this.now !== "copying") return;
        this.sealed = {
          at: this.time,
          dueAt: this.time + event.dueMs,
          keeps: event.keeps,
        };
        this.now = "switching";
        return;
      case "failed":
        return this.failed(`${event.reason} (${event.code})`, event.code);
      case "give-up":
        return this.giveUp(event.problem, "failed");
      case "answered":
        return this.answered(event.attempt, event.answer);
      case "promoted":
        return this.promoted(event.problem);
      case "look":
      case "time":
        return;
    }
  }

  private step(phase: TargetPhase, effect: TargetEffect): void {
    this.now = phase;
    this.effects.push(effect);
  }

  /** The replica is gone. Once a switch is proposed, the shard may be this node's nevertheless. */
  private failed(problem: string, code: ReplicaCloseCode): void {
    if (this.now === "promoting") return;
    this.giveUp(problem, code);
  }

  private look(): void {
    if (this.now === "over" || this.now === "promoting") return;
    const { migration } = this.options;
    const view = this.dependencies.view();
    const standing = standingOf(migration, view);
    if (standing === "switched") {
      if (this.isMine(view)) return this.promote(view.owner.modified);
      return this.ended("the shard has another owner");
    }
    if (standing === "aborted") return this.ended(this.problem ?? ENDED_ELSEWHERE);
    if (standing === "stale") this.giveUp("the shard is at another epoch", "wrong-epoch");
    if (this.time >= this.deadlineAt)
      this.giveUp(`it took longer than ${this.record.deadlineMs} ms`, "too-slow");
    this.propose(view);
  }

  /** Only this node's own switch makes it the owner behind that epoch, by rule 2 of migration-changes.ts. */
  private isMine({ owner }: SwitchView): boolean {
    const { node, boot } = this.options.me;
    const { record, modified } = owner;
    const isOwned = record?.state === "owned" && record.node === node && record.boot === boot;
    return this.now === "switching" && isOwned && modified > this.record.epoch;
  }

  private giveUp(problem: string, code: ReplicaCloseCode): void {
    if (this.problem !== undefined || this.now === "promoting") return;
    this.problem = problem;
    this.attempts.hurry(this.time);
    // An abort that commits says as well that no switch has: until then the replica stays.
    if (this.now === "switching") return;
    this.step("aborting", { type: "drop", code, reason: problem });
  }

  private propose(view: SwitchView): void {
    const isOwing = this.now === "switching" || this.problem !== undefined;
    if (!isOwing || !this.attempts.isDue(this.time)) return;
    if (this.problem === undefined) this.proposeSwitch(view);
    if (this.problem !== undefined) this.proposeAbort(view);
  }

  private proposeSwitch(view: SwitchView): void {
    const { shard, me } = this.options;
    const id = `${me.boot}-switch-${this.record.id}-${this.attempts.next}`;
    const claimant = { ...me, id };
    const { keeps = false } = this.sealed ?? {};
    const ended = this.dependencies.wallTime();
    const made = switchShard(shard, view, claimant, { ended, keeps });
    if (!made.ok) return this.giveUp(made.problem, "failed");
    // Of several proposals it is not known which one committed: whoever gates for a mirror that is not there finds out.
    const { world } = view;
    if (keeps && world.record && mirrorAfter(world.record, this.record)) this.isMirrored = true;
    this.put("switch", made.txn);
  }

  private proposeAbort({ migration }: SwitchView): void {
    const made = abortMigration(this.options.shard, migration, {
      by: this.options.me.node,
      problem: this.problem ?? "",
      ended: this.dependencies.wallTime(),
    });
    // The view has lost it and not yet said how it ended.
    if (made.ok) this.put("abort", made.txn);
    else this.attempts.pause(this.time);
  }

  private put(kind: "switch" | "abort", request: TxnRequest): void {
    this.proposal = kind;
    this.effects.push({ type: "txn", attempt: this.attempts.begin(), request });
  }

  private answered(attempt: number, answer: TxnAnswer): void {
    if (!this.attempts.answered(attempt)) return;
    // The watch has told it already: a replica is promoted once.
    if (this.now === "promoting") return;
    // A conflict may be with this node's own switch, whose answer was lost: the watch tells.
    if (answer.type !== "done") return this.attempts.pause(this.time);
    if (this.proposal === "switch") return this.promote(answer.revision);
    this.ended(this.problem ?? "");
  }

  private promote(epoch: Revision): void {
    const dueMs = Math.max(0, (this.sealed?.dueAt ?? this.time) - this.time);
    this.step("promoting", { type: "promote", epoch, dueMs, mirrored: this.isMirrored });
  }

  private promoted(problem: string | undefined): void {
    if (this.now !== "promoting") return;
    this.now = "over";
    const { at = this.time, dueAt = this.time } = this.sealed ?? {};
    const gapMs = Math.max(this.time, dueAt) - at;
    this.effects.push({
      type: "over",
      outcome: "moved",
      problem: problem ?? "",
      ...(problem === undefined && { gapMs }),
    });
  }

  private ended(problem: string): void {
    if (this.now !== "aborting")
      this.effects.push({ type: "drop", code: "ended", reason: problem });
    this.now = "over";
    this.effects.push({ type: "over", outcome: "aborted", problem });
  }
}
