import { NEVER } from "./deadline.ts";
import type { ClientMessage } from "./messages.ts";
import type { Pacer } from "./pacer.ts";

/** Acks go out for every so many messages, or after this time (docs/protocol.md, section 5). */
const ACK_MESSAGES = 16;
const ACK_MS = 1_000;
/** Bytes of an ack at most. */
const ACK_BYTES = 12;
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
 * 2. Nothing is acknowledged that was not received. But an ack names no timeline: one that is on its way
 *    while the world goes back reaches a server whose messages of these numbers are others, and counts
 *    for them. They are lost if the connection breaks before they arrive. Only an ack that names its
 *    timeline would mend this, which version 1 of the protocol has no room for.
 */
export class Downstream {
  lastReceived = 0;
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

  /** `outSeq` is the welcome's: after a rollback numbers above it mean other messages. */
  welcomed(outSeq: number, rolledBack: boolean): void {
    if (rolledBack) this.lastReceived = Math.min(this.lastReceived, outSeq);
    this.stop();
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
    transmit({ type: "ack", seq: this.lastReceived });
  }
}
