import { NEVER } from "./deadline.ts";
import type { ClientMessage } from "./messages.ts";
import type { Pacer } from "./pacer.ts";

/** Acks go out for every so many messages, or after this time (docs/protocol.md, section 5). */
const ACK_MESSAGES = 16;
const ACK_MS = 1_000;
/** Bytes of an ack at most. */
const ACK_BYTES = 21;
/** Full state is asked for at most this often. */
const RESYNC_MS = 1_000;

export interface DownstreamDependencies {
  /** Shared with all that counts against the server's limits. */
  pacer: Pacer;
  transmit: (message: ClientMessage) => void;
}

/**
 * What the server sends, on its way to the game: which messages are new, when they are acknowledged,
 * and when full state is asked for.
 *
 * 1. Everything up to `lastReceived` was delivered, once and in order, on this stream and timeline.
 * 2. Nothing is acknowledged that was not received, and an ack names the timeline of its number: one that
 *    is on its way while the world goes back means none of the messages that get these numbers then.
 * 3. After a welcome of another timeline on a connection that runs, an ack goes out before anything else:
 *    it tells the server which messages of this client are numbered anew.
 */
export class Downstream {
  lastReceived = 0;
  private timeline = 0;
  private readonly dependencies: DownstreamDependencies;
  private unacked = 0;
  private ackAt = NEVER;
  private resyncAt = NEVER;
  private lastResync = Number.NEGATIVE_INFINITY;

  constructor(dependencies: DownstreamDependencies) {
    this.dependencies = dependencies;
  }

  get wakeAt(): number {
    return Math.min(this.ackAt, this.resyncAt);
  }

  /** Takes a reliable message in; true when it is to be delivered. */
  take(seq: number, now: number): boolean {
    if (seq > this.lastReceived + 1) {
      this.acknowledge(now);
      this.missed(now);
      return false;
    }
    this.unacked += 1;
    if (this.unacked >= ACK_MESSAGES) this.ackAt = now;
    else this.ackAt = Math.min(this.ackAt, now + ACK_MS);
    if (seq <= this.lastReceived) return false;
    this.lastReceived = seq;
    return true;
  }

  /** Something is missing here: full state will be asked for. */
  missed(now: number): void {
    this.resyncAt = Math.max(now, this.lastResync + RESYNC_MS);
  }

  /** After a rollback numbers above the welcome's `outSeq` mean other messages. */
  welcomed(
    { outSeq, timeline }: { outSeq: number; timeline: number },
    { rolledBack, fresh }: { rolledBack: boolean; fresh: boolean },
    now: number,
  ): void {
    if (rolledBack) this.lastReceived = Math.min(this.lastReceived, outSeq);
    this.timeline = timeline;
    this.stop();
    if (rolledBack && !fresh) this.ackAt = now;
  }

  /** There is no connection to answer on. */
  stop(): void {
    this.ackAt = NEVER;
    this.resyncAt = NEVER;
    this.unacked = 0;
  }

  /** A new stream begins. */
  restart(): void {
    this.lastReceived = 0;
  }

  /** Does what is due. */
  wake(now: number): void {
    if (this.ackAt <= now) this.acknowledge(now);
    if (this.resyncAt <= now) {
      this.resyncAt = NEVER;
      this.lastResync = now;
      this.dependencies.transmit({ type: "resync" });
    }
  }

  private acknowledge(now: number): void {
    const { pacer, transmit } = this.dependencies;
    this.ackAt = NEVER;
    this.unacked = 0;
    // It does not wait, but it counts.
    pacer.spend(ACK_BYTES, now);
    transmit({ type: "ack", seq: this.lastReceived, timeline: this.timeline });
  }
}
