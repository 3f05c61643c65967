import { ByteReader, ByteWriter, type CloseCode, closeCodeOf, DecodeError } from "@atlasnet/world";
import { type CborValue, readCbor, writeCbor } from "./cbor.ts";

/** The messages of docs/protocol.md, section 3, in the client's direction and back. */

export const PROTOCOL_VERSION = 1;

export interface Hello {
  world: string;
  ticket?: string | undefined;
  resume?: string | undefined;
  stream: Uint8Array;
  attempt: number;
  firstUnacked: number;
  lastReceived: number;
  timeline?: number | undefined;
  schema?: Uint8Array | undefined;
  params?: Uint8Array | undefined;
}

export type ClientMessage =
  | { type: "hello"; hello: Hello }
  | { type: "message"; seq: number; index: number; payload: Uint8Array }
  | { type: "ack"; seq: number; timeline: number }
  | { type: "ping"; t: number }
  | { type: "input"; n: number; index: number; payload: Uint8Array }
  | { type: "leave" }
  | { type: "resync" };

export interface Limits {
  /** Largest message the server takes, in bytes. */
  maxMessageBytes: number;
  messagesPerSecond: number;
  bytesPerSecond: number;
  /** The server closes after this long without a word. */
  idleTimeoutMs: number;
}

export interface Welcome {
  world: string;
  account: string;
  session: number;
  resume: string;
  attempt: number;
  schema: Uint8Array;
  /** Of the form of docs/protocol.md, section 4, unchecked; only when the hello named no schema. */
  definition?: unknown;
  tickRate: number;
  tick: number;
  epoch: number;
  timeline: number;
  appliedSeq: number;
  outSeq: number;
  lastInput: number;
  graceTicks: number;
  limits: Limits;
  endpoints: readonly string[];
  /** Where the server takes UDP, and the public key (32 bytes) that it proves itself with there. */
  udp?: { port: number; key: Uint8Array };
}

export type ServerMessage =
  | { type: "state"; packed: Uint8Array }
  | { type: "message"; seq: number; index: number; payload: Uint8Array }
  | { type: "ack"; seq: number; tick: number }
  | { type: "pong"; t: number; tick: number }
  | { type: "welcome"; welcome: Welcome }
  /** `code` is undefined for numbers this client does not know. */
  | { type: "close"; code: CloseCode | undefined; number: number; reason: string }
  | { type: "resync"; appliedSeq: number }
  | { type: "transfer"; world: string }
  | { type: "notice"; kind: string; text: string }
  | { type: "updates"; packed: Uint8Array }
  | { type: "reconnect" };

/** One for all, as none is encoded within another: making a writer costs more than a message does. */
const writer = new ByteWriter(256);

/** One CBOR item. */
export function encodeClientMessage(message: ClientMessage): Uint8Array {
  writer.reset();
  writeCbor(writer, clientMessageArray(message));
  return writer.finish();
}

function clientMessageArray(message: ClientMessage): CborValue {
  switch (message.type) {
    case "hello":
      return [1, { v: PROTOCOL_VERSION, ...message.hello }];
    case "message":
      return [2, message.seq, message.index, message.payload];
    case "ack":
      return [3, message.seq, message.timeline];
    case "ping":
      return [4, message.t];
    case "input":
      return [5, message.n, message.index, message.payload];
    case "leave":
      return [6];
    case "resync":
      return [7];
  }
}

/**
 * Decodes one CBOR item. Byte strings are views into `bytes`.
 * @throws DecodeError for anything that is not of the protocol.
 */
export function decodeServerMessage(bytes: Uint8Array): ServerMessage {
  const reader = new ByteReader(bytes);
  const item = readCbor(reader);
  reader.end();
  if (!Array.isArray(item)) throw new DecodeError("message is not an array");
  const parts = new Parts(item);
  const kind = parts.uint();
  const message = decodeParts(kind, parts);
  parts.end();
  return message;
}

function decodeParts(kind: number, parts: Parts): ServerMessage {
  switch (kind) {
    case 1:
      return { type: "state", packed: parts.bytes() };
    case 2:
      return { type: "message", seq: parts.uint(), index: parts.uint(), payload: parts.bytes() };
    case 3:
      return { type: "ack", seq: parts.uint(), tick: parts.uint() };
    case 4:
      return { type: "pong", t: parts.uint(), tick: parts.uint() };
    case 5:
      return { type: "welcome", welcome: decodeWelcome(parts.map("welcome")) };
    case 6: {
      const number = parts.uint();
      return { type: "close", code: closeCodeOf(number), number, reason: parts.text() };
    }
    case 7:
      return { type: "resync", appliedSeq: parts.uint() };
    case 8:
      return { type: "transfer", world: parts.text() };
    case 9:
      return { type: "notice", kind: parts.text(), text: parts.text() };
    case 10:
      return { type: "updates", packed: parts.bytes() };
    case 11:
      return { type: "reconnect" };
    default:
      throw new DecodeError(`unknown message ${kind}`);
  }
}

