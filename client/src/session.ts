import { type CloseCode, sameBytes } from "@atlasnet/world";
import { Claim } from "./claim.ts";
import { closeVerdict, serverCloseCode } from "./close-verdict.ts";
import { Conversation } from "./conversation.ts";
import type { ClientMessage, ServerMessage, Welcome } from "./messages.ts";
import { Patience } from "./patience.ts";
import { type Loss, Redial } from "./redial.ts";
import type {
  EndCode,
  SessionDependencies,
  SessionEffect,
  SessionEvent,
  SessionOptions,
} from "./session-events.ts";

type Phase = "idle" | "dialing" | "greeting" | "joined" | "waiting" | "leaving" | "ended";

/**
 * One player's session as its client sees it: the rules of docs/protocol.md, section 5. Pure: an event
 * in, effects out. Times are milliseconds of any clock that does not go back. Here are the phases from
 * the first connection to the end; the parts are who the client is, where it dials, what is said, and
 * how long it waits.
 *
 * 1. At most one connection is in use; events of earlier ones must not be handed in. A second one may be
 *    tried beside it, while `joined` alone.
 * 2. The conversation has something due only while `joined`, a redial only while `waiting`.
 * 3. After `ended` there are no more effects.
 */
export class Session {
  phase: Phase = "idle";

  private readonly options: SessionOptions;
  private readonly claim: Claim;
  private readonly redial: Redial;
  private readonly conversation: Conversation;
  private readonly patience: Patience;
  private effects: SessionEffect[] = [];

  /** True from the first welcome on: from then on losses are the session's to mend. */
  private everJoined = false;
  /** True from `dropped` to `resumed`. */
  private away = false;
  /** There are other addresses to try soon if this one does not answer. */
  private hasty = false;
  /** The player left while the session moved: the world hears of it with the welcome. */
  private goodbye = false;

  constructor(options: SessionOptions, dependencies: SessionDependencies) {
    this.options = options;
    const emit = (effect: SessionEffect) => this.effects.push(effect);
    this.claim = new Claim(options, { newStream: dependencies.newStream, emit });
    this.redial = new Redial(options, dependencies.random);
    this.conversation = new Conversation(options, emit);
    this.patience = new Patience(options);
  }

  /** Round trip time in ms; undefined until it was measured. */
  get rtt(): number | undefined {
    return this.conversation.rtt;
  }

  /** True while messages go, or will in a moment: a move to UDP, or to another server, does not count as a loss. */
  get stands(): boolean {
    return this.phase === "joined" || (this.phase === "greeting" && this.redial.moving);
  }

  /** When the next `wake` is due; Infinity when there is nothing to wait for. */
  get wakeAt(): number {
    return Math.min(this.patience.wakeAt, this.redial.wakeAt, this.conversation.wakeAt);
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
        this.patience.join(now);
        this.dial(now);
        break;
      case "opened":
        if (this.phase === "dialing") {
          if (this.hasty) this.patience.await("handshake", now);
          this.greet();
        }
        break;
      case "received":
        this.received(event.message, now);
        break;
      case "disconnected":
        this.disconnected(event, now);
        break;
      case "probed":
        if (this.phase === "joined" && this.redial.probing) this.move(now);
        break;
      case "probe-failed":
        if (this.redial.relocation.probing) this.probe(this.redial.relocation.next(now));
        else this.redial.path.unanswered(now);
        break;
      case "garbage":
        this.giveUp("bad-message", `the server sent something unreadable: ${event.problem}`, now);
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
    this.hasty = this.redial.hasty;
    this.patience.await(this.hasty ? "opening" : "handshake", now);
    this.effects.push({ type: "dial", url: this.redial.dial() });
  }

  private greet(): void {
    this.phase = "greeting";
    this.transmit({ type: "hello", hello: this.claim.hello(this.conversation.position) });
  }

  /** The server is about to stop: another one takes over while it still serves. */
  private relocate(now: number): void {
    const { redial } = this;
    const wasProbing = redial.path.probing;
    const url = redial.relocate(now);
    if (url === undefined) return;
    if (wasProbing) {
      this.effects.push({ type: "drop-probe" });
      redial.path.stop();
    }
    this.probe(url);
  }

  private probe(url: string | undefined): void {
    if (url !== undefined) this.effects.push({ type: "probe-url", url });
  }

