import {
  isAlive,
  isMirrored,
  type MirrorRecord,
  promoteMirror,
  type Revision,
  withdrawMirror,
} from "@atlasnet/core";
import type { TxnAnswer } from "../placement/hosting-types.ts";
import { pauseOf, TXN_PAUSES } from "../placement/pauses.ts";
import { TxnAttempts } from "../placement/txn-attempts.ts";
import type {
  FollowedView,
  FollowerEffect,
  FollowerEvent,
  FollowerPhase,
  MirrorFollowerOptions,
  MirrorOutcome,
} from "./follower-types.ts";

/**
 * The mirror's side. Pure: events and the time in, effects out.
 *
 * 1. It suspects only while the watch shows it in sync. With the whole state it proposes `promoteMirror`; without, because
 *    its thread died or this node was taken for lost, `withdrawMirror`: the shard must not be left to one that cannot
 *    go on with it. It withdraws as well when this node leaves and the owner is not suspected; and before it is in sync,
 *    once the owner was taken for lost: nothing comes of it then, and this node may be the one to open the shard.
 * 2. It stops to acknowledge before it proposes either, and goes on only when both are known not to have
 *    committed: after conflicts alone, with the record still there, and the owner heard since.
 * 3. It is promoted once that is known to have committed: by the answer, or because the watch shows this boot as the owner.
 * 4. A stall of this process is not held against the owner.
 * 5. The source of a move whose switch has made it the mirror is in sync from the start, with the state of the seal, once
 *    what ran the shard has handed that over.
 */
export class MirrorFollower {
  private readonly options: MirrorFollowerOptions;
  private readonly view: () => FollowedView;
  private effects: FollowerEffect[] = [];
  private now: FollowerPhase = "waiting";
  private time: number;
  private hasState = false;
  private heardAt: number;
  private wasHeard = false;
  private isOwnerGone = false;
  private retryAt = Number.POSITIVE_INFINITY;
  private retries = 0;
  private readonly attempts = new TxnAttempts();
  /** What the one under way has proposed. */
  private isPromotion = false;
  /** A proposal had no answer. */
  private isUnknown = false;
  /** What is here takes in more, once it is told to. */
  private hasStream = false;
  /** The watch shows it in sync. */
  private isInSync = false;
  /** Why this node takes part no more. */
  private leaving: string | undefined;
  /** It is not promoted, whether or not it could be: this node leaves an owner that is not suspected, or `isEarly`. */
  private isWithdrawing = false;
  /** The owner was lost before the watch showed this mirror in sync. */
  private isEarly = false;
  /** The state is here, in other hands. */
  private isComing: boolean;

  /** `now` in ms, on any clock that does not go back. `view`: what the watch shows now. */
  constructor(options: MirrorFollowerOptions, view: () => FollowedView, now: number) {
    this.options = options;
    this.view = view;
    this.time = now;
    this.heardAt = now;
    this.isComing = options.comes === true;
  }

  get phase(): FollowerPhase {
    return this.now;
  }

  get record(): MirrorRecord {
    return this.options.mirror;
  }

  /** When `time` has to be told next, in ms. */
  get nextAt(): number {
    if (this.isEnding) return Number.POSITIVE_INFINITY;
    if (this.now === "suspecting") return this.attempts.nextAt;
    // Often enough that a stall of this process is told from a silence of the owner.
    const lookAt = this.time + this.options.suspectMs / 4;
    return this.hasState || this.isInSync ? Math.min(lookAt, this.retryAt) : this.retryAt;
  }

  handle(event: FollowerEvent, now: number): readonly FollowerEffect[] {
    this.effects = [];
    const stall = now - this.time;
    // What came meanwhile was not heard yet.
    if (stall > this.options.suspectMs / 2) this.heardAt += stall;
    this.time = now;
    if (this.now === "over") return this.effects;
    this.take(event);
    this.look();
    return this.effects;
  }

