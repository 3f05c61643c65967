import type { Violations } from "@atlasnet/apiserver/sim";
import type { SimPassage } from "@atlasnet/core/sim";
import type { Shard } from "@atlasnet/gameserver/sim";
import { isAct } from "./acts.ts";
import { readBatch } from "./batch.ts";
import type { Checker } from "./checker.ts";

export interface CommittedOnlyDependencies {
  readonly violations: Violations;
  /** What the deltas of a shard at an epoch tell up to now. */
  followerOf(shard: string, epoch: number): Shard | undefined;
}

/**
 * Rule 5.2: what leaves is output of a committed tick, and what enters is in a delta before it is acknowledged. Holds
 * what gameservers tell proxies against a state that is made of deltas alone.
 */
export class CommittedOnly implements Checker {
  readonly rule = "5.2 what leaves is of a committed tick";
  looked = 0;
  private readonly deps: CommittedOnlyDependencies;
  /** Sessions by attachment. */
  private readonly sessions = new Map<string, number>();

  constructor(dependencies: CommittedOnlyDependencies) {
    this.deps = dependencies;
  }

  sent({ from, to, message }: SimPassage): void {
    if (!isAct(message)) return;
    if (message.type !== "attached" && message.type !== "downstream") return;
    const { shard, epoch } = message;
    const committed = this.deps.followerOf(shard, epoch);
    this.looked += 1;
    if (committed === undefined)
      return this.report(`${from} says "${message.type}" for ${shard} before any tick at ${epoch}`);
    const ofLink = `${from} ${to} ${shard} ${epoch}`;
    if (message.type === "attached") {
      const { attach, session, tick, appliedSeq } = message;
      this.sessions.set(`${ofLink} ${attach}`, session);
      this.checkTick(committed, tick);
      this.checkSeq(committed, session, appliedSeq);
      return;
    }
    const { tick, acks } = readBatch(message.batch);
    this.checkTick(committed, tick);
    for (const { attach, seq } of acks) {
      const session = this.sessions.get(`${ofLink} ${attach}`);
      if (session !== undefined) this.checkSeq(committed, session, seq);
    }
  }

  private checkTick({ options, store }: Shard, tick: number): void {
    if (tick > store.tick)
      this.report(`${options.shard} tells of tick ${tick}, and the last delta is of ${store.tick}`);
  }

  /** A session that has left since is not looked at. */
  private checkSeq({ options, store }: Shard, id: number, seq: number): void {
    const session = store.sessions.sessionById(id);
    if (session !== undefined && seq > session.appliedSeq)
      this.report(
        `${options.shard} acknowledges message ${seq} of session ${id}, and deltas hold ${session.appliedSeq}`,
      );
  }

  private report(detail: string): void {
    this.deps.violations.add(this.rule, detail);
  }
}
