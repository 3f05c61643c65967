import type { HistoryEvent, HistoryRecord } from "../record.ts";
import { DownstreamCheck } from "./downstream-check.ts";
import { SessionCheck } from "./session-check.ts";
import { type TickGap, TickIntervals } from "./tick-intervals.ts";
import { UpstreamCheck } from "./upstream-check.ts";
import type { Finding, Violation } from "./violation.ts";

/** Of one client, or of all together. */
export interface HistoryFigures {
  /** Reliable messages that games gave to their clients. */
  readonly queued: number;
  /** Of these sent for the first time, and sent again. */
  readonly sent: number;
  readonly resends: number;
  readonly acknowledged: number;
  /** Acknowledged, and undone by a rollback that the game was told of. */
  readonly undone: number;
  /** Given up with a session: sent and not acknowledged when it ended. */
  readonly lostWithSession: number;
  /** Sent and not acknowledged at the end, and not sent at all. */
  readonly unacknowledged: number;
  readonly unsent: number;
  /** Acknowledged on the last stream after the world's last account: nothing proves that they were applied. */
  readonly unproved: number;
  /** Reliable messages of the world that came, that came again, that came before their turn, and that games got. */
  readonly received: number;
  readonly repeats: number;
  readonly early: number;
  readonly delivered: number;
  readonly sessions: number;
  readonly streams: number;
  readonly welcomes: number;
  readonly drops: number;
  readonly rollbacks: number;
  readonly ticks: number;
  /** Accounts of worlds that were compared; without any only numbers were checked, not what was applied. */
  readonly accounts: number;
  /** Records that are missing in the history. */
  readonly holes: number;
}

/** Holds the history of one client against the rules, record by record; it keeps what later records may need. */
export class ClientCheck {
  readonly ticks = new TickIntervals();
  private readonly client: string;
  private readonly onViolation: (violation: Violation) => void;
  private readonly session: SessionCheck;
  private readonly upstream: UpstreamCheck;
  private readonly downstream: DownstreamCheck;
  private at = 0;
  private accounts = 0;
  private holes = 0;
  private finished = false;

  constructor(
    { client }: { client: string },
    { onViolation }: { onViolation: (violation: Violation) => void },
  ) {
    this.client = client;
    this.onViolation = onViolation;
    const report = (finding: Finding) => this.violated(finding);
    this.session = new SessionCheck(report);
    this.upstream = new UpstreamCheck(report);
    this.downstream = new DownstreamCheck(report);
  }

  take({ at, event }: HistoryRecord): void {
    this.at = at;
    // What follows a hole would be held against what nobody knows.
    if (this.holes > 0 && event.type !== "hole") return;
    if (event.type === "hole") this.holes += event.records;
    else if (!this.session.misplaced(event)) this.handle(event, at);
  }

  private handle(event: HistoryEvent, at: number): void {
    const { session, upstream, downstream } = this;
    if (event.type !== "delivered") downstream.settle();
    if (ON_A_TIMELINE.has(event.type)) session.needsRollbackTold(event.type);
    switch (event.type) {
      case "queued":
        upstream.queued(event.hash);
        break;
      case "hello": {
        const { firstUnacked } = upstream;
        const { lastReceived } = downstream;
        if (session.greeted(event, { firstUnacked, lastReceived })) {
          upstream.restarted();
          downstream.restarted();
        }
        break;
      }
      case "welcome":
        this.welcomed(event);
        break;
      case "sent":
        upstream.sent(event.seq, event.hash, at);
        break;
      case "acknowledged":
        upstream.acknowledged(event.seq, event.tick);
        session.ticked(event.tick, "an ack");
        break;
      case "asked":
        upstream.asked(event.seq);
        break;
      case "received":
        downstream.received(event.seq, event.hash, at);
        break;
      case "delivered":
        downstream.delivered(event.seq, event.hash, at);
        break;
      case "confirmed":
        this.confirmed(event.seq, event.timeline);
        break;
      case "tick":
        session.ticked(event.tick, "state");
        this.ticks.add(at);
        break;
      case "account":
        this.accounts += 1;
        downstream.told(event);
        upstream.told(event);
        break;
      case "rolled-back":
        session.toldOfRollback();
        break;
      case "disconnected":
        session.disconnected();
        break;
      case "dropped":
        session.dropped();
        break;
      case "close":
        session.closed(event.code);
        break;
      case "ended":
        session.ended();
        break;
    }
  }

  private welcomed(welcome: Extract<HistoryEvent, { type: "welcome" }>): void {
    const { session, upstream, downstream } = this;
    const { appliedSeq, outSeq, tick } = welcome;
    const kind = session.welcomed(welcome);
    if (kind === "rollback") {
      upstream.rolledBack(appliedSeq, tick);
      downstream.rolledBack(outSeq);
      return;
    }
    if (kind === "first-of-session") {
      upstream.startsSession();
      // The world counts what a writer said, and this one is new; but what it sent it counts for the session, which
      // may be older than this client.
      if (session.isNew) downstream.startsSession();
    }
    if (kind === "first-after-rollback") upstream.followsRollback();
    upstream.welcomed(appliedSeq, tick);
    downstream.welcomed(outSeq);
  }

  /** The client must not acknowledge what its game has not got. */
  private confirmed(seq: number, timeline: number): void {
    const { downstream, session } = this;
    if (seq <= downstream.lastReceived && timeline === session.timeline) return;
    this.violated({
      kind: "delivered-unsent",
      message: seq,
      expected: `the client to acknowledge at most ${downstream.lastReceived}, of timeline ${session.timeline}`,
      seen: `an ack of ${seq}, of timeline ${timeline}`,
    });
  }

  /** The history is over. Idempotent. */
  finish(): void {
    if (this.finished) return;
    this.finished = true;
    if (this.holes === 0) this.downstream.end();
  }

  get gap(): TickGap {
    return this.ticks.largest;
  }

  get figures(): HistoryFigures {
    const { upstream, downstream, session, ticks, accounts, holes } = this;
    const { received, repeats, early, delivered } = downstream.figures;
    const { sent: unacknowledged, unsent } = upstream.open;
    return {
      ...upstream.figures,
      ...{ unacknowledged, unsent, unproved: upstream.unproved },
      ...{ received, repeats, early, delivered },
      ...session.figures,
      ...{ ticks: ticks.count, accounts, holes },
    };
  }

  private violated({ kind, message, expected, seen, firstAt }: Finding): void {
    const { client, at } = this;
    const { stream } = this.session;
    this.onViolation({ kind, client, stream, message, expected, seen, at, firstAt });
  }
}

/** What only makes sense once the game knows of which timeline it is. */
const ON_A_TIMELINE: ReadonlySet<string> = new Set([
  ...["sent", "acknowledged", "asked", "received", "delivered", "tick", "account", "confirmed"],
]);