  private take(event: FollowerEvent): void {
    switch (event.type) {
      case "begin":
        if (this.now !== "waiting") return;
        this.now = "preparing";
        this.effects.push({ type: "prepare" });
        return;
      case "prepared":
        if (this.now !== "preparing") return;
        this.handedOver();
        if (event.problem !== undefined) return this.pause();
        return this.follow();
      case "not-kept":
        return this.handedOver();
      case "copying":
        this.hasState = false;
        return;
      case "following":
        this.hasState = true;
        this.retries = 0;
        return this.heard();
      case "closed":
        if (this.now === "following") this.waitToFollow();
        return;
      case "heard":
        return this.heard();
      case "owner-gone":
        this.isOwnerGone = true;
        return;
      case "failed":
        return this.failed();
      case "give-up":
        return this.giveUp(event.problem);
      case "answered":
        return this.answered(event.attempt, event.answer);
      case "promoted":
        if (this.now === "promoting") this.over("promoted", event.problem ?? "");
        return;
      case "look":
      case "time":
        return;
    }
  }

  /** The owner had nobody to say anything to before. */
  private handedOver(): void {
    if (this.isComing) this.heardAt = this.time;
    this.isComing = false;
  }

  private heard(): void {
    this.heardAt = this.time;
    this.wasHeard = true;
    this.isOwnerGone = false;
  }

  private look(): void {
    if (this.isEnding) return;
    const view = this.view();
    if (this.isMine(view)) return this.promote(view.owner.modified);
    const ended = this.whyEnded(view);
    if (ended !== undefined) return this.end(ended);
    if (this.time >= this.retryAt) this.followAgain();
    this.isInSync = isMirrored(view.mirror, view.owner, this.options.me.generation);
    if (this.now !== "suspecting") this.suspect(view);
    if (this.now !== "suspecting" && this.leaving !== undefined && !this.isComing)
      this.leave(this.leaving);
    if (!this.isEnding) this.endEarly(view);
    if (this.now === "suspecting") this.propose(view);
  }

  private get isEnding(): boolean {
    return this.now === "promoting" || this.now === "over";
  }

  private isMine({ owner }: FollowedView): boolean {
    const { node, boot } = this.options.me;
    const { record, modified } = owner;
    const isOwned = record?.state === "owned" && record.node === node && record.boot === boot;
    return this.now === "suspecting" && isOwned && modified > this.record.epoch;
  }

  /** Why it is a mirror no more, as the watch shows it; it was one by what that has shown before. */
  private whyEnded({ mirror, owner }: FollowedView): string | undefined {
    if (owner.modified > this.record.epoch) return "the shard is at another epoch";
    const { record, modified } = mirror;
    if (record === undefined) return modified === 0 ? "it is the mirror no more" : undefined;
    return record.id === this.record.id ? undefined : "another mirror takes its place";
  }

  private suspect({ owner, ownerNode }: FollowedView): void {
    if (!this.isInSync || this.isComing) return;
    const { suspectMs } = this.options;
    const boot = owner.record?.boot ?? "";
    const reason = !isAlive(ownerNode.record, boot)
      ? "its node was taken for lost"
      : this.isOwnerGone
        ? "its link ended"
        : this.time - this.heardAt >= suspectMs
          ? `it said nothing for ${Math.round(this.time - this.heardAt)} ms`
          : undefined;
    if (reason === undefined) return;
    this.beSilent();
    if (this.hasState) this.effects.push({ type: "suspected", reason });
    else this.effects.push({ type: "withdraws", reason: `it has no copy, and ${reason}` });
  }

  /** Whoever is in sync is needed until its record is gone: the owner may die now. */
  private leave(problem: string): void {
    if (!this.isInSync) return this.end(problem);
    this.beSilent();
    this.isWithdrawing = true;
    this.effects.push({ type: "withdraws", reason: problem });
  }

