import { NEVER } from "./deadline.ts";
import type { ClientMessage, Welcome } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import type { Pacer } from "./pacer.ts";

/** A server's `resync` about the same message is answered at most this often. */
const RESEND_MS = 250;
/** CBOR around a payload. */
const MESSAGE_OVERHEAD_BYTES = 32;

export interface UpstreamDependencies {
  /** Shared with all that counts against the server's limits. */
  pacer: Pacer;
  transmit: (message: ClientMessage) => void;
}

/**
 * What the game sends, on its way to the server: messages until they are acknowledged, inputs until
 * there is room for them.
 *
 * 1. Messages go out in order, and all that is kept goes out again after a welcome and a `resync`.
 * 2. Of inputs that wait there is one of each kind, the newest. Their numbers never go back on a stream.
 *    Of those that were sent, the newest of each kind goes out again after a welcome that does not have it, with
 *    its number: the gameserver that it was sent to may have died, while the connection stayed.
 * 3. Nothing is transmitted but in `pump` and `wake`, which are called only while joined.
 */
export class Upstream {
  private readonly dependencies: UpstreamDependencies;
  private readonly outbox: Outbox;
  private readonly heldInputs = new Map<number, Uint8Array>();
  /** The newest of each kind that was sent over this connection. */
  private readonly sentInputs = new Map<number, { n: number; payload: Uint8Array }>();
  /** Of these, what is to be sent again, in the order of its numbers. */
  private inputsAgain: { n: number; index: number; payload: Uint8Array }[] = [];
  private lastInput = 0;
  private maxMessageBytes = Number.POSITIVE_INFINITY;
  private sendAt = NEVER;
  private resendAt = NEVER;
  private lastResend = Number.NEGATIVE_INFINITY;

  constructor(
    options: { maxQueuedMessages: number; maxQueuedBytes: number },
    dependencies: UpstreamDependencies,
  ) {
    this.dependencies = dependencies;
    this.outbox = new Outbox(options.maxQueuedMessages, options.maxQueuedBytes);
  }

  get wakeAt(): number {
    return Math.min(this.sendAt, this.resendAt);
  }

  get firstUnacked(): number {
    return this.outbox.firstUnacked;
  }

  /** Queues a reliable message. @throws QueueFullError, RangeError */
  add(index: number, payload: Uint8Array): void {
    this.checkSize(payload);
    this.outbox.add(index, payload);
  }

  hold(index: number, payload: Uint8Array): void {
    this.heldInputs.set(index, payload);
  }

  /** @throws RangeError for a payload that the server would refuse. */
  checkSize(payload: Uint8Array): void {
    const most = this.maxMessageBytes - MESSAGE_OVERHEAD_BYTES;
    if (payload.length > most)
      throw new RangeError(`message of ${payload.length} bytes, the server takes ${most}`);
  }

  /** The server applied everything up to `seq`. */
  confirm(seq: number): void {
    this.outbox.confirm(seq);
  }

  /** The server asks for everything after `appliedSeq`. */
  resend(appliedSeq: number, now: number): void {
    this.outbox.confirm(appliedSeq);
    this.resendAt = Math.max(now, this.lastResend + RESEND_MS);
  }

  /** Everything kept waits to be sent again, as the rules of a welcome have it. */
  welcomed({ appliedSeq, lastInput, limits }: Welcome, now: number): void {
    const { outbox } = this;
    outbox.confirm(appliedSeq);
    // Without a rollback these are the numbers they have already.
    outbox.renumber(appliedSeq + 1);
    outbox.rewind();
    this.lastInput = Math.max(this.lastInput, lastInput);
    this.inputsAgain = [...this.sentInputs]
      .map(([index, sent]) => ({ index, ...sent }))
      .filter(({ n }) => n > lastInput)
      .sort((a, b) => a.n - b.n);
    this.maxMessageBytes = limits.maxMessageBytes || Number.POSITIVE_INFINITY;
    this.lastResend = now;
    this.sendAt = NEVER;
    this.resendAt = NEVER;
  }

  /** There is no connection to send on. Inputs are worth it only now, messages are kept. */
  stop(): void {
    this.heldInputs.clear();
    this.forgetSent();
    this.pause();
  }

  /** There will be a connection to send on in a moment. */
  pause(): void {
    this.sendAt = NEVER;
    this.resendAt = NEVER;
  }

  /** A new stream begins: both numberings start anew. */
  restart(): void {
    this.lastInput = 0;
    this.forgetSent();
    this.outbox.restart();
  }

  private forgetSent(): void {
    this.sentInputs.clear();
    this.inputsAgain = [];
  }

  /** Does what is due. */
  wake(now: number): void {
    if (this.resendAt <= now) {
      this.resendAt = NEVER;
      this.lastResend = now;
      this.outbox.rewind();
      this.pump(now);
    }
    if (this.sendAt <= now) this.pump(now);
  }

  /** Sends what waits, as fast as the server's limits allow; inputs first, they are worth it only now. */
  pump(now: number): void {
    this.sendAt = NEVER;
    const { outbox, heldInputs } = this;
    const { pacer, transmit } = this.dependencies;
    for (;;) {
      const [again] = this.inputsAgain;
      const [held] = heldInputs;
      const message = again === undefined && held === undefined ? outbox.peek() : undefined;
      if (again === undefined && held === undefined && message === undefined) return;
      const readyAt = pacer.readyAt(now);
      if (readyAt > now) {
        this.sendAt = readyAt;
        return;
      }
      if (again !== undefined) {
        this.inputsAgain.shift();
        pacer.spend(again.payload.length + MESSAGE_OVERHEAD_BYTES, now);
        transmit({ type: "input", ...again });
      } else if (held !== undefined) {
        const [index, payload] = held;
        heldInputs.delete(index);
        this.lastInput += 1;
        this.sentInputs.set(index, { n: this.lastInput, payload });
        pacer.spend(payload.length + MESSAGE_OVERHEAD_BYTES, now);
        transmit({ type: "input", n: this.lastInput, index, payload });
      } else if (message !== undefined) {
        const { seq, index, payload } = message;
        outbox.advance();
        pacer.spend(payload.length + MESSAGE_OVERHEAD_BYTES, now);
        transmit({ type: "message", seq, index, payload });
      }
    }
  }
}
