import { type CloseCode, closeCodeOf, closeCodes } from "@atlasnet/world";
import { Backoff } from "./backoff.ts";
import { Endpoints } from "./endpoints.ts";
import type { ClientMessage, ServerMessage, Welcome } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { Pacer } from "./pacer.ts";
import type {
  EndCode,
  SessionDependencies,
  SessionEffect,
  SessionEvent,
  SessionOptions,
} from "./session-events.ts";

/** Acks go out for every so many messages, or after this time (docs/protocol.md, section 5). */
const ACK_MESSAGES = 16;
const ACK_MS = 1_000;
/** Bytes of an ack at most. */
const ACK_BYTES = 12;
/** Longest time between pings; a third of the server's idle timeout when that is shorter. */
const PING_MS = 5_000;
/** The first pings come close together: a page that is still starting answers the very first one late. */
const QUICK_PINGS = 3;
const QUICK_PING_MS = 250;
/** A connection is taken for dead after this many ping intervals without a word. */
const SILENT_INTERVALS = 3;
/** From dialing to the welcome. */
const HANDSHAKE_MS = 10_000;
/** How long `leave` waits for the server's goodbye. */
const LEAVE_MS = 2_000;
/** A server's `resync` about the same message is answered at most this often. */
const RESEND_MS = 250;
/** Full state is asked for at most this often. */
const RESYNC_MS = 1_000;
/** A deadline that is not set. */
const NEVER = Number.POSITIVE_INFINITY;
/** CBOR around a payload. */
export const MESSAGE_OVERHEAD_BYTES = 32;

type Phase = "idle" | "dialing" | "greeting" | "joined" | "waiting" | "leaving" | "ended";

/** Refusals of a resume token after which joining anew makes sense. */
const LOST = new Set<CloseCode | undefined>(["session-lost", "unauthorized", "ticket-expired"]);

/**
 * One player's session as its client sees it: every rule of docs/protocol.md, section 5. Pure: an event
 * in, effects out. Times are milliseconds of any clock that does not go back.
 *
 * 1. At most one connection is in use; events of earlier ones must not be handed in.
 * 2. After `ended` there are no more effects.
 */
export class Session {
  phase: Phase = "idle";
  /** Round trip time in ms; undefined until it was measured. */
  rtt: number | undefined;

  private readonly options: SessionOptions;
  private readonly dependencies: SessionDependencies;
  private readonly outbox: Outbox;
  private readonly endpoints: Endpoints;
  private readonly backoff: Backoff;
  private effects: SessionEffect[] = [];

  private resume: string | undefined;
  private attempt: number;
  private stream: Uint8Array;
  /** Of the last welcome on this stream. */
  private timeline: number | undefined;
  private lastReceived = 0;
  private lastInput = 0;
  private readonly heldInputs = new Map<number, Uint8Array>();

  /** True from the first welcome on: from then on losses are the session's to mend. */
  private everJoined = false;
  private rejoining = false;
  /** True from `dropped` to `resumed`. */
  private away = false;
  private joinedAt = 0;
  private pacer = new Pacer(0, 0, 0);
  private maxMessageBytes = Number.POSITIVE_INFINITY;
  private pingMs = PING_MS;

  // Deadlines, in ms.
  private joinBy = NEVER;
  private giveUpAt = NEVER;
  private retryAt = NEVER;
  private ackAt = NEVER;
  private pingAt = NEVER;
  private quickPings = 0;
  private silentAt = NEVER;
  private sendAt = NEVER;
  private resendAt = NEVER;
  private resyncAt = NEVER;

  private unacked = 0;
  private lastResend = Number.NEGATIVE_INFINITY;
  private lastResync = Number.NEGATIVE_INFINITY;
  /** Why the last attempt failed, for whom the join ends with it. */
  private lastLoss: { code: EndCode; reason: string } | undefined;

