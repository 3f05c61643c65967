import {
  clearMirror,
  confirmMirror,
  type MirrorRecord,
  type OwnerRecord,
  type ReplicaCloseCode,
  type Revision,
  type Seen,
  type TxnRequest,
  type WorldRecord,
} from "@atlasnet/core";
import type { TxnAnswer } from "../placement/hosting-types.ts";
import { TxnAttempts } from "../placement/txn-attempts.ts";
import { Unacknowledged } from "./unacknowledged.ts";

/** A mirror that is in sync hears of its owner this often, in ms, whether the world ticks or not. */
export const PULSE_MS = 100;

export type OwnerEvent =
  /** The watch has shown something; `view` says what. */
  | { readonly type: "look" }
  /** The node that the record names follows, with this ticket. */
  | { readonly type: "opened"; readonly id: string }
  /** Its copy is begun anew: what it had acknowledged is of no use. */
  | { readonly type: "copying" }
  /** At most one tick is not acknowledged; and that this is so no more. */
  | { readonly type: "caught-up" }
  | { readonly type: "lagging" }
  /** The shard has made a tick, whose output comes behind this word. */
  | { readonly type: "ticked"; readonly tick: number }
  /** The follower has the state after `tick`; also when it had told so before. */
  | { readonly type: "acknowledged"; readonly tick: number }
  /** The stream came to an end that no other link mends. */
  | { readonly type: "failed"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** The shard is about to be closed or to get another epoch: it needs its mirror no more. Answered by `freed`. */
  | { readonly type: "free"; readonly reason: string }
  /** It stays as it is after all. */
  | { readonly type: "stay" }
  | { readonly type: "answered"; readonly attempt: number; readonly answer: TxnAnswer }
  /** `nextAt` has come. */
  | { readonly type: "time" };

export type OwnerEffect =
  /** From here on, what a tick lets out waits until `release` names that tick or a later one. */
  | { readonly type: "gate" }
  | { readonly type: "release"; readonly tick: number }
  /** Nothing waits any more. */
  | { readonly type: "ungate" }
  /** What is released may leave whatever the lease says, and the shard ticks; or that holds no more. */
  | { readonly type: "unleased"; readonly holds: boolean }
  /** Answered by `answered`. */
  | { readonly type: "txn"; readonly attempt: number; readonly request: TxnRequest }
  /** Say to the follower that the owner is there; it acknowledges what it has. */
  | { readonly type: "pulse" }
  /** The stream ends. */
  | { readonly type: "end"; readonly code: ReplicaCloseCode; readonly reason: string }
  /** For people and figures. */
  | { readonly type: "in-sync"; readonly node: string }
  | { readonly type: "lost"; readonly node: string; readonly reason: string }
  /** No mirror has a say in what this shard does; and none will until `stay`. */
  | { readonly type: "freed" };

export type OwnerPhase =
  /** No mirror is in sync, none can be; what the shard lets out leaves at once. */
  | "open"
  /** What it lets out waits already; the mirror has yet to have what was let out before. */
  | "gating"
  /** `confirmMirror` may have committed. */
  | "confirming"
  | "in-sync"
  /** The mirror is lost; that it is cleared is not known yet. */
  | "clearing"
  /** The shard is at another epoch. What waits never leaves. */
  | "over";

/** What the watch shows of a mirrored shard. */
export interface MirroredView {
  readonly mirror: Seen<MirrorRecord>;
  readonly owner: Seen<OwnerRecord>;
  readonly world: Pick<Seen<WorldRecord>, "record">;
}

export interface MirrorOwnerOptions {
  readonly shard: string;
  /** At which it runs here. */
  readonly epoch: Revision;
  /** Of this node; for ids of transactions. */
  readonly boot: string;
  /** Without an acknowledgement for so long, in ms, the mirror is lost. */
  readonly timeoutMs: number;
  /** The shard came by a switch that made its source the mirror, which has the state of `tick`; the gate is there. */
  readonly begins?:
    | { readonly id: string; readonly node: string; readonly tick: number }
    | undefined;
}

/**
 * The owner's side of a mirror. Pure: events and the time in, effects out.
 *
 * 1. It gates before it proposes `confirmMirror`, and proposes that once the mirror has all that was let out before. Where
 *    a switch has recorded the mirror, it begins gated and in sync, before the shard's first tick.
 * 2. Once the mirror may be recorded it ungates only when no such record can be there: its own `clearMirror` has
 *    committed, or the watch shows the record gone while the owner's is this ownership's.
 * 3. A mirror that does not acknowledge within `timeoutMs` is lost. A stall of this process is not held against it.
 * 4. Once the shard has another epoch, nothing more comes of it: what waits is never released.
 * 5. Of a world whose failover is `manual` the mirror is recorded as unleased. Once the watch shows that, the shard acts
 *    on the mirror's word alone, for as long as that counts.
 */
export class MirrorOwner {
  private readonly options: MirrorOwnerOptions;
  private readonly view: () => MirroredView;
  private readonly unacknowledged: Unacknowledged;
  private effects: OwnerEffect[] = [];
  private now: OwnerPhase = "open";
  private time: number;
  /** The ticket that the follower came with; undefined: nobody follows. */
  private stream: string | undefined;
  private isCaughtUp = false;
  /** The mirror that the gate is for. */
  private mirror: { readonly id: string; readonly node: string } | undefined;
  private lastTick = 0;
  private acknowledged = 0;
  /** The mirror has to have so much before it counts. */
  private floor = 0;
  private saidAt = 0;
  private isLeaving = false;
  private isFreed = false;
  private unleased = false;
  private readonly attempts = new TxnAttempts();

  /** `now` in ms, on any clock that does not go back. `view`: what the watch shows now. */
  constructor(options: MirrorOwnerOptions, view: () => MirroredView, now: number) {
    this.options = options;
    this.view = view;
    this.time = now;
    this.unacknowledged = new Unacknowledged();
    const { begins } = options;
    if (begins === undefined) return;
    this.mirror = begins;
    this.stream = begins.id;
    this.lastTick = this.acknowledged = begins.tick;
    this.saidAt = now;
    this.unacknowledged.begin(now);
    this.now = "in-sync";
  }

  get phase(): OwnerPhase {
    return this.now;
  }

  /** Ticks that the mirror has not acknowledged. */
  get lagTicks(): number {
    return this.unacknowledged.count;
  }

  /** When `time` has to be told next, in ms. */
  get nextAt(): number {
    if (!this.isGated) return Number.POSITIVE_INFINITY;
    const txnAt = this.owesTxn ? this.attempts.nextAt : Number.POSITIVE_INFINITY;
    if (this.now === "clearing") return txnAt;
    return Math.min(txnAt, this.lostAt, this.saidAt + PULSE_MS);
  }

  /** The shard acts without a lease, too. */
  get isUnleased(): boolean {
    return this.unleased;
  }

  private get isGated(): boolean {
    return this.now !== "open" && this.now !== "over";
  }

  /** What the mirror says counts. */
  private get isHeeded(): boolean {
    return this.isGated && this.now !== "clearing";
  }

  private get owesTxn(): boolean {
    return this.now === "confirming" || this.now === "clearing";
  }

  private get lostAt(): number {
    return this.unacknowledged.since + this.options.timeoutMs;
  }

  handle(event: OwnerEvent, now: number): readonly OwnerEffect[] {
    this.effects = [];
    if (this.now === "over") return this.effects;
    // Pulses are more frequent: this process stood still, and what came meanwhile was not heard yet.
    const stall = now - this.time;
    if (this.isGated && stall > this.options.timeoutMs / 2) this.unacknowledged.shift(stall);
    this.time = now;
    this.take(event);
    this.look();
    this.noteUnleased();
    return this.effects;
  }

  private noteUnleased(): void {
    const { record } = this.view().mirror;
    const isIt = this.now === "in-sync" && record?.id === this.mirror?.id;
    const holds = isIt && record?.state === "in-sync" && record.unleased === true;
    if (holds === this.unleased) return;
    this.unleased = holds;
    this.effects.push({ type: "unleased", holds });
  }

  private take(event: OwnerEvent): void {
    switch (event.type) {
      case "opened":
        // The same ticket over another link goes on from where it was.
        if (this.stream !== event.id && this.isGated) this.lose("it follows with another ticket");
        if (this.stream !== event.id) this.forgetFollower();
        this.stream = event.id;
        return;
      case "copying":
        this.lose("it lost what it had");
        this.isCaughtUp = false;
        this.acknowledged = 0;
        return;
      case "caught-up":
      case "lagging":
        this.isCaughtUp = event.type === "caught-up";
        return;
      case "ticked":
        this.lastTick = event.tick;
        this.saidAt = this.time;
        if (this.isHeeded) this.unacknowledged.made(event.tick, this.time);
        return;
      case "acknowledged":
        return this.acknowledge(event.tick);
      case "failed":
        this.forgetFollower();
        return this.lose(`${event.reason} (${event.code})`);
      case "free":
        this.isLeaving = true;
        // Whoever asks is answered, also when it was asked before.
        this.isFreed = false;
        return this.lose(event.reason);
      case "stay":
        this.isLeaving = this.isFreed = false;
        return;
      case "answered":
        return this.answered(event.attempt, event.answer);
      case "look":
      case "time":
        return;
    }
  }

  private acknowledge(tick: number): void {
    this.acknowledged = Math.max(this.acknowledged, tick);
    this.unacknowledged.acknowledged(tick, this.time);
    if (this.isHeeded) this.effects.push({ type: "release", tick });
  }

  private look(): void {
    const { epoch } = this.options;
    const { mirror, owner } = this.view();
    if (owner.modified > epoch) {
      this.now = "over";
      this.endStream("wrong-epoch", "the shard is at another epoch");
      return this.sayFreed();
    }
    // A view that has yet to show this ownership shows the mirrors of another one.
    const isShown = owner.modified === epoch;
    if (this.mirror !== undefined && isShown && isGone(this.mirror.id, mirror)) this.cleared();
    if (this.stream !== undefined && isShown && isGone(this.stream, mirror))
      this.endStream("ended", "the shard has no such mirror any more");
    if (this.isHeeded && this.time >= this.lostAt)
      this.lose(`it acknowledged nothing for ${this.options.timeoutMs} ms`);
    this.begin();
    if (this.now === "gating" && this.acknowledged >= this.floor) this.step("confirming");
    this.propose();
    this.pulse();
    if (this.now === "open") this.sayFreed();
  }

  private sayFreed(): void {
    if (!this.isLeaving || this.isFreed) return;
    this.isFreed = true;
    this.effects.push({ type: "freed" });
  }

  /** Gates, once a follower whose ticket is good has caught up. */
  private begin(): void {
    const { mirror, owner } = this.view();
    const { record } = mirror;
    if (this.now !== "open" || this.isLeaving || !this.isCaughtUp) return;
    if (record?.state !== "asked" || record.id !== this.stream) return;
    if (record.epoch !== this.options.epoch || owner.modified !== record.epoch) return;
    this.mirror = { id: record.id, node: record.node };
    this.floor = this.lastTick;
    this.saidAt = this.time;
    this.unacknowledged.begin(this.time);
    this.now = "gating";
    this.effects.push({ type: "gate" });
  }

  private step(phase: "confirming" | "clearing"): void {
    this.now = phase;
    // An answer that is still to come is of no account: transactions of the two phases exclude each other.
    this.attempts.restart(this.time);
  }

  private propose(): void {
    if (!this.owesTxn || !this.attempts.isDue(this.time)) return;
    const { shard, epoch, boot } = this.options;
    const { mirror, owner, world } = this.view();
    const isSeen = mirror.record?.id === this.mirror?.id;
    if (this.now === "confirming" && isSeen && mirror.record?.state === "in-sync")
      return this.inSync();
    const id = `${boot}-${this.now}-${this.mirror?.id}-${this.attempts.next}`;
    const made =
      this.now === "confirming"
        ? confirmMirror(shard, mirror, {
            ...{ epoch, id },
            unleased: world.record?.failover === "manual",
          })
        : clearMirror(shard, { mirror, owner }, { epoch, id });
    // The view does not show how it was decided yet.
    if (!made.ok || !isSeen) return this.attempts.pause(this.time);
    this.effects.push({ type: "txn", attempt: this.attempts.begin(), request: made.txn });
  }

  private answered(attempt: number, answer: TxnAnswer): void {
    if (!this.attempts.answered(attempt)) return;
    if (answer.type === "done") return this.now === "clearing" ? this.cleared() : this.inSync();
    // The watch is about to tell what came before it, or it was not heard: it is asked again.
    this.attempts.pause(this.time);
  }

  private inSync(): void {
    this.now = "in-sync";
    this.effects.push({ type: "in-sync", node: this.mirror?.node ?? "" });
  }

  /** The mirror is of no use any more. */
  private lose(reason: string): void {
    if (!this.isHeeded) return;
    const wasProposed = this.now !== "gating";
    this.endStream("too-slow", reason);
    this.effects.push({ type: "lost", node: this.mirror?.node ?? "", reason });
    if (!wasProposed) return this.open();
    this.step("clearing");
  }

  /** No record of it is there, and none can come to be. */
  private cleared(): void {
    if (!this.isGated) return;
    if (this.now !== "clearing") {
      const reason = "the control plane gave it up";
      this.endStream("ended", reason);
      this.effects.push({ type: "lost", node: this.mirror?.node ?? "", reason });
    }
    this.open();
  }

  private open(): void {
    this.now = "open";
    this.mirror = undefined;
    this.attempts.forget();
    this.effects.push({ type: "ungate" });
  }

  private endStream(code: ReplicaCloseCode, reason: string): void {
    if (this.stream === undefined) return;
    this.forgetFollower();
    this.effects.push({ type: "end", code, reason });
  }

  private forgetFollower(): void {
    this.stream = undefined;
    this.isCaughtUp = false;
    this.acknowledged = 0;
  }

  private pulse(): void {
    if (!this.isHeeded || this.time < this.saidAt + PULSE_MS) return;
    this.saidAt = this.time;
    this.effects.push({ type: "pulse" });
  }
}

/** Of a mirror that was seen: its record was deleted, or another one took its place. */
function isGone(id: string, { record, modified }: Seen<MirrorRecord>): boolean {
  return record === undefined ? modified === 0 : record.id !== id;
}
