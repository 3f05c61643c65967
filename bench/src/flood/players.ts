import { setTimeout as delay } from "node:timers/promises";
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
  /** They stop talking and go when all was answered: how many messages were not. */
  | { type: "close" };

/** An echo that did not come so long after the last message was sent does not come. */
const ANSWER_TIMEOUT_MS = 5_000;

export interface RoundTrips {
  messages: number;
  p50Ms: number;
  p99Ms: number;
}

/** Milliseconds. */
let trips: number[] = [];
/** Messages that were sent and not echoed yet. */
let unanswered = 0;
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
          unanswered += 1;
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
        if (!conversation.received(message)) return;
        unanswered -= 1;
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

async function close(): Promise<number> {
  for (const timer of timers) clearInterval(timer);
  const deadline = performance.now() + ANSWER_TIMEOUT_MS;
  while (unanswered > 0 && performance.now() < deadline) await delay(20);
  closing = true;
  for (const carrier of carriers) carrier.end();
  timers = [];
  carriers = [];
  const lost = unanswered;
  unanswered = 0;
  return lost;
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
      return close();
  }
});
