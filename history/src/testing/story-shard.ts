import { chained, EMPTY_CHAIN, type Hash, hashMessage } from "../hash.ts";
import type { WorldAccount } from "../record.ts";

export interface UpMessage {
  readonly seq: number;
  readonly hash: Hash;
}

export interface DownMessage {
  readonly seq: number;
  readonly hash: Hash;
  readonly account: WorldAccount;
}

/** What a shard keeps of one session; plain data, so that a snapshot is a copy. */
export interface StorySession {
  stream: string;
  attempt: number;
  appliedSeq: number;
  outSeq: number;
  outbox: DownMessage[];
  count: number;
  chain: Hash;
  last: Hash;
  sentCount: number;
  sentChain: Hash;
}

interface ShardState {
  tick: number;
  session: StorySession | undefined;
}

/** Ways in which a shard breaks the rules on purpose; each is used up by the next chance. */
export type ShardFault =
  | "apply-twice"
  | "apply-none"
  | "apply-swapped"
  | "apply-other"
  | "acknowledge-early"
  | "send-none"
  | "send-twice";

/** One session's side of the rules of docs/protocol.md, small enough to be seen to be right. */
export class StoryShard {
  tick = 1;
  epoch = 1;
  timeline = 1;
  session: StorySession | undefined;
  sessionId = 0;
  fault: ShardFault | undefined;
  /** The highest number downstream that means the same to a client on another timeline. */
  commonOutSeq = Number.POSITIVE_INFINITY;
  /** It numbered anew what clients say, after it had applied some of it: how much, they do not learn. */
  hidesApplied = false;
  private snapshots: ShardState[] = [];
  private heldBack: UpMessage | undefined;

  open(stream: string): void {
    this.sessionId += 1;
    this.session = {
      ...{ stream, attempt: 0, appliedSeq: 0, outSeq: 0, outbox: [] },
      ...{ count: 0, chain: EMPTY_CHAIN, last: 0, sentCount: 0, sentChain: EMPTY_CHAIN },
    };
    // Restored from before, it would not be there.
    this.snapshots = [];
  }

  /** Numbers start anew in a session that stays. */
  restream(stream: string): void {
    const { session } = this;
    if (session !== undefined)
      Object.assign(session, { stream, appliedSeq: 0, outSeq: 0, outbox: [] });
    this.snapshots = [];
  }

  snapshot(): void {
    this.snapshots.push(structuredClone({ tick: this.tick, session: this.session }));
  }

  close(): void {
    this.session = undefined;
    this.snapshots = [];
  }

  /** Goes back to an earlier snapshot, and forgets those after it; false when there is none. */
  restore(pick: (count: number) => number): boolean {
    const n = pick(this.snapshots.length);
    const state = this.snapshots[n];
    if (state === undefined) return false;
    this.snapshots = this.snapshots.slice(0, n + 1);
    this.commonOutSeq = Math.min(this.commonOutSeq, state.session?.outSeq ?? 0);
    const { attempt = 0 } = this.session ?? {};
    const { tick, session } = structuredClone(state);
    this.tick = tick;
    this.session = session === undefined ? undefined : { ...session, attempt };
    return true;
  }

  /** It is of a branch that parted from the client's, nobody knows where: numbers begin anew, both ways, unless it keeps what was applied. */
  goAside(firstUnacked: number): void {
    const { session } = this;
    if (session === undefined) return;
    session.outbox = session.outbox.map((message, at) => ({ ...message, seq: at + 1 }));
    session.outSeq = session.outbox.length;
    if (firstUnacked > session.appliedSeq) {
      this.hidesApplied ||= session.appliedSeq > 0;
      session.appliedSeq = 0;
    }
    this.commonOutSeq = 0;
    this.snapshots = [];
  }

  /** Takes a message in; answers when it was the next one. False asks for a resync. */
  apply(message: UpMessage): boolean {
    const { session } = this;
    if (session === undefined || message.seq <= session.appliedSeq) return true;
    if (message.seq > session.appliedSeq + 1) return false;
    session.appliedSeq = message.seq;
    switch (this.fault) {
      case "apply-none":
        break;
      case "apply-twice":
        this.applied(session, message.hash);
        this.applied(session, message.hash);
        break;
      case "apply-other":
        this.applied(session, hashMessage(9, Uint8Array.of(1)));
        break;
      case "apply-swapped":
        if (this.heldBack === undefined) {
          this.heldBack = message;
          return true;
        }
        this.applied(session, message.hash);
        this.applied(session, this.heldBack.hash);
        break;
      default:
        this.applied(session, message.hash);
        this.answer();
        return true;
    }
    this.fault = undefined;
    this.answer();
    return true;
  }

  private applied(session: StorySession, hash: Hash): void {
    session.count += 1;
    session.chain = chained(session.chain, hash);
    session.last = hash;
  }

  /** Sends the session a reliable message with the account. */
  answer(): void {
    const { session, tick } = this;
    if (session === undefined) return;
    const { count, chain, last, sentCount, sentChain } = session;
    const account = { tick, count, chain, last, sentCount, sentChain };
    const hash = hashMessage(1, new TextEncoder().encode(JSON.stringify(account)));
    session.sentCount += 1;
    session.sentChain = chained(sentChain, hash);
    if (this.fault === "send-none") {
      this.fault = undefined;
      return;
    }
    const copies = this.fault === "send-twice" ? 2 : 1;
    if (copies > 1) this.fault = undefined;
    for (let n = 0; n < copies; n++) {
      session.outSeq += 1;
      session.outbox.push({ seq: session.outSeq, hash, account });
    }
  }

  confirmed(seq: number, timeline: number): void {
    const { session } = this;
    if (session === undefined || timeline !== this.timeline) return;
    session.outbox = session.outbox.filter((message) => message.seq > seq);
  }
}
