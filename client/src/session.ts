import { type CloseCode, sameBytes } from "@atlasnet/world";
import { Claim } from "./claim.ts";
import { closeVerdict, serverCloseCode } from "./close-verdict.ts";
import { Conversation } from "./conversation.ts";
import { NEVER } from "./deadline.ts";
import type { ClientMessage, ServerMessage, Welcome } from "./messages.ts";
import { Redial } from "./redial.ts";
import type {
  EndCode,
  SessionDependencies,
  SessionEffect,
  SessionEvent,
  SessionOptions,
} from "./session-events.ts";

/** From dialing to the welcome. */
const HANDSHAKE_MS = 10_000;
/** How long `leave` waits for the server's goodbye. */
const LEAVE_MS = 2_000;

type Phase = "idle" | "dialing" | "greeting" | "joined" | "waiting" | "leaving" | "ended";

/**
 * One player's session as its client sees it: the rules of docs/protocol.md, section 5. Pure: an event
 * in, effects out. Times are milliseconds of any clock that does not go back. Here are the phases from
 * the first connection to the end; the parts are who the client is, where it dials, and what is said.
 *
 * 1. At most one connection is in use; events of earlier ones must not be handed in.
 * 2. The conversation has something due only while `joined`, `redial` only while `waiting`.
 * 3. After `ended` there are no more effects.
 */
export class Session {
  phase: Phase = "idle";

  private readonly options: SessionOptions;
  private readonly claim: Claim;
  private readonly redial: Redial;
  private readonly conversation: Conversation;
  private effects: SessionEffect[] = [];

  /** True from the first welcome on: from then on losses are the session's to mend. */
  private everJoined = false;
  /** True from `dropped` to `resumed`. */
  private away = false;
  private joinBy = NEVER;
  /** Of a handshake or a goodbye. */
  private giveUpAt = NEVER;
  /** Why the last attempt failed, for whom the join ends with it. */
  private lastLoss: { code: EndCode; reason: string } | undefined;

  constructor(options: SessionOptions, dependencies: SessionDependencies) {
    this.options = options;
    this.claim = new Claim(options, dependencies.newStream);
    this.redial = new Redial(options.url, dependencies.random);
    this.conversation = new Conversation(options, (effect) => this.effects.push(effect));
  }

  /** Round trip time in ms; undefined until it was measured. */
  get rtt(): number | undefined {
    return this.conversation.rtt;
  }

  /** When the next `wake` is due; Infinity when there is nothing to wait for. */
  get wakeAt(): number {
    const { joinBy, giveUpAt, redial, conversation } = this;
    return Math.min(joinBy, giveUpAt, redial.retryAt, conversation.wakeAt);
  }

  step(event: SessionEvent, now: number): SessionEffect[] {
    if (this.phase !== "ended") this.handle(event, now);
    return this.takeEffects();
  }

  /** A reliable message. @throws QueueFullError, RangeError */
  send(index: number, payload: Uint8Array, now: number): SessionEffect[] {
    this.conversation.send(index, payload, now);
    return this.takeEffects();
  }

  /** An input: the newest of its kind wins; while there is no connection it is dropped. */
  input(index: number, payload: Uint8Array, now: number): SessionEffect[] {
    this.conversation.input(index, payload, now);
    return this.takeEffects();
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
        this.conversation.missed(now);
        this.wake(now);
        break;
      case "hurry":
        this.redial.hurry(now);
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
    this.giveUpAt = now + HANDSHAKE_MS;
    this.effects.push({ type: "dial", url: this.redial.dial() });
  }

  private greet(): void {
    this.phase = "greeting";
    const hello = this.claim.hello(this.conversation.position);
    this.save();
    this.transmit({ type: "hello", hello });
  }

  private received(message: ServerMessage, now: number): void {
    if (!this.connected) return;
    this.conversation.heard(now);
    if (message.type === "welcome") {
      if (this.phase === "greeting" || this.phase === "joined") this.welcomed(message.welcome, now);
      return;
    }
    if (message.type === "close") {
      this.closed(message.code, message.number, message.reason, now);
      return;
    }
    if (this.phase !== "joined" && this.phase !== "leaving") return;
    this.conversation.received(message, now);
    // Timers of hidden pages are slow, arriving messages are not.
    this.wake(now);
  }

