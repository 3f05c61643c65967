import { closeCodes } from "@atlasnet/world";
import type { HistoryEvent } from "../record.ts";
import type { Report } from "./violation.ts";

type Hello = Extract<HistoryEvent, { type: "hello" }>;
type Welcome = Extract<HistoryEvent, { type: "welcome" }>;

const SESSION_LOST = closeCodes["session-lost"].code;

/** What a welcome is to the numbers of messages. */
export type WelcomeKind =
  | "first-of-session"
  | "first-of-stream"
  /** The same, and the world went back since the last stream. */
  | "first-after-rollback"
  | "same-timeline"
  | "rollback";

/**
 * Who the client is, and where in time: attempts, epochs, timelines and ticks go forward, a rollback is told before
 * anything else of the new timeline, and nothing of a session follows its end.
 *
 * 1. `welcome` is the last one on this stream, undefined before it; `session` outlives streams.
 * 2. Between a close and the next hello nothing comes.
 */
export class SessionCheck {
  readonly figures = { sessions: 0, streams: 0, welcomes: 0, drops: 0, rollbacks: 0 };
  private readonly report: Report;
  private hello: Hello | undefined;
  private welcome: Welcome | undefined;
  private session: number | undefined;
  /** Of the last welcome on any stream. */
  private knownTimeline: number | undefined;
  /** The session that a close ended for good, and the timeline that it was of. */
  private lost: { readonly session: number; readonly timeline: number | undefined } | undefined;
  private epoch = 0;
  private highestTick = 0;
  /** Number of the close that nothing may follow but a hello. */
  private closedBy: number | undefined;
  /** The connection has had its welcome, and stands. */
  private standing = false;
  /** The hello was on a second connection: what its server does not know may still be known to the first one's. */
  private moving = false;
  /** The last hello got its welcome. */
  private answered = false;
  private rollbackDue = false;
  private over = false;

  constructor(report: Report) {
    this.report = report;
  }

  get stream(): string {
    return this.hello?.stream ?? "";
  }

  /** The session surely began with the last welcome, instead of being claimed or taken over. */
  get isNew(): boolean {
    return this.hello?.resume === false && this.welcome?.attempt === 0;
  }

  get timeline(): number | undefined {
    return this.welcome?.timeline;
  }

  /** True when nothing more may be said about the event: it has no place here. */
  misplaced({ type }: HistoryEvent): boolean {
    if (this.over) {
      this.report({ kind: "after-end", expected: "nothing after the session's end", seen: type });
      return true;
    }
    if (!OF_THE_SERVER.has(type)) return false;
    if (this.closedBy === undefined) return false;
    const lost = this.closedBy === SESSION_LOST;
    this.report({
      kind: lost ? "after-session-lost" : "after-close",
      expected: `nothing between the close ${this.closedBy} and the next hello`,
      seen: type,
    });
    return true;
  }

  /** Before whatever only makes sense once the game knows the timeline. */
  needsRollbackTold(type: string): void {
    if (!this.rollbackDue) return;
    this.rollbackDue = false;
    this.report({
      kind: "rollback-not-told",
      expected: "the game to hear of the rollback first",
      seen: type,
    });
  }

  /** True when it begins a new stream. `position` is where the numbers stand if it does not. */
  greeted(hello: Hello, position: { firstUnacked: number; lastReceived: number }): boolean {
    const before = this.hello;
    const fresh = before?.stream !== hello.stream;
    const afterLoss = this.closedBy === SESSION_LOST && !this.moving;
    this.hello = hello;
    this.moving = this.standing && !fresh;
    this.closedBy = undefined;
    if (afterLoss && (hello.resume || !fresh))
      this.report({
        kind: "after-session-lost",
        expected: "a hello for a new session, on a new stream",
        seen: `${hello.resume ? "the lost session's token" : "no token"}, ${fresh ? "a new" : "the same"} stream`,
      });
    if (fresh) {
      this.figures.streams += 1;
      this.welcome = undefined;
      this.answered = false;
    } else this.checkSameStream(hello, before, position);
    return fresh;
  }