  /** To UDP, or to another server, which answered. */
  private move(now: number): void {
    if (this.redial.relocation.probing) this.redial.relocated(now);
    else this.redial.path.answered();
    this.conversation.move();
    this.patience.await("move", now);
    this.effects.push({ type: "move" });
    this.greet();
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
    if (message.type === "reconnect") {
      if (this.phase === "joined") this.relocate(now);
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
    this.redial.welcomed(welcome, now);
    const back = this.away;
    this.phase = "joined";
    this.everJoined = true;
    this.away = false;
    this.patience.settle();
    this.effects.push({ type: "welcomed", welcome });
    if (rolledBack) this.effects.push({ type: "rolled-back" });
    if (back) this.effects.push({ type: "resumed" });
    this.conversation.begin(now);
    if (this.goodbye) this.leave(now);
  }

  /** Does what is due. */
  private wake(now: number): void {
    if (this.redial.retryAt <= now) this.dial(now);
    if (this.redial.relocation.giveUpAt <= now) {
      this.effects.push({ type: "drop-probe" });
      this.probe(this.redial.relocation.next(now));
    }
    const address = this.redial.relocation.probing ? undefined : this.redial.path.begin(now);
    if (address !== undefined) this.effects.push({ type: "probe", address });
    const tooLate = this.patience.tooLate(now);
    if (tooLate !== undefined) {
      if (this.connected) this.hangUp("left", "the join took too long");
      this.end(tooLate.code, tooLate.reason, true);
      return;
    }
    if (this.patience.isUnanswered(now)) {
      const reason = this.phase === "leaving" ? "the player left" : "no welcome in time";
      this.giveUp("left", reason, now);
      return;
    }
    if (this.conversation.isSilent(now)) {
      this.giveUp("idle-timeout", "nothing was heard from the server", now, "silent");
      return;
    }
    this.conversation.wake(now);
  }

  private leave(now: number): void {
    if (this.phase === "leaving") return;
    this.claim.forget();
    if (this.redial.moving) {
      this.goodbye = true;
      return;
    }
    if (this.phase === "joined") {
      this.transmit({ type: "leave" });
      this.rest();
      this.redial.stop();
      this.phase = "leaving";
      this.patience.await("goodbye", now);
      return;
    }
    if (this.connected) this.hangUp("left", "the player left");
    this.end("left", "the player left", false);
  }

  private disconnected(event: SessionEvent & { type: "disconnected" }, now: number): void {
    if (!this.connected) return;
    const { number, reason, untrusted = false } = event;
    const code = serverCloseCode(number);
    // To who is in the world already the right server may come back.
    if (untrusted && !this.everJoined) this.end("untrusted-server", reason, false);
    else if (code === undefined) this.lost(reason, now);
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
    if (this.phase === "leaving" || this.goodbye) {
      this.end("left", reason, false);
      return;
    }
    const { claimed } = this.claim;
    const { everJoined } = this;
    const { rejoin } = this.options;
    const { moving } = this.redial;
    switch (closeVerdict(code, { claimed, everJoined, rejoin, moving })) {
      case "retry":
        this.lost(`${code}: ${reason}`, now, code, "told");
        break;
      case "start-over":
        this.startOver();
        this.dial(now);
        break;
      case "rejoin":
        this.startOver();
        this.lost(reason, now, code, "told");
        break;
      case "end":
        if (claimed) this.claim.forget();
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
    this.claim.forget();
    this.claim.startOver(this.everJoined);
    this.conversation.restart();
  }

  private giveUp(code: CloseCode, reason: string, now: number, loss: Loss = "broken"): void {
    this.hangUp(code, reason);
    this.lost(reason, now, "unreachable", loss);
  }

  /** The connection is gone; another one is tried after a while. */
  private lost(
    reason: string,
    now: number,
    code: EndCode = "unreachable",
    loss: Loss = "broken",
  ): void {
    if (this.phase === "leaving" || this.goodbye) {
      this.end("left", "the player left", false);
      return;
    }
    this.patience.lost(code, reason);
    this.rest();
    this.phase = "waiting";
    this.redial.lost(loss, now);
    if (this.everJoined && !this.away) {
      this.away = true;
      this.effects.push({ type: "dropped", reason });
    }
  }

  private end(code: EndCode, reason: string, retry: boolean): void {
    this.phase = "ended";
    this.rest();
    this.redial.stop();
    this.patience.settle();
    this.effects.push({ type: "ended", code, reason, retry });
  }

  /** The connection is over, or nothing more is to be said on it. */
  private rest(): void {
    this.patience.rest();
    this.conversation.stop();
    if (this.redial.probing) this.effects.push({ type: "drop-probe" });
  }

  private transmit(message: ClientMessage): void {
    this.effects.push({ type: "transmit", message });
  }

  private hangUp(code: CloseCode, reason: string): void {
    this.effects.push({ type: "hang-up", code, reason });
  }
}
