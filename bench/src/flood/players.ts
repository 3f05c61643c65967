import { type Carrier, type CarrierEvents, dialTcp, dialUdp } from "../edge/carriers.ts";
import { AtlasNetConversation } from "../edge/conversations.ts";
import { answer } from "../lib/child.ts";
import { round } from "../lib/statistics.ts";

/** The process with the players who are not to notice: each says something now and then. */

export type PlayersQuestion =
  | { type: "open"; transport: "tcp" | "udp"; port: number; connections: number; paceMs: number }
  | { type: "begin" }
  /** The window ends: its `RoundTrips`. */
  | { type: "end" }
  | { type: "close" };

export interface RoundTrips {
  messages: number;
  p50Ms: number;
  p99Ms: number;
}

/** Milliseconds. */
let trips: number[] = [];
let carriers: Carrier[] = [];
let timers: NodeJS.Timeout[] = [];
let problem = "";
let closing = false;

function open(question: Extract<PlayersQuestion, { type: "open" }>): Promise<void> {
  const { transport, port, paceMs } = question;
  return new Promise((resolve, reject) => {
    // When each message was sent; echoes come in order.
    const sentAt: number[] = [];
    const conversation = new AtlasNetConversation(64, () => {
      timers.push(
        setInterval(() => {
          sentAt.push(performance.now());
          conversation.send();
        }, paceMs),
      );
      resolve();
    });
    const events: CarrierEvents = {
      opened: (carrier) => {
        carriers.push(carrier);
        conversation.opened(carrier);
      },
      message: (message) => {
        if (conversation.received(message))
          trips.push(performance.now() - (sentAt.shift() ?? Number.NaN));
      },
      closed: (reason) => {
        if (!closing) problem ||= reason;
        reject(new Error(reason));
      },
    };
    if (transport === "tcp") dialTcp(port, true, events);
    else dialUdp(port, events);
  });
}

function begin(): void {
  trips = [];
}

function ended(): RoundTrips {
  const sorted = trips.sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.floor(share * sorted.length)] ?? Number.NaN, 3);
  return { messages: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}

answer<PlayersQuestion>(async (question) => {
  switch (question.type) {
    case "open":
      closing = false;
      for (let i = 0; i < question.connections; i++) await open(question);
      return;
    case "begin":
      return begin();
    case "end":
      if (problem !== "") throw new Error(`a player was lost: ${problem}`);
      return ended();
    case "close":
      closing = true;
      for (const timer of timers) clearInterval(timer);
      for (const carrier of carriers) carrier.end();
      timers = [];
      carriers = [];
  }
});
