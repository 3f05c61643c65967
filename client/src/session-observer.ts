import type { ClientMessage, ServerMessage } from "./messages.ts";
import type { SessionEffect } from "./session-events.ts";

/**
 * What happens in a session, one step at a time, in the order in which the client acts on it. Bytes must not be
 * changed, nor kept: they may be views.
 */
export type SessionStep =
  /** The game gave a reliable message; `sent` follows, once or more often, with the number it has by then. */
  | { type: "queued"; index: number; payload: Uint8Array }
  | {
      type: "hello";
      /** 8 bytes. */
      stream: Uint8Array;
      attempt: number;
      /** It claims a session by its token. */
      resume: boolean;
      firstUnacked: number;
      lastReceived: number;
      timeline: number | undefined;
    }
  | {
      type: "welcome";
      session: number;
      attempt: number;
      epoch: number;
      timeline: number;
      tick: number;
      appliedSeq: number;
      outSeq: number;
    }
  | { type: "sent"; seq: number; index: number; payload: Uint8Array }
  /** The server applied what it was sent up to `seq`, the last of it at `tick`. */
  | { type: "acknowledged"; seq: number; tick: number }
  /** The server asks for everything after `seq`. */
  | { type: "asked"; seq: number }
  /** A reliable message came, new or not. */
  | { type: "received"; seq: number; index: number; payload: Uint8Array }
  /** It was new, and goes to the game. */
  | { type: "delivered"; seq: number; index: number; payload: Uint8Array }
  /** The client told the server what it has received. */
  | { type: "confirmed"; seq: number; timeline: number }
  /** The client asked for full state, and for the messages it has not got. */
  | { type: "resync" }
  /** State of a newer tick than any before, since the welcome, was applied. */
  | { type: "tick"; tick: number }
  | { type: "disconnected"; reason: string }
  | { type: "dropped"; reason: string }
  | { type: "resumed" }
  | { type: "rolled-back" }
  /** The server says why it closes; `code` is a number of the protocol. */
  | { type: "close"; code: number; reason: string }
  /** Nothing follows. */
  | { type: "ended"; code: string; reason: string };

/** Is shown every step of a session before the client acts on it. It must not throw. */
export type SessionObserver = (step: SessionStep) => void;

/** What of a message to the server is a step; pings, inputs and goodbyes are none. */
export function outgoingStep(message: ClientMessage): SessionStep | undefined {
  switch (message.type) {
    case "hello": {
      const { stream, attempt, resume, firstUnacked, lastReceived, timeline } = message.hello;
      const claimed = resume !== undefined;
      return {
        type: "hello",
        ...{ stream, attempt, resume: claimed, firstUnacked, lastReceived, timeline },
      };
    }
    case "message":
      return { ...message, type: "sent" };
    case "ack":
      return { ...message, type: "confirmed" };
    case "resync":
      return message;
    default:
      return undefined;
  }
}

/** What of a message of the server is a step; what is not numbered is none. */
export function incomingStep(message: ServerMessage): SessionStep | undefined {
  switch (message.type) {
    case "welcome": {
      const { session, attempt, epoch, timeline, tick, appliedSeq, outSeq } = message.welcome;
      return { type: "welcome", session, attempt, epoch, timeline, tick, appliedSeq, outSeq };
    }
    case "message":
      return { ...message, type: "received" };
    case "ack":
      return { ...message, type: "acknowledged" };
    case "resync":
      return { type: "asked", seq: message.appliedSeq };
    case "close":
      return { type: "close", code: message.number, reason: message.reason };
    default:
      return undefined;
  }
}

/** What an effect on the game, or on the wire, tells. What is delivered is told by who delivers. */
export function effectStep(effect: SessionEffect): SessionStep | undefined {
  switch (effect.type) {
    case "transmit":
      return outgoingStep(effect.message);
    case "dropped":
      return { type: "dropped", reason: effect.reason };
    case "resumed":
    case "rolled-back":
      return effect;
    case "ended":
      return { type: "ended", code: effect.code, reason: effect.reason };
    default:
      return undefined;
  }
}
