import { decodeCbor } from "@atlasnet/core";
import type { SequenceChecker } from "./sequence-checker.ts";

/** What of a welcome is of interest here. */
export interface TappedWelcome {
  readonly timeline: number;
  readonly appliedSeq: number;
  readonly outSeq: number;
  readonly tickRate: number;
  readonly messagesPerSecond: number;
  /** Other addresses of the cluster. */
  readonly endpoints: readonly string[];
  /** Unchecked; only when the hello named no schema. */
  readonly definition: unknown;
}

/** First bytes of a message of 2, 3 and 4 elements, and the numbers of docs/protocol.md, section 3. */
const TWO = 0x82;
const THREE = 0x83;
const FOUR = 0x84;
const FromClient = { hello: 1, message: 2, resync: 7 } as const;
const FromServer = { message: 2, ack: 3, welcome: 5, resync: 7 } as const;
/** More than any welcome with its definition has. */
const SCAN = { maxDepth: 16, maxItems: 100_000 };

/**
 * Reads of the messages on a client's wire what the checker needs. It has its own eyes: what the client
 * makes of the same bytes does not matter here. Bytes that make no sense are the client's to refuse.
 */
export class WireTap {
  private readonly checker: SequenceChecker;
  private readonly onWelcome: (welcome: TappedWelcome) => void;
  /** Where the last number read ends. */
  private end = 0;

  constructor(checker: SequenceChecker, onWelcome: (welcome: TappedWelcome) => void) {
    this.checker = checker;
    this.onWelcome = onWelcome;
  }

  observe(direction: "in" | "out", message: Uint8Array): void {
    if (direction === "out") this.outgoing(message);
    else this.incoming(message);
  }

  private outgoing(message: Uint8Array): void {
    switch (message[1]) {
      case FromClient.message:
        if (message[0] === FOUR) this.checker.sent(this.uint(message, 2));
        break;
      case FromClient.resync:
        this.checker.resynced();
        break;
      case FromClient.hello: {
        const stream = mapOf(message)?.["stream"];
        if (stream instanceof Uint8Array) this.checker.greeted(stream.join());
        break;
      }
    }
  }

  private incoming(message: Uint8Array): void {
    switch (message[1]) {
      case FromServer.ack:
        if (message[0] === THREE) {
          const seq = this.uint(message, 2);
          const tick = this.uint(message, this.end);
          if (seq >= 0 && tick >= 0) this.checker.acknowledged(seq, tick);
        }
        break;
      case FromServer.message:
        if (message[0] === FOUR) {
          const seq = this.uint(message, 2);
          if (seq >= 0) this.checker.delivered(seq);
        }
        break;
      case FromServer.resync:
        if (message[0] === TWO) {
          const seq = this.uint(message, 2);
          if (seq >= 0) this.checker.asked(seq);
        }
        break;
      case FromServer.welcome: {
        const welcome = welcomeOf(mapOf(message));
        if (welcome === undefined) break;
        this.checker.welcomed(welcome);
        this.onWelcome(welcome);
        break;
      }
    }
  }

  /** An unsigned integer of CBOR; `end` is behind it. -1 for anything else. */
  private uint(bytes: Uint8Array, at: number): number {
    const head = bytes[at] ?? 0xff;
    if (head < 24) {
      this.end = at + 1;
      return head;
    }
    const length = head <= 27 ? 1 << (head - 24) : 0;
    this.end = at + 1 + length;
    if (length === 0 || this.end > bytes.length) return -1;
    let value = 0;
    for (let i = at + 1; i < this.end; i++) value = value * 256 + (bytes[i] ?? 0);
    return value;
  }
}

type Map = { readonly [key: string]: unknown };

/** The map that is a message's second element. */
function mapOf(message: Uint8Array): Map | undefined {
  const decoded = decodeCbor(message, SCAN);
  return decoded.ok && Array.isArray(decoded.value) ? plainMap(decoded.value[1]) : undefined;
}

function plainMap(value: unknown): Map | undefined {
  return typeof value === "object" && value !== null ? { ...value } : undefined;
}

function welcomeOf(map: Map | undefined): TappedWelcome | undefined {
  if (map === undefined) return undefined;
  const { timeline, appliedSeq, outSeq, tickRate, limits, definition } = map;
  const endpoints = textsOf(map["endpoints"]);
  const messagesPerSecond = plainMap(limits)?.["messagesPerSecond"];
  if (typeof timeline !== "number" || typeof appliedSeq !== "number") return undefined;
  if (typeof outSeq !== "number" || typeof tickRate !== "number") return undefined;
  if (typeof messagesPerSecond !== "number") return undefined;
  return { timeline, appliedSeq, outSeq, tickRate, messagesPerSecond, endpoints, definition };
}

function textsOf(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : [];
}