  constructor(options: SessionOptions, dependencies: SessionDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.outbox = new Outbox(options.maxQueuedMessages, options.maxQueuedBytes);
    this.endpoints = new Endpoints(options.url);
    this.backoff = new Backoff(dependencies.random);
    this.resume = options.saved?.resume;
    this.attempt = options.saved?.attempt ?? 0;
    this.stream = dependencies.newStream();
  }

  /** When the next `wake` is due; Infinity when there is nothing to wait for. */
  get wakeAt(): number {
    const { joinBy, giveUpAt, retryAt, ackAt, pingAt, silentAt, sendAt, resendAt, resyncAt } = this;
    // Flat, because it is asked after every message.
    return Math.min(joinBy, giveUpAt, retryAt, ackAt, pingAt, silentAt, sendAt, resendAt, resyncAt);
  }

  step(event: SessionEvent, now: number): SessionEffect[] {
    if (this.phase !== "ended") this.handle(event, now);
    return this.takeEffects();
  }

  /** A reliable message. @throws QueueFullError, RangeError */
  send(index: number, payload: Uint8Array, now: number): SessionEffect[] {
    this.checkSize(payload);
    this.outbox.add(index, payload);
    if (this.phase === "joined") this.pump(now);
    return this.takeEffects();
  }

  /** An input: the newest of its kind wins; while there is no connection it is dropped. */
  input(index: number, payload: Uint8Array, now: number): SessionEffect[] {
    this.checkSize(payload);
    if (this.phase === "joined") {
      this.heldInputs.set(index, payload);
      this.pump(now);
    }
    return this.takeEffects();
  }

  private checkSize(payload: Uint8Array): void {
    const most = this.maxMessageBytes - MESSAGE_OVERHEAD_BYTES;
    if (payload.length > most)
      throw new RangeError(`message of ${payload.length} bytes, the server takes ${most}`);
  }

  private takeEffects(): SessionEffect[] {
    const { effects } = this;
    this.effects = [];
    return effects;
  }

  private handle(event: SessionEvent, now: number): void {
    switch (event.type) {
      case "start":
        this.joinBy = now + this.options.joinTimeoutMs;
        this.dial(now);
        break;
      case "opened":
        if (this.phase === "dialing") this.greet();
        break;
      case "received":
        this.received(event.message, now);
        break;
      case "disconnected":
        this.disconnected(event.number, event.reason, now);
        break;
      case "garbage":
        this.hangUp("bad-message", event.problem);
        this.lost(`the server sent something unreadable: ${event.problem}`, now);
        break;
      case "gap":
        this.resyncAt = Math.max(now, this.lastResync + RESYNC_MS);
        this.wake(now);
        break;
      case "hurry":
        if (this.phase === "waiting") this.retryAt = now;
        this.wake(now);
        break;
      case "wake":
        this.wake(now);
        break;
      case "leave":
        this.leave(now);
        break;
      case "stop":
        if (this.connected) this.hangUp("left", "the client closed");
        this.end("left", "the client closed", false);
        break;
    }
  }

  private get connected(): boolean {
    return this.phase !== "idle" && this.phase !== "waiting" && this.phase !== "ended";
  }

  private dial(now: number): void {
    this.phase = "dialing";
    this.retryAt = NEVER;
    this.giveUpAt = now + HANDSHAKE_MS;
    this.effects.push({ type: "dial", url: this.endpoints.current });
  }

  private greet(): void {
    const { options, outbox } = this;
    this.phase = "greeting";
    // Counted per hello and not per welcome: the server may have seen one that got no answer.
    if (this.resume !== undefined) {
      this.attempt += 1;
      this.effects.push({
        type: "save",
        saved: { resume: this.resume, attempt: this.attempt },
      });
    }
    this.transmit({
      type: "hello",
      hello: {
        world: options.world,
        ticket: this.resume === undefined ? options.ticket : undefined,
        resume: this.resume,
        stream: this.stream,
        attempt: this.resume === undefined ? 0 : this.attempt,
        firstUnacked: outbox.firstUnacked,
        lastReceived: this.lastReceived,
        timeline: this.timeline,
        schema: options.schema,
        params: options.params,
      },
    });
  }

