import { chained, EMPTY_CHAIN, hashText } from "../hash.ts";
import type { WorldAccount } from "../record.ts";
import type { MessageLog } from "./message-log.ts";
import type { Report } from "./violation.ts";

/** A stream that was followed by another one in the same session, perhaps. */
interface EarlierStream {
  readonly log: MessageLog;
  readonly acknowledged: number;
  readonly countBase: number;
}

/** Up to `seq` all was acknowledged, and applied by the end of tick `by`; Infinity while that is not known. */
interface Acknowledged {
  readonly seq: number;
  readonly by: number;
}

/**
 * What the world says it applied of a session's messages, against what was sent and acknowledged.
 *
 * 1. `log` has what was sent on this stream and timeline; its numbers are those of the wire.
 * 2. The world counts a session's messages: `countBase` of them were before this stream. Undefined while that is open.
 */
export class AccountCheck {
  private readonly report: Report;
  private log: MessageLog;
  private countBase: number | undefined = 0;
  private earlier: EarlierStream | undefined;
  private account: { readonly tick: number; readonly seq: number } | undefined;
  /** The session had another stream before this one. */
  private followsStream = false;
  /**
   * After a welcome of a rollback with 0 applied the world may have applied others, and number anew: its next account
   * shows it. Then nobody here knows what its count was before, as long as the stream lasts.
   */
  private counts: "from-base" | "perhaps-from-base" | "from-elsewhere" = "from-base";
  /** The account differs, or cannot be compared: so it is with those that follow. */
  private diverged = false;

  constructor(log: MessageLog, report: Report) {
    this.log = log;
    this.report = report;
  }

  /** The last message of this stream that the world told of. */
  get seq(): number {
    return this.account?.seq ?? 0;
  }

  /** The server acknowledges up to `seq`, the last applied at `tick`. */
  acknowledged(seq: number, tick: number): void {
    if (this.account !== undefined && tick < this.account.tick) this.compare(seq);
  }

  wentBack(): void {
    this.account = undefined;
    this.diverged = false;
  }

  /** After `wentBack`, to another timeline. */
  rolledBack(appliedSeq: number): void {
    if (appliedSeq === 0 && this.counts === "from-base") this.counts = "perhaps-from-base";
    // Perhaps back to before this stream: how much of the one before is applied then, nobody knows.
    this.diverged = appliedSeq === 0 && this.followsStream;
  }

  /** Another stream begins, with a log of its own. */
  restarted(log: MessageLog, acknowledged: number): void {
    const known = this.countBase !== undefined && !this.diverged && this.counts === "from-base";
    this.earlier = known
      ? { log: this.log, acknowledged, countBase: this.countBase ?? 0 }
      : undefined;
    this.log = log;
    this.countBase = undefined;
    this.followsStream = true;
    this.account = undefined;
    this.diverged = !known;
    this.counts = known ? "from-base" : "from-elsewhere";
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
    this.counts = "from-base";
    this.countBase = 0;
    this.log.anchor(0, EMPTY_CHAIN);
  }

  /** What the world says it applied. */
  told(account: WorldAccount, acknowledged: Acknowledged): void {
    if (this.diverged || this.counts === "from-elsewhere") return;
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
    // Accounts of before the rollback may come again; one of no messages shows nothing.
    if (this.counts === "perhaps-from-base" && seq !== 0) {
      this.counts = this.isLogged(seq, account) ? "from-base" : "from-elsewhere";
      if (this.counts === "from-elsewhere") return;
    }
    this.diverged = this.differs(seq, account);
    if (this.diverged) return;
    this.account = { tick: account.tick, seq };
    if (account.tick > acknowledged.by) this.compare(acknowledged.seq);
  }

  /** The world applied what was sent here up to `seq`, as far as that is still known. */
  private isLogged(seq: number, { chain }: Pick<WorldAccount, "chain">): boolean {
    const { log } = this;
    if (seq > log.last) return false;
    const expected = log.chain(seq);
    return expected === undefined || expected === chain;
  }

  private differs(seq: number, { chain, last }: WorldAccount): boolean {
    const { report } = this;
    if (seq < this.seq) {
      const { account } = this;
      report({
        kind: "silent-rollback",
        message: account?.seq,
        expected: `${account?.seq} or more messages applied, as the world said at tick ${account?.tick}`,
        seen: `${seq} applied`,
      });
      return true;
    }
    if (this.isLogged(seq, { chain })) return false;
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
  private compare(seq: number): void {
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
}
