import type { SessionLookup } from "./entity-table.ts";
import {
  NOT_WENT_BACK,
  newSession,
  type OutboxMessage,
  type SessionState,
} from "./session-state.ts";
import type { OutboxLimits } from "./store.ts";
import type { UndoLog } from "./undo-log.ts";

/** What a tick changed in a session. */
export interface SessionChange {
  /** More than the counters: the whole record goes into the delta. */
  full: boolean;
  /** `outSeq` before the tick: newer outbox messages go into the delta. */
  outSeqBefore: number;
}

/** The sessions of a shard, in order of id. */
export class SessionTable implements SessionLookup {
  private readonly byId = new Map<number, SessionState>();
  private readonly byAccount = new Map<string, SessionState>();
  private readonly undo: UndoLog;
  private readonly outbox: OutboxLimits;
  /** Session by id, or undefined in the map's value when it ended. */
  readonly changes = new Map<number, SessionChange>();
  /** Sessions whose outbox ran over; the shard ends them. */
  readonly overflowed = new Set<number>();
  nextId = 1;
  /** Makes the object world code knows a session by; set by the module's adapter. */
  makePlayer: (session: SessionState) => unknown = () => undefined;
  private readonly players = new Map<number, unknown>();

  constructor(undo: UndoLog, outbox: OutboxLimits) {
    this.undo = undo;
    this.outbox = outbox;
  }

  get size(): number {
    return this.byId.size;
  }

  sessionById(id: number): SessionState | undefined {
    return this.byId.get(id);
  }

  ofAccount(account: string): SessionState | undefined {
    return this.byAccount.get(account);
  }

  all(): Iterable<SessionState> {
    return this.byId.values();
  }

  playerOf(session: SessionState): unknown {
    let player = this.players.get(session.id);
    if (player === undefined) {
      player = this.makePlayer(session);
      this.players.set(session.id, player);
    }
    return player;
  }

  create(identity: Parameters<typeof newSession>[1]): SessionState {
    const session = newSession(this.nextId++, identity);
    this.insert(session);
    this.changed(session, true);
    return session;
  }

  insert(session: SessionState): void {
    this.byId.set(session.id, session);
    this.byAccount.set(session.account, session);
  }

  remove(session: SessionState): void {
    this.changed(session, true);
    this.byId.delete(session.id);
    this.byAccount.delete(session.account);
    this.players.delete(session.id);
    this.overflowed.delete(session.id);
  }

  /** Notes a change; `full` when it is more than counters and outbox. */
  changed(session: SessionState, full: boolean): void {
    const change = this.changes.get(session.id);
    if (change === undefined) this.changes.set(session.id, { full, outSeqBefore: session.outSeq });
    else if (full) change.full = true;
  }

  /** Numbers a reliable message and keeps it until it is acknowledged. */
  send(session: SessionState, index: number, payload: Uint8Array): void {
    const { outSeq, outboxBytes } = session;
    const overflowed = this.overflowed.has(session.id);
    const length = session.outbox.length;
    this.undo.push(() => {
      session.outSeq = outSeq;
      session.outbox.length = Math.min(session.outbox.length, length);
      session.outboxBytes = outboxBytes;
      if (!overflowed) this.overflowed.delete(session.id);
    });
    this.changed(session, false);
    if (length >= this.outbox.messages || outboxBytes + payload.length > this.outbox.bytes) {
      this.overflowed.add(session.id);
      return;
    }
    session.outbox.push({ seq: outSeq + 1, index, payload });
    session.outSeq = outSeq + 1;
    session.outboxBytes = outboxBytes + payload.length;
  }

  /** The client has everything up to `seq`. */
  acknowledge(session: SessionState, seq: number): void {
    const upTo = Math.min(seq, session.outSeq);
    if (upTo <= session.ackedSeq) return;
    this.changed(session, false);
    session.ackedSeq = upTo;
    const kept = session.outbox.findIndex((m) => m.seq > upTo);
    session.outbox = kept < 0 ? [] : session.outbox.slice(kept);
    session.outboxBytes = bytesOf(session.outbox);
    // It got what this timeline numbered, so it knows of it.
    if (upTo > session.sharedSeq) this.knowsTimeline(session);
  }

  /** The client is on the timeline of this state. */
  knowsTimeline(session: SessionState): void {
    if (session.sharedSeq === NOT_WENT_BACK) return;
    session.sharedSeq = NOT_WENT_BACK;
    session.branch = 0;
    this.changed(session, true);
  }

  /** The state went back: until a client shows that it knows, its numbers above these mean others. */
  wentBack(): void {
    for (const session of this.byId.values())
      session.sharedSeq = Math.min(session.sharedSeq, session.outSeq);
  }

  /**
   * The state may be of a branch that its clients are not on: they went on from an earlier point of it with somebody
   * else, who numbered other messages as those here are, and nothing tells where that was. Not even what was
   * acknowledged here is certain, for the other one may have begun from before it. So the numbers begin anew, as on a
   * new stream, and no number means the same to both sides; unacknowledged messages come under their new numbers.
   * What clients said has other numbers only if they went on to a timeline after `branch`, the one that this state was
   * lived on; that shows when they attach.
   */
  wentAside(branch: number): void {
    for (const session of this.byId.values()) {
      session.outbox = session.outbox.map((message, at) => ({ ...message, seq: at + 1 }));
      session.outSeq = session.outbox.length;
      session.ackedSeq = 0;
      session.sharedSeq = 0;
      // One that has not attached since the last time has numbered nothing anew on what came after.
      if (session.branch === 0) session.branch = branch;
      this.changed(session, true);
    }
  }

  /** Makes everything derived anew; after an interruption nothing derived is trusted. */
  rebuild(): void {
    this.byAccount.clear();
    for (const session of this.byId.values()) {
      this.byAccount.set(session.account, session);
      session.outbox = session.outbox.filter((m) => m.seq > session.ackedSeq);
      session.outboxBytes = bytesOf(session.outbox);
    }
  }

  setEntity(session: SessionState, entity: number): void {
    const before = session.entity;
    if (before === entity) return;
    this.undo.push(() => {
      session.entity = before;
    });
    this.changed(session, true);
    session.entity = entity;
  }

  setChannel(session: SessionState, channel: number, on: boolean): void {
    if (session.channels.has(channel) === on) return;
    const before = new Set(session.channels);
    this.undo.push(() => {
      session.channels = before;
    });
    this.changed(session, true);
    session.channels = new Set(before);
    if (on) session.channels.add(channel);
    else session.channels.delete(channel);
  }

  clearChanges(): void {
    this.changes.clear();
  }
}

export function bytesOf(outbox: readonly OutboxMessage[]): number {
  return outbox.reduce((sum, message) => sum + message.payload.length, 0);
}