  private received(message: ServerMessage, now: number): void {
    if (!this.connected) return;
    if (this.phase === "joined") this.silentAt = now + SILENT_INTERVALS * this.pingMs;
    if (message.type === "welcome") {
      if (this.phase === "greeting" || this.phase === "joined") this.welcomed(message.welcome, now);
      return;
    }
    if (message.type === "close") {
      this.closed(message.code, message.number, message.reason, now);
      return;
    }
    if (this.phase !== "joined" && this.phase !== "leaving") return;
    switch (message.type) {
      case "state":
        this.effects.push({ type: "state", packed: message.packed });
        break;
      case "message":
        this.take(message.seq, message.index, message.payload, now);
        break;
      case "ack":
        this.outbox.confirm(message.seq);
        this.effects.push({ type: "tick", tick: message.tick });
        break;
      case "pong": {
        const sample = now - message.t;
        if (sample >= 0) this.measured(sample);
        this.effects.push({ type: "tick", tick: message.tick });
        break;
      }
      case "resync":
        this.outbox.confirm(message.appliedSeq);
        this.resendAt = Math.max(now, this.lastResend + RESEND_MS);
        break;
      case "transfer":
        this.effects.push({ type: "transfer", world: message.world });
        break;
      case "notice":
        this.effects.push({ type: "notice", kind: message.kind, text: message.text });
        break;
    }
    // Timers of hidden pages are slow, arriving messages are not.
    this.wake(now);
  }

  private welcomed(welcome: Welcome, now: number): void {
    const { options, outbox } = this;
    if (options.schema !== undefined && !sameBytes(options.schema, welcome.schema)) {
      this.hangUp("schema-mismatch", "the world's definition is another one");
      this.end(
        "schema-mismatch",
        "the world runs another definition than this client was built with",
        false,
      );
      return;
    }
    const rolledBack =
      this.rejoining || (this.timeline !== undefined && this.timeline !== welcome.timeline);
    if (rolledBack) this.lastReceived = Math.min(this.lastReceived, welcome.outSeq);
    outbox.confirm(welcome.appliedSeq);
    // Without a rollback these are the numbers they have already.
    outbox.renumber(welcome.appliedSeq + 1);
    outbox.rewind();
    this.lastInput = Math.max(this.lastInput, welcome.lastInput);
    this.timeline = welcome.timeline;
    this.resume = welcome.resume;
    this.attempt = welcome.attempt;
    this.endpoints.learn(welcome.endpoints);
    const { limits } = welcome;
    // On a running connection the server goes on counting.
    if (this.phase === "greeting")
      this.pacer = new Pacer(limits.messagesPerSecond, limits.bytesPerSecond, now);
    this.maxMessageBytes = limits.maxMessageBytes || Number.POSITIVE_INFINITY;
    this.pingMs = Math.min(PING_MS, limits.idleTimeoutMs / 3 || PING_MS);

    const back = this.away;
    this.phase = "joined";
    this.joinedAt = now;
    this.everJoined = true;
    this.rejoining = false;
    this.away = false;
    this.clearDeadlines();
    this.pingAt = now;
    this.quickPings = QUICK_PINGS;
    this.silentAt = now + SILENT_INTERVALS * this.pingMs;
    this.lastResend = now;
    this.effects.push(
      { type: "save", saved: { resume: welcome.resume, attempt: welcome.attempt } },
      { type: "welcomed", welcome },
    );
    if (rolledBack) this.effects.push({ type: "rolled-back" });
    if (back) this.effects.push({ type: "resumed" });
    this.wake(now);
    this.pump(now);
  }

