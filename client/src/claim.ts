import type { Hello, Welcome } from "./messages.ts";
import type { SessionEffect, SessionOptions } from "./session-events.ts";

/** The first hello without a token is attempt 0. */
const BEFORE_FIRST = -1;

/**
 * What this client's hellos say of itself: the token of its session, which attempt it is, its stream,
 * and the timeline it knows.
 *
 * 1. With a token the client claims its session, without one it asks for a new one.
 * 2. The attempt grows with every hello of a stream, from 0 where there is no token yet, so the newest
 *    connection wins: the server may hear of an earlier one later.
 * 3. What a reload of the page needs is saved whenever it changes.
 * 4. One stream lasts until `startOver`; `timeline` is of the last welcome on it.
 */
export class Claim {
  private readonly options: SessionOptions;
  private readonly newStream: () => Uint8Array;
  private readonly emit: (effect: SessionEffect) => void;
  private resume: string | undefined;
  private attempt: number;
  private stream: Uint8Array;
  private timeline: number | undefined;
  /** The session is lost to a player who was in the world already. */
  private rejoining = false;

  constructor(
    options: SessionOptions,
    { newStream, emit }: { newStream: () => Uint8Array; emit: (effect: SessionEffect) => void },
  ) {
    this.options = options;
    this.newStream = newStream;
    this.emit = emit;
    this.resume = options.saved?.resume;
    this.attempt = options.saved?.attempt ?? BEFORE_FIRST;
    this.stream = newStream();
  }

  /** There is a session to return to. */
  get claimed(): boolean {
    return this.resume !== undefined;
  }

  /** The next hello. */
  hello({ firstUnacked, lastReceived }: { firstUnacked: number; lastReceived: number }): Hello {
    const { options, resume } = this;
    // Counted per hello and not per welcome: the server may have seen one that got no answer.
    this.attempt += 1;
    this.save();
    return {
      world: options.world,
      ticket: resume === undefined ? options.ticket : undefined,
      resume,
      stream: this.stream,
      attempt: this.attempt,
      firstUnacked,
      lastReceived,
      timeline: this.timeline,
      schema: options.schema,
      params: options.params,
    };
  }

  /** True when the game has to hear of a rollback: the world went back, or the session is another one. */
  welcomed({ resume, attempt, timeline }: Welcome): boolean {
    const rolledBack =
      this.rejoining || (this.timeline !== undefined && this.timeline !== timeline);
    this.rejoining = false;
    this.timeline = timeline;
    this.resume = resume;
    this.attempt = attempt;
    this.save();
    return rolledBack;
  }

  /** A reload of the page is not to return to this session. */
  forget(): void {
    this.emit({ type: "forget", attempt: this.attempt });
  }

  /** The next hello asks for a new session; `rejoining` for a player who had one in this instance. */
  startOver(rejoining: boolean): void {
    this.resume = undefined;
    this.attempt = BEFORE_FIRST;
    this.stream = this.newStream();
    this.timeline = undefined;
    this.rejoining = rejoining;
  }

  private save(): void {
    const { resume, attempt } = this;
    if (resume !== undefined) this.emit({ type: "save", saved: { resume, attempt } });
  }
}
