import { chained, EMPTY_CHAIN, type Hash, hashText } from "../hash.ts";
import type { WorldAccount } from "../record.ts";
import { MessageLog } from "./message-log.ts";
import type { Report } from "./violation.ts";

/** A stream that was followed by another one in the same session, perhaps. */
interface EarlierStream {
  readonly log: MessageLog;
  readonly acknowledged: number;
  readonly countBase: number;
}

/**
 * From the game to the world: each message is sent under its number, acknowledged once it is applied, and applied once
 * and in order, as the world's own account says.
 *
 * 1. `waiting` are the messages that the game gave and that are not acknowledged; the first has the number `base`.
 * 2. `log` has what was sent on this stream and timeline; its numbers are those of the wire.
 * 3. The world counts a session's messages: `countBase` of them were before this stream. Undefined while that is open.
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
  private countBase: number | undefined = 0;
  private earlier: EarlierStream | undefined;
  private account: { readonly tick: number; readonly seq: number } | undefined;
  /** The session had another stream before this one. */
  private followsStream = false;
  /** The account differs, or cannot be compared: so it is with those that follow. */
  private diverged = false;

  constructor(report: Report) {
    this.report = report;
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
    return Math.max(0, this.acknowledgedSeq - (this.account?.seq ?? 0));
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
    if (this.account !== undefined && tick < this.account.tick) this.compareWithAcks(seq);
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
    // Perhaps back to before this stream: how much of the one before is applied then, nobody knows.
    this.diverged = appliedSeq === 0 && this.followsStream;
  }

  private wentBack(appliedSeq: number, tick: number): void {
    this.confirm(appliedSeq);
    this.base = appliedSeq + 1;
    this.log.truncate(appliedSeq);
    this.acknowledgedSeq = appliedSeq;
    this.acknowledgedTick = 0;
    this.appliedBy = tick;
    this.account = undefined;
    this.diverged = false;
  }

  /** A hello with a new stream: what was sent on the last one is given up. */
  restarted(): void {
    const sent = this.log.last - this.base + 1;
    this.figures.lostWithSession += sent;
    this.waiting.splice(0, sent);
    const known = this.countBase !== undefined && !this.diverged;
    this.earlier = known
      ? { log: this.log, acknowledged: this.acknowledgedSeq, countBase: this.countBase ?? 0 }
      : undefined;
    this.log = new MessageLog({ known: false });
    this.countBase = undefined;
    this.followsStream = true;
    this.base = 1;
    this.acknowledgedSeq = 0;
    this.acknowledgedTick = 0;
    this.appliedBy = 0;
    this.account = undefined;
    this.diverged = !known;
  }

  /** The world went back meanwhile: also what was acknowledged on the last stream may be undone. */
  followsRollback(): void {
    if (this.earlier !== undefined) this.earlier = { ...this.earlier, acknowledged: 0 };
  }

  /** The session of this stream is a new one: the world counts its messages from the first. */
  startsSession(): void {
    this.earlier = undefined;
    this.followsStream = false;
    this.diverged = false;
    this.countBase = 0;
    this.log.anchor(0, EMPTY_CHAIN);
  }

  /** What the world says it applied. */
  told(account: WorldAccount): void {
    if (this.diverged) return;
    if (this.countBase === undefined && !this.findBase(account)) {
      this.diverged = true;
      this.report({
        kind: "applied-out-of-order",
        expected: "the messages of the stream before up to some number, and then those of this one",
        seen: `${account.count} messages of the chain ${hashText(account.chain)}`,
      });
      return;
    }
    const seq = account.count - (this.countBase ?? 0);
    this.diverged = this.differs(seq, account);
    if (this.diverged) return;
    this.account = { tick: account.tick, seq };
    if (account.tick > this.appliedBy) this.compareWithAcks(this.acknowledgedSeq);
  }

  private differs(seq: number, { chain, last }: WorldAccount): boolean {
    const { log, report } = this;
    if (seq < (this.account?.seq ?? 0)) {
      const { account } = this;
      report({
        kind: "silent-rollback",
        message: account?.seq,
        expected: `${account?.seq} or more messages applied, as the world said at tick ${account?.tick}`,
        seen: `${seq} applied`,
      });
      return true;
    }
    const expected = seq > log.last ? undefined : log.chain(seq);
    if (expected === chain || (expected === undefined && seq <= log.last)) return false;
    this.tellDifference(seq, { chain, last });
    return true;
  }

  /** The chain of what the world applied is another one; what is told is the likeliest reason. */
  private tellDifference(seq: number, { chain, last }: Pick<WorldAccount, "chain" | "last">): void {
    const { log, report } = this;
    const which = log.whichIs(last);
    if (which === undefined || seq < 1) {
      report({
        kind: "applied-unsent",
        message: seq,
        expected: `message ${seq} as number ${seq} of those applied`,
        seen: `the message ${hashText(last)}, which was not sent`,
      });
      return;
    }
    const before = log.chain(seq - 1);
    const rightBefore = before !== undefined && chained(before, last) === chain;
    const twice = which < seq && rightBefore;
    report({
      kind: twice ? "applied-twice" : "applied-out-of-order",
      message: Math.min(which, seq),
      expected:
        seq > log.last
          ? `at most the ${log.last} messages sent to be applied`
          : `message ${seq} as number ${seq} of those applied, after all before it`,
      seen: `message ${which} as number ${seq}${rightBefore ? "" : ", and others before it than were sent"}`,
      firstAt: log.firstAt(Math.min(which, seq)),
    });
  }

  /** Up to `seq` was acknowledged at an earlier tick than that of the world's last account. */
  private compareWithAcks(seq: number): void {
    const { account, report, log } = this;
    if (account === undefined || seq <= account.seq) return;
    this.diverged = true;
    report({
      kind: "acknowledged-not-applied",
      message: account.seq + 1,
      expected: `${seq} messages applied by tick ${account.tick}, as was acknowledged`,
      seen: `${account.seq} applied, as the world says`,
      firstAt: log.firstAt(account.seq + 1),
    });
  }

  /** The session goes on with another stream: how much of the last one was applied is found by trying. */
  private findBase({ count, chain }: WorldAccount): boolean {
    const { earlier, log } = this;
    if (earlier === undefined) return true;
    for (let k = earlier.log.last; k >= earlier.acknowledged; k--) {
      const before = earlier.log.chain(k);
      const n = count - earlier.countBase - k;
      if (before === undefined || n < 0 || n > log.last) continue;
      let sum = before;
      for (let seq = 1; seq <= n; seq++) sum = chained(sum, log.hash(seq) ?? 0);
      if (sum !== chain) continue;
      this.countBase = earlier.countBase + k;
      this.earlier = undefined;
      log.anchor(0, before);
      return true;
    }
    return false;
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