  /**
   * An owner that was lost before the mirror was in sync: the shard begins by the rules for one without a mirror, and not
   * as long as it is kept free for this one. The watch may be about to show that it was confirmed: what was asked cannot be
   * withdrawn then, and the mirror takes over.
   */
  private endEarly(view: FollowedView): void {
    if (this.isInSync) {
      if (this.isEarly) this.isEarly = this.isWithdrawing = false;
    } else if (this.now !== "suspecting" && wasLost(view)) {
      this.beSilent();
      this.isEarly = this.isWithdrawing = true;
      const reason = "its owner was lost before it was in sync";
      this.effects.push({ type: "withdraws", reason });
    }
  }

  private beSilent(): void {
    this.now = "suspecting";
    this.isEarly = this.isWithdrawing = false;
    this.retryAt = Number.POSITIVE_INFINITY;
    this.isUnknown = false;
    this.wasHeard = false;
    this.attempts.restart(this.time);
    this.effects.push({ type: "silence" });
  }

  private propose(view: FollowedView): void {
    if (!this.attempts.isDue(this.time)) return;
    const { shard, me } = this.options;
    const follows = this.record.id;
    const promotes = this.hasState && !this.isWithdrawing;
    const id = `${me.boot}-${promotes ? "promote" : "withdraw"}-${follows}-${this.attempts.next}`;
    const claimant = { ...me, id, follows };
    // A promotion that was proposed before, and had no answer, excludes a withdrawal: the watch tells which it was.
    const made = promotes
      ? promoteMirror(shard, view, claimant)
      : withdrawMirror(shard, view.mirror, claimant);
    if (!made.ok) return this.attempts.pause(this.time);
    this.isPromotion = promotes;
    this.effects.push({ type: "txn", attempt: this.attempts.begin(), request: made.txn });
  }

  private answered(attempt: number, answer: TxnAnswer): void {
    if (!this.attempts.answered(attempt)) return;
    if (this.now !== "suspecting") return;
    if (answer.type === "done" && this.isPromotion) return this.promote(answer.revision);
    if (answer.type === "done") return this.end("it was withdrawn", "withdrawn");
    if (answer.type === "failed" && answer.unknown) this.isUnknown = true;
    if (this.isUnknown || !this.wasHeard) return this.attempts.pause(this.time);
    // Not one of its proposals was applied or can be, and the owner is there: the watch tells if it has cleared it.
    if (!this.hasStream) return this.pause();
    this.now = "following";
    this.heardAt = this.time;
    this.effects.push({ type: "reopen" });
  }

  private follow(): void {
    this.now = "following";
    this.hasState = false;
    this.hasStream = true;
    this.isOwnerGone = false;
    this.effects.push({ type: "follow" });
  }

  /** The replica is gone. While it may have been promoted, the shard may be this node's nevertheless. */
  private failed(): void {
    this.hasState = false;
    this.hasStream = false;
    if (this.now === "following") this.pause();
  }

  private pause(): void {
    this.now = "pausing";
    this.waitToFollow();
  }

  private waitToFollow(): void {
    this.retries += 1;
    this.retryAt = this.time + pauseOf(TXN_PAUSES, this.retries);
  }

  private followAgain(): void {
    this.retryAt = Number.POSITIVE_INFINITY;
    if (this.now === "pausing") this.follow();
    else if (this.now === "following") this.effects.push({ type: "reopen" });
  }

  private giveUp(problem: string): void {
    // If it is about to take over, the watch tells whose it is.
    this.leaving = problem;
  }

  private promote(epoch: Revision): void {
    this.now = "promoting";
    this.effects.push({ type: "promote", epoch });
  }

  private end(problem: string, outcome: "withdrawn" | "ended" = "ended"): void {
    this.effects.push({ type: "drop", code: "ended", reason: problem });
    this.over(outcome, problem);
  }

  private over(outcome: MirrorOutcome, problem: string): void {
    this.now = "over";
    this.effects.push({ type: "over", outcome, problem });
  }
}

/** The owner's boot is gone. What the watch shows of its node may be of before it was the owner, and says nothing then. */
function wasLost({ owner, ownerNode }: FollowedView): boolean {
  const { record, modified } = ownerNode;
  const isNewer = record !== undefined && modified > owner.modified;
  return isNewer && owner.record !== undefined && !isAlive(record, owner.record.boot);
}
