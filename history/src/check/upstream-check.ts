import { type Hash, hashText } from "../hash.ts";
import type { WorldAccount } from "../record.ts";
import { AccountCheck } from "./account-check.ts";
import { MessageLog } from "./message-log.ts";
import type { Report } from "./violation.ts";

/**
 * From the game to the world: each message is sent under its number, acknowledged once it is applied, and applied once
 * and in order, as the world's own account says.
 *
 * 1. `waiting` are the messages that the game gave and that are not acknowledged; the first has the number `base`.
 * 2. `log` has what was sent on this stream and timeline; its numbers are those of the wire.
 */
export class UpstreamCheck {
  readonly figures = {
    queued: 0,
    sent: 0,
    resends: 0,
    acknowledged: 0,
    undone: 0,
    lostWithSession: 0,
  };
  private readonly report: Report;
  private waiting: Hash[] = [];
  private base = 1;
  private log = new MessageLog();
  private acknowledgedSeq = 0;
  private acknowledgedTick = 0;
  /** Up to `acknowledgedSeq` all was applied by the end of this tick; Infinity while that is not known. */
  private appliedBy = 0;
  private readonly accounts: AccountCheck;

  constructor(report: Report) {
    this.report = report;
    this.accounts = new AccountCheck(this.log, report);
  }

  get firstUnacked(): number {
    return this.base;
  }

  /** Messages sent and not acknowledged, and given by the game and not sent. */
  get open(): { sent: number; unsent: number } {
    const sent = this.log.last - this.base + 1;
    return { sent, unsent: this.waiting.length - sent };
  }

  /** Acknowledged messages of this stream that no account of the world has told of. */
  get unproved(): number {
    return Math.max(0, this.acknowledgedSeq - this.accounts.seq);
  }

  queued(hash: Hash): void {
    this.figures.queued += 1;
    this.waiting.push(hash);
  }

  sent(seq: number, hash: Hash, at: number): void {
    const { log, base, report } = this;
    const wanted = this.waiting[seq - base];
    if (seq > log.last + 1 || seq < base || wanted === undefined) {
      const expected =
        wanted === undefined && seq >= base
          ? "only what the game gave"
          : `one of ${base} to ${log.last + 1}`;
      report({ kind: "sent-out-of-order", message: seq, expected, seen: `number ${seq}` });
      return;
    }
    if (wanted !== hash)
      report({
        kind: "sent-changed",
        message: seq,
        expected: `the message ${hashText(wanted)} under this number`,
        seen: `the message ${hashText(hash)}`,
        firstAt: log.firstAt(seq),
      });
    if (seq <= log.last) {
      this.figures.resends += 1;
      return;
    }
    this.figures.sent += 1;
    log.add(hash, at);
  }

  /** The server acknowledges up to `seq`, the last applied at `tick`. */
  acknowledged(seq: number, tick: number): void {
    if (!this.applied(seq, "an ack")) return;
    if (tick < this.acknowledgedTick)
      this.report({
        kind: "ack-tick-went-back",
        message: seq,
        expected: `tick ${this.acknowledgedTick} or later`,
        seen: `tick ${tick}`,
      });
    this.acknowledgedTick = Math.max(this.acknowledgedTick, tick);
    this.appliedBy = tick;
    this.accounts.acknowledged(seq, tick);
  }

  /** The server asks for everything after `seq`. */
  asked(seq: number): void {
    if (seq > this.acknowledgedSeq) this.appliedBy = Number.POSITIVE_INFINITY;
    this.applied(seq, "a resync");
  }

  /** A welcome on the same timeline, by a server that is at `tick`. */
  welcomed(appliedSeq: number, tick: number): void {
    if (appliedSeq >= this.acknowledgedSeq) {
      if (appliedSeq > this.acknowledgedSeq) this.appliedBy = tick;
      this.applied(appliedSeq, "a welcome");
      return;
    }
    this.report({
      kind: "acknowledged-lost",
      message: appliedSeq + 1,
      expected: `${this.acknowledgedSeq} applied, as was acknowledged, or a rollback`,
      seen: `a welcome on the same timeline with ${appliedSeq} applied`,
      firstAt: this.log.firstAt(appliedSeq + 1),
    });
    this.wentBack(appliedSeq, tick);
  }

  /** A welcome on another timeline: what was acknowledged may be undone, and the rest has new numbers. */
  rolledBack(appliedSeq: number, tick: number): void {
    if (appliedSeq > this.log.last) this.applied(appliedSeq, "a welcome after a rollback");
    this.figures.undone += Math.max(0, this.acknowledgedSeq - appliedSeq);
    this.wentBack(appliedSeq, tick);
    this.accounts.rolledBack(appliedSeq);
  }

  private wentBack(appliedSeq: number, tick: number): void {
    this.confirm(appliedSeq);
    this.base = appliedSeq + 1;
    this.log.truncate(appliedSeq);
    this.acknowledgedSeq = appliedSeq;
    this.acknowledgedTick = 0;
    this.appliedBy = tick;
    this.accounts.wentBack();
  }

  /** A hello with a new stream: what was sent on the last one is given up. */
  restarted(): void {
    const sent = this.log.last - this.base + 1;
    this.figures.lostWithSession += sent;
    this.waiting.splice(0, sent);
    this.log = new MessageLog({ known: false });
    this.accounts.restarted(this.log, this.acknowledgedSeq);
    this.base = 1;
    this.acknowledgedSeq = 0;
    this.acknowledgedTick = 0;
    this.appliedBy = 0;
  }

  /** The world went back meanwhile: also what was acknowledged on the last stream may be undone. */
  followsRollback(): void {
    this.accounts.followsRollback();
  }

  /** The session of this stream is a new one: the world counts its messages from the first. */
  startsSession(): void {
    this.accounts.startsSession();
  }

  /** What the world says it applied. */
  told(account: WorldAccount): void {
    this.accounts.told(account, { seq: this.acknowledgedSeq, by: this.appliedBy });
  }

  private applied(seq: number, where: string): boolean {
    const { log, acknowledgedSeq, report } = this;
    if (seq > log.last) {
      const expected = `at most the ${log.last} messages sent`;
      report({ kind: "ack-of-unsent", message: seq, expected, seen: `${seq} in ${where}` });
      return false;
    }
    if (seq < acknowledgedSeq) {
      const expected = `${acknowledgedSeq} or more, as was said before`;
      report({ kind: "ack-went-back", message: seq, expected, seen: `${seq} in ${where}` });
      return false;
    }
    this.figures.acknowledged += seq - acknowledgedSeq;
    this.acknowledgedSeq = seq;
    this.confirm(seq);
    return true;
  }

  private confirm(seq: number): void {
    const count = Math.max(0, Math.min(seq - this.base + 1, this.waiting.length));
    this.waiting.splice(0, count);
    this.base += count;
  }
}
