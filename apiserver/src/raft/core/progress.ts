import type { Checkpoint, FollowerStatus } from "./types.ts";

interface Inflight {
  readonly lastIndex: number;
  readonly bytes: number;
}

/** A checkpoint on its way. */
export interface Sending {
  readonly checkpoint: Checkpoint;
  /** What the follower has acknowledged. */
  offset: number;
  /** Heartbeat answers since the chunk at `offset` went out; undefined when it has not. */
  heartbeatsSince: number | undefined;
}

/** What a leader knows about one follower, and what it has on the way to it. */
export class Progress {
  readonly id: string;
  mode: "probe" | "replicate" | "checkpoint" = "probe";
  match = 0;
  next: number;
  /** A probe is on its way: one at a time, until an answer or a heartbeat's answer. */
  probing = false;
  /** Ask with an empty append whether all that was sent has arrived. */
  checkGap = false;
  active = false;
  /** Highest heartbeat round it has answered. */
  round = 0;
  /** The commit it was last told. */
  toldCommit = 0;
  sending: Sending | undefined;
  /** It votes: it has said that its log is not new. */
  votes = false;
  /** The incarnation its messages carry; 0 before the first. */
  incarnation = 0;
  private inflight: Inflight[] = [];
  private inflightBytes = 0;

  constructor(id: string, next: number) {
    this.id = id;
    this.next = next;
  }

  hasRoom(maxMessages: number, maxBytes: number): boolean {
    return this.inflight.length < maxMessages && this.inflightBytes < maxBytes;
  }

  sent(lastIndex: number, bytes: number): void {
    this.inflight.push({ lastIndex, bytes });
    this.inflightBytes += bytes;
    this.next = lastIndex + 1;
  }

  /** Takes an acknowledgement; true when it told something new. */
  acknowledged(match: number): boolean {
    let first = this.inflight[0];
    while (first && first.lastIndex <= match) {
      this.inflightBytes -= first.bytes;
      this.inflight.shift();
      first = this.inflight[0];
    }
    this.next = Math.max(this.next, match + 1);
    if (match <= this.match) return false;
    this.match = match;
    return true;
  }

  probeFrom(next: number): void {
    this.mode = "probe";
    this.next = next;
    this.clear();
  }

  replicate(): void {
    this.mode = "replicate";
    this.next = this.match + 1;
    this.clear();
  }

  send(checkpoint: Checkpoint): void {
    this.mode = "checkpoint";
    this.clear();
    this.sending = { checkpoint, offset: 0, heartbeatsSince: undefined };
  }

  status(voter: boolean): FollowerStatus {
    return {
      id: this.id,
      voter,
      mode: this.mode,
      match: this.match,
      next: this.next,
      inflightMessages: this.inflight.length,
      inflightBytes: this.inflightBytes,
      active: this.active,
      checkpointOffset: this.sending?.offset,
    };
  }

  private clear(): void {
    this.probing = false;
    this.checkGap = false;
    this.sending = undefined;
    this.inflight = [];
    this.inflightBytes = 0;
  }
}