  private take(seq: number, index: number, payload: Uint8Array, now: number): void {
    if (seq > this.lastReceived + 1) {
      this.acknowledge(now);
      this.resyncAt = Math.max(now, this.lastResync + RESYNC_MS);
      return;
    }
    this.unacked += 1;
    if (this.unacked >= ACK_MESSAGES) this.ackAt = now;
    else this.ackAt = Math.min(this.ackAt, now + ACK_MS);
    if (seq <= this.lastReceived) return;
    this.lastReceived = seq;
    this.effects.push({ type: "deliver", index, payload });
  }

  /** Of the quick pings the best counts; later ones are averaged. */
  private measured(sample: number): void {
    if (this.rtt === undefined) this.rtt = sample;
    else if (this.quickPings > 0) this.rtt = Math.min(this.rtt, sample);
    else this.rtt += (sample - this.rtt) / 4;
  }

  private acknowledge(now: number): void {
    this.ackAt = NEVER;
    this.unacked = 0;
    // It does not wait, but it counts.
    this.pacer.spend(ACK_BYTES, now);
    this.transmit({ type: "ack", seq: this.lastReceived });
  }

  /** Does what is due. */
  private wake(now: number): void {
    if (this.retryAt <= now) this.dial(now);
    if (this.joinBy <= now && !this.everJoined) {
      if (this.connected) this.hangUp("left", "the join took too long");
      const { url, joinTimeoutMs } = this.options;
      const { code, reason } = this.lastLoss ?? { code: "unreachable", reason: "no answer" };
      this.end(code, `${url}, for ${joinTimeoutMs} ms: ${reason}`, true);
      return;
    }
    if (this.giveUpAt <= now) {
      this.giveUpAt = NEVER;
      if (this.phase === "leaving") {
        this.hangUp("left", "the player left");
        this.end("left", "the player left", false);
      } else {
        this.hangUp("left", "no welcome in time");
        this.lost("no welcome in time", now);
      }
      return;
    }
    if (this.phase !== "joined") return;
    if (this.silentAt <= now) {
      this.hangUp("idle-timeout", "nothing was heard from the server");
      this.lost("nothing was heard from the server", now);
      return;
    }
    if (this.ackAt <= now) this.acknowledge(now);
    if (this.pingAt <= now) {
      this.pingAt = now + (this.quickPings > 0 ? QUICK_PING_MS : this.pingMs);
      this.quickPings = Math.max(0, this.quickPings - 1);
      this.transmit({ type: "ping", t: Math.floor(now) });
    }
    if (this.resyncAt <= now) {
      this.resyncAt = NEVER;
      this.lastResync = now;
      this.transmit({ type: "resync" });
    }
    if (this.resendAt <= now) {
      this.resendAt = NEVER;
      this.lastResend = now;
      this.outbox.rewind();
      this.pump(now);
    }
    if (this.sendAt <= now) this.pump(now);
  }

  /** Sends what waits, as fast as the server's limits allow; inputs first, they are worth it only now. */
  private pump(now: number): void {
    this.sendAt = NEVER;
    const { outbox, pacer, heldInputs } = this;
    for (;;) {
      const [held] = heldInputs;
      const message = held === undefined ? outbox.peek() : undefined;
      if (held === undefined && message === undefined) return;
      const readyAt = pacer.readyAt(now);
      if (readyAt > now) {
        this.sendAt = readyAt;
        return;
      }
      if (held !== undefined) {
        const [index, payload] = held;
        heldInputs.delete(index);
        this.lastInput += 1;
        pacer.spend(payload.length + MESSAGE_OVERHEAD_BYTES, now);
        this.transmit({ type: "input", n: this.lastInput, index, payload });
      } else if (message !== undefined) {
        const { seq, index, payload } = message;
        outbox.advance();
        pacer.spend(payload.length + MESSAGE_OVERHEAD_BYTES, now);
        this.transmit({ type: "message", seq, index, payload });
      }
    }
  }

  private transmit(message: ClientMessage): void {
    this.effects.push({ type: "transmit", message });
  }