  private welcomed(welcome: Welcome, now: number): void {
    const { schema } = this.options;
    if (schema !== undefined && !sameBytes(schema, welcome.schema)) {
      this.hangUp("schema-mismatch", "the world's definition is another one");
      this.end(
        "schema-mismatch",
        "the world runs another definition than this client was built with",
        false,
      );
      return;
    }
    const rolledBack = this.claim.welcomed(welcome);
    const fresh = this.phase === "greeting";
    this.conversation.welcomed(welcome, { rolledBack, fresh }, now);
    this.redial.welcomed(welcome.endpoints, now);
    const back = this.away;
    this.phase = "joined";
    this.everJoined = true;
    this.away = false;
    this.joinBy = NEVER;
    this.giveUpAt = NEVER;
    this.save();
    this.effects.push({ type: "welcomed", welcome });
    if (rolledBack) this.effects.push({ type: "rolled-back" });
    if (back) this.effects.push({ type: "resumed" });
    this.conversation.begin(now);
  }

  /** Does what is due. */
  private wake(now: number): void {
    if (this.redial.retryAt <= now) this.dial(now);
    if (this.joinBy <= now && !this.everJoined) {
      if (this.connected) this.hangUp("left", "the join took too long");
      const { url, joinTimeoutMs } = this.options;
      const { code, reason } = this.lastLoss ?? { code: "unreachable", reason: "no answer" };
      this.end(code, `${url}, for ${joinTimeoutMs} ms: ${reason}`, true);
      return;
    }
    if (this.giveUpAt <= now) {
      const reason = this.phase === "leaving" ? "the player left" : "no welcome in time";
      this.hangUp("left", reason);
      this.lost(reason, now);
      return;
    }
    if (this.conversation.isSilent(now)) {
      this.hangUp("idle-timeout", "nothing was heard from the server");
      this.lost("nothing was heard from the server", now);
      return;
    }
    this.conversation.wake(now);
  }

  private leave(now: number): void {
    if (this.phase === "leaving") return;
    this.forget();
    if (this.phase === "joined") {
      this.transmit({ type: "leave" });
      this.rest();
      this.phase = "leaving";
      this.giveUpAt = now + LEAVE_MS;
      return;
    }
    if (this.connected) this.hangUp("left", "the player left");
    this.end("left", "the player left", false);
  }

  private disconnected(number: number | undefined, reason: string, now: number): void {
    if (!this.connected) return;
    const code = serverCloseCode(number);
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
    const claimed = this.claim.saved !== undefined;
    const { everJoined } = this;
    switch (closeVerdict(code, { claimed, everJoined, rejoin: this.options.rejoin })) {
      case "retry":
        this.lost(`${code}: ${reason}`, now, code);
        break;
      case "start-over":
        this.startOver();
        this.dial(now);
        break;
      case "rejoin":
        this.startOver();
        this.lost(reason, now);
        break;
      case "end":
        if (claimed) this.forget();
        this.end(
          code ?? "unknown-code",
          code === undefined ? `close code ${number}: ${reason}` : reason,
          false,
        );
        break;
    }
  }

  /** The next hello asks for a new session, on a new stream. */
  private startOver(): void {
    this.forget();
    this.claim.startOver(this.everJoined);
    this.conversation.restart();
  }

  /** The connection is gone; another one is tried after a while. */
  private lost(reason: string, now: number, code: EndCode = "unreachable"): void {
    if (this.phase === "leaving") {
      this.end("left", "the player left", false);
      return;
    }
    this.lastLoss = { code, reason };
    this.rest();
    this.phase = "waiting";
    this.redial.lost(now);
    if (this.everJoined && !this.away) {
      this.away = true;
      this.effects.push({ type: "dropped", reason });
    }
  }

  private end(code: EndCode, reason: string, retry: boolean): void {
    this.phase = "ended";
    this.rest();
    this.joinBy = NEVER;
    this.effects.push({ type: "ended", code, reason, retry });
  }

  /** The connection is over, or nothing more is to be said on it. */
  private rest(): void {
    this.giveUpAt = NEVER;
    this.redial.stop();
    this.conversation.stop();
  }

  private transmit(message: ClientMessage): void {
    this.effects.push({ type: "transmit", message });
  }

  private hangUp(code: CloseCode, reason: string): void {
    this.effects.push({ type: "hang-up", code, reason });
  }

  private save(): void {
    const { saved } = this.claim;
    if (saved !== undefined) this.effects.push({ type: "save", saved });
  }

  private forget(): void {
    this.effects.push({ type: "forget", attempt: this.claim.lastAttempt });
  }
}
