import type { Clock, Timer } from "@atlasnet/core";
import type { QuicConnection } from "../transport/quic-connection.ts";
import { ChannelRing } from "./channel-ring.ts";
import { ControlSource } from "./control-source.ts";
import type { InChannel } from "./in-channel.ts";
import {
  CHANNEL_STREAMS,
  CREDIT_DELAY_MS,
  CREDIT_EAGER_BYTES,
  StreamKind,
  Urgency,
} from "./link-bounds.ts";
import type { OutChannel } from "./out-channel.ts";
import { PacedRing } from "./paced-ring.ts";
import { StreamWriter } from "./stream-writer.ts";

export interface OutgoingDependencies {
  readonly connection: QuicConnection;
  readonly clock: Clock;
  readonly scratch: Uint8Array;
  /** Calls back at the end of what runs now, before the transport sends. */
  readonly soon: (callback: () => void) => void;
}

/**
 * All that leaves on one link.
 *
 * 1. What is sent in one turn is gathered and written once, at its end.
 * 2. The control stream goes first, the channels' streams take turns, bulk comes when they have nothing left.
 * 3. When the transport takes no more, messages stay in their channels until it does: there they are counted.
 */
export class Outgoing {
  private readonly clock: Clock;
  private readonly soon: (callback: () => void) => void;
  private readonly source = new ControlSource();
  private readonly control: StreamWriter;
  private readonly rings: readonly ChannelRing[];
  private readonly writers: readonly StreamWriter[];
  private readonly bulkRing: PacedRing;
  private readonly bulk: StreamWriter;
  private first = 0;
  /** Within one flush: which of the writers have no more to do in it. */
  private readonly isThrough: boolean[];
  private scheduled = false;
  private gathering = false;
  private over = false;
  private reportTimer: Timer | undefined;

  constructor(
    options: { readonly bulkBytesPerSecond: number },
    dependencies: OutgoingDependencies,
  ) {
    const { connection, clock, scratch } = dependencies;
    const common = { connection, scratch };
    this.clock = clock;
    this.soon = dependencies.soon;
    this.control = new StreamWriter(
      { kind: StreamKind.control, urgency: Urgency.control },
      { ...common, source: this.source },
    );
    this.rings = Array.from({ length: CHANNEL_STREAMS }, () => new ChannelRing());
    this.writers = this.rings.map(
      (source) =>
        new StreamWriter(
          { kind: StreamKind.channels, urgency: Urgency.channels },
          { ...common, source },
        ),
    );
    this.isThrough = this.writers.map(() => false);
    this.bulkRing = new PacedRing(
      { bytesPerSecond: options.bulkBytesPerSecond },
      { clock, wake: () => this.schedule() },
    );
    this.bulk = new StreamWriter(
      { kind: StreamKind.channels, urgency: Urgency.bulk },
      { ...common, source: this.bulkRing },
    );
  }

  greet(frame: Uint8Array): void {
    this.source.greet(frame);
    this.schedule();
  }

  /** The channel has something to send. A channel keeps its stream, and so its order. */
  ready(channel: OutChannel, bulk: boolean): void {
    if (bulk) this.bulkRing.add(channel);
    else this.rings[channel.number % CHANNEL_STREAMS]?.add(channel);
    this.schedule();
  }

  /** A handler took a message: the peer will be told. */
  took(channel: InChannel, cost: number): void {
    this.source.took(channel, cost);
    if (this.source.unreported >= CREDIT_EAGER_BYTES) {
      this.source.due = true;
      this.schedule();
    } else if (this.reportTimer === undefined)
      this.reportTimer = this.clock.setTimer(CREDIT_DELAY_MS, () => {
        this.reportTimer = undefined;
        this.source.due = true;
        this.schedule();
      });
  }

  /** The transport may take more. */
  writable(): void {
    for (const writer of [this.control, this.bulk, ...this.writers]) writer.unblock();
    this.flush();
  }

  /** From here on nothing is written before `flush`. */
  gather(): void {
    this.gathering = true;
  }

  flush(): void {
    this.gathering = false;
    if (this.over) return;
    if (this.source.due) {
      this.reportTimer?.cancel();
      this.reportTimer = undefined;
    }
    while (this.control.round() === "more");
    if (this.flushChannels()) while (this.bulk.round() === "more");
  }

  end(): void {
    this.over = true;
    this.reportTimer?.cancel();
    this.reportTimer = undefined;
    this.source.clear();
    this.bulkRing.clear();
    for (const ring of this.rings) ring.clear();
    for (const writer of [this.control, this.bulk, ...this.writers]) writer.drop();
  }

  /** Every stream gets a call of the transport in its turn. Returns whether all is written. */
  private flushChannels(): boolean {
    const { writers, isThrough } = this;
    let isBlocked = false;
    let open = writers.length;
    isThrough.fill(false);
    for (let at = this.first; open > 0; at = (at + 1) % writers.length) {
      if (isThrough[at]) continue;
      const round = writers[at]?.round();
      if (round === "more") continue;
      isThrough[at] = true;
      open -= 1;
      if (round === "blocked") isBlocked = true;
    }
    // Who was first now is last when the transport takes more.
    this.first = (this.first + 1) % writers.length;
    return !isBlocked;
  }

  private schedule(): void {
    if (this.scheduled || this.gathering || this.over) return;
    this.scheduled = true;
    this.soon(() => {
      this.scheduled = false;
      this.flush();
    });
  }
}
