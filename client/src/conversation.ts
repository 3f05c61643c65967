import { Downstream } from "./downstream.ts";
import { KeepAlive } from "./keep-alive.ts";
import type { ClientMessage, ServerMessage, Welcome } from "./messages.ts";
import { Pacer } from "./pacer.ts";
import type { SessionEffect } from "./session-events.ts";
import { Upstream } from "./upstream.ts";

/** What a server says between the welcome and the close. */
export type SpokenMessage = Exclude<ServerMessage, { type: "welcome" | "close" | "reconnect" }>;

/**
 * What client and server say to each other once there was a welcome: the two directions of messages,
 * and the pings. It outlives connections, as its numbers go on over them; from `stop` to the next
 * `welcomed` nothing is due and nothing is transmitted.
 */
export class Conversation {
  private readonly emit: (effect: SessionEffect) => void;
  private readonly pacer = new Pacer();
  private readonly upstream: Upstream;
  private readonly downstream: Downstream;
  private readonly keepAlive: KeepAlive;
  private open = false;
  /** There is a new connection, and its welcome is about to come. */
  private moving = false;

  constructor(
    options: { maxQueuedMessages: number; maxQueuedBytes: number },
    emit: (effect: SessionEffect) => void,
  ) {
    const { pacer } = this;
    const transmit = (message: ClientMessage) => emit({ type: "transmit", message });
    this.emit = emit;
    this.upstream = new Upstream(options, { pacer, transmit });
    this.downstream = new Downstream({ pacer, transmit });
    this.keepAlive = new KeepAlive(transmit);
  }

  get wakeAt(): number {
    return Math.min(this.downstream.wakeAt, this.keepAlive.wakeAt, this.upstream.wakeAt);
  }

  /** Round trip time in ms; undefined until it was measured. */
  get rtt(): number | undefined {
    return this.keepAlive.rtt;
  }

  /** Where the numbers of this stream stand, for a hello. */
  get position(): { firstUnacked: number; lastReceived: number } {
    return {
      firstUnacked: this.upstream.firstUnacked,
      lastReceived: this.downstream.lastReceived,
    };
  }

  /** `fresh` on a new connection; on one that runs already the server goes on counting its limits. */
  welcomed(welcome: Welcome, about: { rolledBack: boolean; fresh: boolean }, now: number): void {
    const { messagesPerSecond, bytesPerSecond, idleTimeoutMs } = welcome.limits;
    if (about.fresh) this.pacer.limit(messagesPerSecond, bytesPerSecond, now);
    this.downstream.welcomed(welcome, about, now);
    this.upstream.welcomed(welcome, now);
    this.keepAlive.start(idleTimeoutMs, now);
    this.open = true;
    this.moving = false;
  }

  /** Says what has waited for the welcome. */
  begin(now: number): void {
    this.wake(now);
    this.upstream.pump(now);
  }

  /** Everything waits for the welcome on another connection, inputs as well. */
  move(): void {
    this.open = false;
    this.moving = true;
    this.upstream.pause();
    this.downstream.stop();
    this.keepAlive.stop();
  }

  /** The connection is gone, or about to go. */
  stop(): void {
    this.open = false;
    this.moving = false;
    this.upstream.stop();
    this.downstream.stop();
    this.keepAlive.stop();
  }

  /** A new stream begins. */
  restart(): void {
    this.downstream.restart();
    this.upstream.restart();
  }

  /** A reliable message. @throws QueueFullError, RangeError */
  send(index: number, payload: Uint8Array, now: number): void {
    this.upstream.add(index, payload);
    if (this.open) this.upstream.pump(now);
  }

  /** An input; dropped while there is no connection. @throws RangeError */
  input(index: number, payload: Uint8Array, now: number): void {
    this.upstream.checkSize(payload);
    if (this.open || this.moving) this.upstream.hold(index, payload);
    if (this.open) this.upstream.pump(now);
  }

  /** Something came from the server, whatever it was. */
  heard(now: number): void {
    if (this.open) this.keepAlive.heard(now);
  }

  /** Nothing came for so long that there is nobody. */
  isSilent(now: number): boolean {
    return this.keepAlive.isSilent(now);
  }

  received(message: SpokenMessage, now: number): void {
    const { emit } = this;
    switch (message.type) {
      case "state":
        emit({ type: "state", packed: message.packed });
        break;
      case "updates":
        emit({ type: "updates", packed: message.packed });
        break;
      case "message": {
        const { seq, index, payload } = message;
        if (this.downstream.take(seq, now)) emit({ type: "deliver", index, payload });
        break;
      }
      case "ack":
        this.upstream.confirm(message.seq);
        emit({ type: "tick", tick: message.tick });
        break;
      case "pong":
        this.keepAlive.pong(message.t, now);
        emit({ type: "tick", tick: message.tick });
        break;
      case "resync":
        this.upstream.resend(message.appliedSeq, now);
        break;
      case "transfer":
        emit({ type: "transfer", world: message.world });
        break;
      case "notice":
        emit({ type: "notice", kind: message.kind, text: message.text });
        break;
    }
  }

  /** The mirror missed something: full state is asked for. */
  missed(now: number): void {
    this.downstream.missed(now);
  }

  /** Does what is due. */
  wake(now: number): void {
    if (!this.open) return;
    this.keepAlive.wake(now);
    this.downstream.wake(now);
    this.upstream.wake(now);
  }
}
