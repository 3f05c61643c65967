import { answer } from "../lib/child.ts";
import {
  type Carrier,
  type CarrierEvents,
  dialBareUdp,
  dialTcp,
  dialUdp,
  dialWebSocket,
  type TransportName,
} from "./carriers.ts";
import { AtlasNetConversation, BareConversation, type Conversation } from "./conversations.ts";

/** The process with the clients of both sides: closed loops, so many messages in flight each. */

export type EdgeSide = "atlasnet" | "bare";

export type EdgeQuestion =
  | {
      type: "open";
      side: EdgeSide;
      transport: TransportName;
      port: number;
      connections: number;
      inFlight: number;
      bytes: number;
    }
  | { type: "begin" }
  /** The window ends: its `EdgeWindow`. */
  | { type: "end" }
  | { type: "close" };

export interface EdgeWindow {
  seconds: number;
  messages: number;
  p50Us: number;
  p99Us: number;
}

/** Round trips that are kept of one window; later ones count, but are in no percentile. */
const MAX_SAMPLES = 2_000_000;

class Loop {
  readonly carriers: Carrier[] = [];
  private readonly samples = new Float32Array(MAX_SAMPLES);
  private messages = 0;
  private beganAt = 0;
  private problem = "";
  private closing = false;

  async open(question: Extract<EdgeQuestion, { type: "open" }>): Promise<void> {
    const { connections } = question;
    const opened: Promise<void>[] = [];
    for (let i = 0; i < connections; i++) opened.push(this.connect(question));
    await Promise.all(opened);
  }

  private connect(question: Extract<EdgeQuestion, { type: "open" }>): Promise<void> {
    const { side, transport, port, inFlight, bytes } = question;
    return new Promise((resolve, reject) => {
      // When each message in flight was sent; echoes come in order.
      const sentAt: number[] = [];
      let next = 0;
      const send = () => {
        sentAt.push(performance.now());
        conversation.send();
      };
      const ready = () => {
        resolve();
        for (let i = 0; i < inFlight; i++) send();
      };
      const conversation: Conversation =
        side === "bare"
          ? new BareConversation(bytes, ready)
          : new AtlasNetConversation(bytes, ready);
      const events: CarrierEvents = {
        opened: (carrier) => {
          this.carriers.push(carrier);
          conversation.opened(carrier);
        },
        message: (message) => {
          if (!conversation.received(message)) return;
          this.count(performance.now() - (sentAt[next++] ?? 0));
          if (next === 1024) {
            sentAt.splice(0, next);
            next = 0;
          }
          if (!this.closing) send();
        },
        closed: (reason) => {
          if (!this.closing) this.problem ||= reason;
          reject(new Error(reason));
        },
      };
      if (transport === "tcp") dialTcp(port, side === "atlasnet", events);
      else if (transport === "ws") dialWebSocket(port, events);
      else if (side === "bare") dialBareUdp(port, events);
      else dialUdp(port, events);
    });
  }

  private count(ms: number): void {
    if (this.messages < MAX_SAMPLES) this.samples[this.messages] = ms * 1000;
    this.messages += 1;
  }

  begin(): void {
    this.messages = 0;
    this.beganAt = performance.now();
  }

  end(): EdgeWindow {
    if (this.problem !== "") throw new Error(`a connection ended: ${this.problem}`);
    const { messages } = this;
    const seconds = (performance.now() - this.beganAt) / 1000;
    const sorted = this.samples.slice(0, Math.min(messages, MAX_SAMPLES)).sort();
    const at = (share: number) => Math.round(sorted[Math.floor(share * sorted.length)] ?? 0);
    return { seconds, messages, p50Us: at(0.5), p99Us: at(0.99) };
  }

  close(): void {
    this.closing = true;
    for (const carrier of this.carriers) carrier.end();
  }
}

let loop = new Loop();

answer<EdgeQuestion>(async (question) => {
  switch (question.type) {
    case "open":
      loop = new Loop();
      return loop.open(question);
    case "begin":
      return loop.begin();
    case "end":
      return loop.end();
    case "close":
      return loop.close();
  }
});
