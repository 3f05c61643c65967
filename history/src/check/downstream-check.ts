import { EMPTY_CHAIN, type Hash, hashText } from "../hash.ts";
import type { WorldAccount } from "../record.ts";
import { MessageLog } from "./message-log.ts";
import type { Report } from "./violation.ts";

/**
 * From the world to the game: of each number the game gets one message, in order, and those that the world says it
 * has sent.
 *
 * 1. `log` has what the game got on this stream and timeline.
 * 2. What came and was new is `arrived` until it goes to the game, which is before anything else happens.
 * 3. `sentBase` messages of the session were sent before this stream. Undefined while that is open.
 */
export class DownstreamCheck {
  readonly figures = { received: 0, delivered: 0, repeats: 0, early: 0, proved: 0 };
  private readonly report: Report;
  private log = new MessageLog();
  private arrived: { readonly seq: number; readonly hash: Hash } | undefined;
  /** The highest number that came, and when. */
  private highest = { seq: 0, at: 0 };
  private sentBase: number | undefined = 0;
  private diverged = false;

  constructor(report: Report) {
    this.report = report;
  }

  get lastReceived(): number {
    return this.log.last;
  }

  received(seq: number, hash: Hash, at: number): void {
    const { log, figures } = this;
    this.settle();
    figures.received += 1;
    if (seq > this.highest.seq) this.highest = { seq, at };
    if (seq > log.last + 1) {
      // One before it is missing. The client asks for it, and drops this one.
      figures.early += 1;
      return;
    }
    if (seq === log.last + 1) {
      this.arrived = { seq, hash };
      return;
    }
    figures.repeats += 1;
    const before = log.hash(seq);
    if (before !== undefined && before !== hash) this.changed(seq, before, hash);
  }

  delivered(seq: number, hash: Hash, at: number): void {
    const { log, arrived, report, figures } = this;
    this.arrived = undefined;
    figures.delivered += 1;
    if (arrived?.seq === seq) {
      if (arrived.hash !== hash) this.changed(seq, arrived.hash, hash);
      log.add(hash, at);
      return;
    }
    const next = log.last + 1;
    if (seq < next)
      report({
        kind: "delivered-twice",
        message: seq,
        expected: `message ${next} as the next one for the game`,
        seen: `message ${seq} again`,
        firstAt: log.firstAt(seq),
      });
    else
      report({
        kind: seq > next ? "delivered-out-of-order" : "delivered-unsent",
        message: next,
        expected: `message ${next} as the next one for the game, once it came`,
        seen: `message ${seq}`,
      });
    // Told once: from here on it goes on.
    while (log.last < seq) log.add(hash, at);
  }

  /** Something else happens: what arrived should have gone to the game by now. */
  settle(): void {
    const { arrived, log } = this;
    if (arrived === undefined) return;
    this.arrived = undefined;
    this.report({
      kind: "not-delivered",
      message: arrived.seq,
      expected: "the game to get it as it came",
      seen: "it came and the game did not get it",
      firstAt: this.highest.at,
    });
    log.add(arrived.hash, this.highest.at);
  }

  /** A welcome on the same timeline. */
  welcomed(outSeq: number): void {
    const { log, report } = this;
    if (outSeq < log.last)
      report({
        kind: "silent-rollback",
        message: log.last,
        expected: `${log.last} or more messages numbered by the world, or a rollback`,
        seen: `a welcome on the same timeline with ${outSeq}`,
        firstAt: log.firstAt(log.last),
      });
  }

  rolledBack(outSeq: number): void {
    const { log } = this;
    log.truncate(Math.min(log.last, outSeq));
    this.highest = { seq: log.last, at: this.highest.at };
    this.diverged = false;
    // Perhaps back to before this stream; or the world numbers anew, as it cannot tell what means the same.
    if (outSeq === 0) this.sentBase = undefined;
  }

  /** A hello with a new stream. */
  restarted(): void {
    this.log = new MessageLog({ known: false });
    this.highest = { seq: 0, at: 0 };
    this.sentBase = undefined;
    this.diverged = false;
  }

  /** The session of this stream is a new one. */
  startsSession(): void {
    this.sentBase = 0;
    this.log.anchor(0, EMPTY_CHAIN);
  }

  /** What the world says it sent before the message that was delivered last. */
  told({ sentCount, sentChain }: WorldAccount): void {
    const { log, report } = this;
    if (this.diverged) return;
    const before = log.last - 1;
    if (this.sentBase === undefined) {
      this.sentBase = sentCount - before;
      log.anchor(before, sentChain);
      return;
    }
    const seen = sentCount - this.sentBase;
    const chain = log.chain(before);
    if (seen === before && (chain === sentChain || chain === undefined)) {
      this.figures.proved = Math.max(this.figures.proved, before);
      return;
    }
    this.diverged = true;
    report({
      kind: "world-sent-otherwise",
      message: log.last,
      expected: `the world to have sent the ${before} messages before it that the game got`,
      seen:
        seen === before
          ? `as many, but others: chain ${hashText(sentChain)} and not ${hashText(chain ?? 0)}`
          : `that it sent ${seen} before it`,
      firstAt: log.firstAt(log.last),
    });
  }

  /** Nothing comes any more. */
  end(): void {
    this.settle();
    const { log, highest } = this;
    if (highest.seq <= log.last) return;
    this.report({
      kind: "never-received",
      message: log.last + 1,
      expected: `messages ${log.last + 1} to ${highest.seq}, the last of which came once`,
      seen: "none of them until the end",
      firstAt: highest.at,
    });
  }

  private changed(seq: number, before: Hash, now: Hash): void {
    this.report({
      kind: "received-changed",
      message: seq,
      expected: `the message ${hashText(before)} under this number`,
      seen: `the message ${hashText(now)}`,
      firstAt: this.log.firstAt(seq),
    });
  }
}