  private checkSameStream(
    hello: Hello,
    before: Hello,
    { firstUnacked, lastReceived }: { firstUnacked: number; lastReceived: number },
  ): void {
    const { welcome, report } = this;
    // Without a token hellos count themselves; a session counts from its welcome on.
    const counts = before.resume || !this.answered;
    const newest = Math.max(counts ? before.attempt : 0, welcome?.attempt ?? 0);
    // Who got no welcome may say the same once more.
    const least = this.answered ? newest + 1 : newest;
    this.answered = false;
    if (hello.attempt < least)
      report({
        kind: "attempt-went-back",
        expected: `attempt ${least} or later in a hello`,
        seen: `attempt ${hello.attempt}`,
      });
    if (hello.firstUnacked !== firstUnacked || hello.lastReceived !== lastReceived)
      report({
        kind: "hello-position-wrong",
        message: hello.firstUnacked,
        expected: `firstUnacked ${firstUnacked} and lastReceived ${lastReceived}`,
        seen: `${hello.firstUnacked} and ${hello.lastReceived}`,
      });
    if (hello.timeline !== (welcome?.timeline ?? null))
      report({
        kind: "hello-position-wrong",
        expected: `the timeline of the last welcome, ${welcome?.timeline ?? "none"}`,
        seen: `timeline ${hello.timeline ?? "none"}`,
      });
  }

  welcomed(welcome: Welcome): WelcomeKind {
    const { report, session: before, welcome: last } = this;
    this.figures.welcomes += 1;
    if (this.isLost(welcome))
      report({
        kind: "after-session-lost",
        expected: "another session than the one that was lost",
        seen: `session ${welcome.session} again`,
      });
    if (welcome.epoch < this.epoch)
      report({
        kind: "epoch-went-back",
        expected: `epoch ${this.epoch} or later`,
        seen: `epoch ${welcome.epoch}`,
      });
    this.epoch = Math.max(this.epoch, welcome.epoch);
    if (last !== undefined && welcome.session !== last.session)
      report({
        kind: "session-changed",
        expected: `session ${last.session}, as on this stream before`,
        seen: `session ${welcome.session}`,
      });
    const asked = this.hello?.resume === true ? this.hello.attempt : 0;
    const least = Math.max(asked, last?.attempt ?? 0);
    if (welcome.attempt < least)
      report({
        kind: "attempt-went-back",
        expected: `attempt ${least} or later in a welcome`,
        seen: `attempt ${welcome.attempt}`,
      });
    this.needsRollbackTold("another welcome");
    this.standing = true;
    this.moving = false;
    this.answered = true;
    this.session = welcome.session;
    this.welcome = welcome;
    const kind = this.kindOf(welcome, last, before);
    this.rollbackDue = kind === "rollback" || (last === undefined && before !== undefined);
    if (kind === "same-timeline") this.ticked(welcome.tick, "a welcome");
    else this.highestTick = welcome.tick;
    this.knownTimeline = welcome.timeline;
    return kind;
  }

  private isLost({ session, timeline }: Welcome): boolean {
    return this.lost?.session === session && this.lost.timeline === timeline;
  }

  private kindOf(
    { session, timeline }: Welcome,
    last: Welcome | undefined,
    before: number | undefined,
  ): WelcomeKind {
    if (last !== undefined) return last.timeline === timeline ? "same-timeline" : "rollback";
    // On another timeline the number of a session that it does not know is given to the next one that joins.
    if (session === before && session !== this.lost?.session)
      return timeline === this.knownTimeline ? "first-of-stream" : "first-after-rollback";
    this.figures.sessions += 1;
    return "first-of-session";
  }

  /** The server's time is that of `tick` at least. */
  ticked(tick: number, where: string): void {
    if (tick < this.highestTick && where === "a welcome")
      this.report({
        kind: "silent-rollback",
        expected: `tick ${this.highestTick} or later, or a rollback`,
        seen: `tick ${tick} in ${where} on the same timeline`,
      });
    this.highestTick = Math.max(this.highestTick, tick);
  }

  toldOfRollback(): void {
    this.figures.rollbacks += 1;
    if (!this.rollbackDue)
      this.report({
        kind: "rollback-without-cause",
        expected: "a welcome with another timeline, or a new session, before it",
        seen: "neither",
      });
    this.rollbackDue = false;
  }

  closed(code: number): void {
    this.closedBy = code;
    this.standing = false;
    if (code === SESSION_LOST && !this.moving && this.session !== undefined)
      this.lost = { session: this.session, timeline: this.knownTimeline };
  }

  disconnected(): void {
    this.standing = false;
  }

  dropped(): void {
    this.figures.drops += 1;
    this.standing = false;
  }

  ended(): void {
    this.over = true;
  }
}

/** What comes from the server, or from what it said. */
const OF_THE_SERVER: ReadonlySet<string> = new Set([
  ...["welcome", "acknowledged", "asked", "received", "delivered", "tick", "account"],
]);
