import assert from "node:assert/strict";
import type { ClientMessage, ServerMessage, Welcome } from "../messages.ts";
import { Session } from "../session.ts";
import type { SessionEffect, SessionEvent, SessionOptions } from "../session-events.ts";

/** What a session test plays with: one session, a clock that is told, and what came out. */

export const STREAM = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
export function welcome(changes: Partial<Welcome> = {}): ServerMessage {
  return {
    type: "welcome",
    welcome: {
      world: "arena",
      account: "ada",
      session: 5,
      resume: "token",
      attempt: 1,
      schema: new Uint8Array(8),
      tickRate: 20,
      tick: 100,
      epoch: 1,
      timeline: 1,
      appliedSeq: 0,
      outSeq: 0,
      lastInput: 0,
      graceTicks: 600,
      limits: {
        maxMessageBytes: 1000,
        messagesPerSecond: 0,
        bytesPerSecond: 0,
        idleTimeoutMs: 30_000,
      },
      endpoints: [],
      ...changes,
    },
  };
}

/** A session with its clock, and what it asked for since it was last looked at. */
export class Play {
  now = 1000;
  /** The server answers pings while time passes. */
  answers = true;
  readonly session: Session;
  private effects: SessionEffect[] = [];
  private streams = 0;

  constructor(options: Partial<SessionOptions> = {}) {
    this.session = new Session(
      {
        urls: ["ws://one"],
        world: "arena",
        rejoin: true,
        joinTimeoutMs: 10_000,
        maxQueuedMessages: 4,
        maxQueuedBytes: 1000,
        ...options,
      },
      {
        random: () => 0,
        newStream: () => {
          this.streams += 1;
          return STREAM.map((byte) => byte + this.streams - 1);
        },
      },
    );
  }

  step(event: SessionEvent): this {
    this.effects.push(...this.session.step(event, this.now));
    return this;
  }

  receive(message: ServerMessage): this {
    return this.step({ type: "received", message });
  }

  send(byte = 42): this {
    this.effects.push(...this.session.send(0, Uint8Array.of(byte), this.now));
    return this;
  }

  input(index: number, byte = 0): this {
    this.effects.push(...this.session.input(index, Uint8Array.of(byte), this.now));
    return this;
  }

  /** Lets time pass, waking the session whenever it asked for it. */
  pass(ms: number): this {
    const until = this.now + ms;
    while (this.session.wakeAt <= until) {
      this.now = Math.max(this.now, this.session.wakeAt);
      const before = this.effects.length;
      this.step({ type: "wake" });
      for (const effect of this.effects.slice(before))
        if (this.answers && effect.type === "transmit" && effect.message.type === "ping")
          this.receive({ type: "pong", t: effect.message.t, tick: 100 });
    }
    this.now = until;
    return this;
  }

  /** No answer comes any more. */
  mute(): this {
    this.answers = false;
    return this;
  }

  take(): SessionEffect[] {
    const { effects } = this;
    this.effects = [];
    return effects;
  }

  /** The types of the effects, without those that are told of in other tests. */
  types(): string[] {
    return this.take()
      .map(({ type }) => type)
      .filter((type) => type !== "save" && type !== "tick");
  }

  sent(): ClientMessage[] {
    return this.take().flatMap((effect) =>
      effect.type === "transmit" && effect.message.type !== "ping" ? [effect.message] : [],
    );
  }

  hello() {
    const hello = this.sent().find((message) => message.type === "hello");
    assert.ok(hello?.type === "hello");
    return hello.hello;
  }

  join(changes: Partial<Welcome> = {}): this {
    this.step({ type: "start" }).step({ type: "opened" }).receive(welcome(changes));
    this.take();
    return this;
  }

  drop(): this {
    return this.step({ type: "disconnected", reason: "gone" });
  }

  close(
    code: "session-lost" | "superseded" | "world-unavailable" | "left" | "stale-attempt",
  ): this {
    return this.receive({ type: "close", code, number: 0, reason: "because" });
  }

  back(): this {
    return this.pass(this.session.wakeAt - this.now).step({ type: "opened" });
  }
}

/** Number and first byte of each reliable message. */
export const seqs = (messages: ClientMessage[]) =>
  messages.flatMap((message) =>
    message.type === "message" ? [[message.seq, message.payload[0]]] : [],
  );