const WELCOME_KEYS = [
  ...["world", "account", "session", "resume", "attempt", "schema", "tickRate", "tick", "epoch"],
  ...["timeline", "appliedSeq", "outSeq", "lastInput", "graceTicks", "limits", "endpoints"],
];
const LIMIT_KEYS = ["maxMessageBytes", "messagesPerSecond", "bytesPerSecond", "idleTimeoutMs"];

function decodeWelcome(map: { [key: string]: unknown }): Welcome {
  const parts = Parts.ofMap("welcome", map, WELCOME_KEYS, ["definition", "udp"]);
  const welcome: Welcome = {
    world: parts.text(),
    account: parts.text(),
    session: parts.uint(),
    resume: parts.text(),
    attempt: parts.uint(),
    schema: parts.bytes().slice(),
    tickRate: parts.uint(),
    tick: parts.uint(),
    epoch: parts.uint(),
    timeline: parts.uint(),
    appliedSeq: parts.uint(),
    outSeq: parts.uint(),
    lastInput: parts.uint(),
    graceTicks: parts.uint(),
    limits: decodeLimits(parts.map("limits")),
    endpoints: parts.texts(),
  };
  if (welcome.schema.length !== 8) throw new DecodeError("schema is not of 8 bytes");
  if (welcome.tickRate === 0) throw new DecodeError("tickRate is 0");
  if (map["definition"] !== undefined) welcome.definition = map["definition"];
  if (map["udp"] !== undefined) welcome.udp = decodeUdp(new Parts([map["udp"]]).map("udp"));
  return welcome;
}

function decodeUdp(map: { [key: string]: unknown }): { port: number; key: Uint8Array } {
  const parts = Parts.ofMap("udp", map, ["port", "key"], []);
  const port = parts.uint();
  const key = parts.bytes().slice();
  if (port === 0 || port > 65_535) throw new DecodeError(`${port} is no port`);
  if (key.length !== 32) throw new DecodeError("the key of udp is not of 32 bytes");
  return { port, key };
}

function decodeLimits(map: { [key: string]: unknown }): Limits {
  const parts = Parts.ofMap("limits", map, LIMIT_KEYS, []);
  return {
    maxMessageBytes: parts.uint(),
    messagesPerSecond: parts.uint(),
    bytesPerSecond: parts.uint(),
    idleTimeoutMs: parts.uint(),
  };
}

/** Takes the values of an array or map one after the other, each of the type that stands there. */
class Parts {
  private readonly items: readonly unknown[];
  private at = 0;

  constructor(items: readonly unknown[]) {
    this.items = items;
  }

  /** The values of `keys`, in that order. */
  static ofMap(
    what: string,
    map: { [key: string]: unknown },
    keys: readonly string[],
    optional: readonly string[],
  ): Parts {
    for (const key of Object.keys(map))
      if (!keys.includes(key) && !optional.includes(key))
        throw new DecodeError(`${what} has an unknown key ${key}`);
    return new Parts(keys.map((key) => map[key]));
  }

  private wrong(expected: string): never {
    throw new DecodeError(`element ${this.at - 1} of a message is not ${expected}`);
  }

  uint(): number {
    const item = this.items[this.at++];
    return typeof item === "number" && Number.isSafeInteger(item) && item >= 0
      ? item
      : this.wrong("an unsigned integer");
  }

  text(): string {
    const item = this.items[this.at++];
    return typeof item === "string" ? item : this.wrong("text");
  }

  bytes(): Uint8Array {
    const item = this.items[this.at++];
    return item instanceof Uint8Array ? item : this.wrong("a byte string");
  }

  texts(): string[] {
    const item = this.items[this.at++];
    if (!Array.isArray(item)) return this.wrong("an array of text");
    return item.map((text: unknown) =>
      typeof text === "string" ? text : this.wrong("an array of text"),
    );
  }

  map(what: string): { [key: string]: unknown } {
    const item = this.items[this.at++];
    return isMap(item) ? item : this.wrong(`the map ${what}`);
  }

  end(): void {
    if (this.at !== this.items.length)
      throw new DecodeError(`message of ${this.items.length} elements, not ${this.at}`);
  }
}

function isMap(value: unknown): value is { [key: string]: unknown } {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  );
}
