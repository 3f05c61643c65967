/**
 * What a client has of its shard's reliable messages, as far as it said so, with the timeline that the
 * number is of. Pure.
 *
 * 1. `timeline` moves on only when the client shows that it knows the next one: a shard that is told of a
 *    timeline takes what was numbered on it for received.
 * 2. From a world that goes back on a connection that stays until the client acknowledges on the new
 *    timeline, `behind` is true: what it sends is numbered on the older one.
 */
export class Received {
  seq = 0;
  timeline: number | undefined;
  behind = false;
  /** There were acks while there was nobody to pass them to. */
  owed = false;

  /** A hello begins: what the client says of itself. */
  begin(seq: number, timeline: number | undefined): void {
    this.seq = seq;
    this.timeline = timeline;
    this.behind = false;
    this.owed = false;
  }

  /** The first attachment of a hello; a client that named no timeline has nothing of another one. */
  attached(timeline: number): void {
    this.timeline ??= timeline;
  }

  /** A later attachment is on another timeline. */
  wentBack(): void {
    this.behind = true;
    this.owed = false;
  }

  /** The client acknowledged on the timeline of its attachment. */
  acknowledge(seq: number, timeline: number): void {
    this.seq = this.timeline === timeline ? Math.max(this.seq, seq) : seq;
    this.timeline = timeline;
    this.behind = false;
  }
}