  private leave(now: number): void {
    if (this.phase === "leaving") return;
    this.effects.push({ type: "forget", attempt: this.attempt });
    if (this.phase === "joined") {
      this.transmit({ type: "leave" });
      this.clearDeadlines();
      this.phase = "leaving";
      this.giveUpAt = now + LEAVE_MS;
      return;
    }
    if (this.connected) this.hangUp("left", "the player left");
    this.end("left", "the player left", false);
  }

  private hangUp(code: CloseCode, reason: string): void {
    this.effects.push({ type: "hang-up", code, reason });
  }

  private disconnected(number: number | undefined, reason: string, now: number): void {
    if (!this.connected) return;
    const code = number === undefined ? undefined : codeOf(number);
    if (code === undefined) this.lost(reason, now);
    else this.closed(code === "unknown-code" ? undefined : code, number ?? 0, reason, now, true);
  }

  /** The server said why it closes. */
  private closed(
    code: CloseCode | undefined,
    number: number,
    reason: string,
    now: number,
    gone = false,
  ): void {
    if (!gone) this.hangUp("left", "closed by the server");
    if (this.phase === "leaving") {
      this.end("left", reason, false);
      return;
    }
    const resumed = this.resume !== undefined;
    if (resumed && !this.everJoined && (LOST.has(code) || code === "stale-attempt")) {
      // A token from before a reload that is good for nothing any more.
      this.effects.push({ type: "forget", attempt: this.attempt });
      this.startOver();
      this.dial(now);
      return;
    }
    if (resumed && this.everJoined && LOST.has(code) && this.options.rejoin) {
      this.effects.push({ type: "forget", attempt: this.attempt });
      this.startOver();
      this.rejoining = true;
      this.lost(reason, now);
      return;
    }
    if (code !== undefined && closeCodes[code].retry) {
      this.lost(`${code}: ${reason}`, now, code);
      return;
    }
    if (this.resume !== undefined) this.effects.push({ type: "forget", attempt: this.attempt });
    const text = code === undefined ? `close code ${number}: ${reason}` : reason;
    this.end(code ?? "unknown-code", text, false);
  }

  /** The next hello asks for a new session. */
  private startOver(): void {
    this.resume = undefined;
    this.attempt = 0;
    this.stream = this.dependencies.newStream();
    this.timeline = undefined;
    this.lastReceived = 0;
    this.lastInput = 0;
    this.outbox.restart();
  }

  /** The connection is gone; another one is tried after a while. */
  private lost(reason: string, now: number, code: EndCode = "unreachable"): void {
    if (this.phase === "leaving") {
      this.end("left", "the player left", false);
      return;
    }
    if (this.phase === "joined") this.backoff.ended(now - this.joinedAt);
    const { joinBy } = this;
    this.lastLoss = { code, reason };
    this.clearDeadlines();
    this.joinBy = joinBy;
    this.phase = "waiting";
    this.heldInputs.clear();
    this.endpoints.next();
    this.retryAt = now + this.backoff.next();
    if (this.everJoined && !this.away) {
      this.away = true;
      this.effects.push({ type: "dropped", reason });
    }
  }

  private end(code: EndCode, reason: string, retry: boolean): void {
    this.phase = "ended";
    this.clearDeadlines();
    this.effects.push({ type: "ended", code, reason, retry });
  }

  private clearDeadlines(): void {
    this.joinBy = NEVER;
    this.giveUpAt = NEVER;
    this.retryAt = NEVER;
    this.ackAt = NEVER;
    this.pingAt = NEVER;
    this.silentAt = NEVER;
    this.sendAt = NEVER;
    this.resendAt = NEVER;
    this.resyncAt = NEVER;
    this.unacked = 0;
  }
}

/** The close code of a WebSocket close event, if it is one of ours and not of the transport. */
function codeOf(number: number): CloseCode | "unknown-code" | undefined {
  return number < 4000 ? undefined : (closeCodeOf(number) ?? "unknown-code");
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
