import { ByteReader, DecodeError } from "@atlasnet/world";
import { Major, readBytes, readHead, readText, readUint } from "./client-cbor.ts";
import { MAX_PAYLOAD_BYTES } from "./upstream.ts";

/** What clients send (docs/protocol.md, sections 3 and 5), decoded strictly. */

export const PROTOCOL_VERSION = 1;

/** Longest name of a world, in bytes. */
export const MAX_WORLD_NAME_BYTES = 128;
/** Longest ticket or resume token, in bytes. */
export const MAX_TOKEN_BYTES = 8192;
/** CBOR around a payload: array head, number, two integers, byte string head. */
export const MESSAGE_OVERHEAD_BYTES = 32;
/** Largest message a client may send: a payload and what is around it. */
export const MAX_CLIENT_MESSAGE_BYTES = MAX_PAYLOAD_BYTES + MESSAGE_OVERHEAD_BYTES;

const ID_BYTES = 8;

export interface Hello {
  world: string;
  ticket?: string;
  resume?: string;
  /** 8 bytes, copied. */
  stream: Uint8Array;
  attempt: number;
  firstUnacked: number;
  lastReceived: number;
  timeline?: number;
  /** 8 bytes, copied. */
  schema?: Uint8Array;
  /** Copied. */
  params?: Uint8Array;
}

export type ClientMessage =
  | { type: "hello"; hello: Hello }
  | { type: "message"; seq: number; index: number; payload: Uint8Array }
  | { type: "ack"; seq: number; timeline: number }
  | { type: "ping"; t: number }
  | { type: "input"; n: number; index: number; payload: Uint8Array }
  | { type: "leave" }
  | { type: "resync" };

export interface Malformed {
  type: "malformed";
  code: "bad-message" | "too-large" | "unsupported-version";
  reason: string;
}

/** Array lengths of the messages, by number. */
const LENGTHS = [0, 2, 4, 3, 2, 4, 1, 1];

/** Decodes one CBOR item. Payloads are views into `bytes`. Never throws on hostile bytes. */
export function decodeClientMessage(bytes: Uint8Array): ClientMessage | Malformed {
  if (bytes.length > MAX_CLIENT_MESSAGE_BYTES)
    return {
      type: "malformed",
      code: "too-large",
      reason: `a message of ${bytes.length} bytes, at most ${MAX_CLIENT_MESSAGE_BYTES}`,
    };
  try {
    const reader = new ByteReader(bytes);
    const message = readMessage(reader);
    reader.end();
    return message;
  } catch (error) {
    if (error instanceof UnsupportedVersion)
      return { type: "malformed", code: "unsupported-version", reason: error.message };
    if (error instanceof DecodeError)
      return { type: "malformed", code: "bad-message", reason: error.message };
    throw error;
  }
}

class UnsupportedVersion extends Error {}

function readMessage(reader: ByteReader): ClientMessage {
  const length = readHead(reader, Major.array, "message");
  const kind = readHead(reader, Major.uint, "message number");
  if (kind === 0 || LENGTHS[kind] === undefined)
    throw new DecodeError(`unknown message number ${kind}`);
  if (LENGTHS[kind] !== length)
    throw new DecodeError(`message ${kind} has ${length} elements, not ${LENGTHS[kind]}`);
  switch (kind) {
    case 1:
      return { type: "hello", hello: readHello(reader) };
    case 2:
      return {
        type: "message",
        seq: readNumbering(reader, "seq"),
        index: readUint(reader, "index"),
        payload: readBytes(reader, MAX_PAYLOAD_BYTES, "payload"),
      };
    case 3:
      return {
        type: "ack",
        seq: readUint(reader, "seq"),
        timeline: readUint(reader, "timeline"),
      };
    case 4:
      return { type: "ping", t: readUint(reader, "t") };
    case 5:
      return {
        type: "input",
        n: readNumbering(reader, "n"),
        index: readUint(reader, "index"),
        payload: readBytes(reader, MAX_PAYLOAD_BYTES, "payload"),
      };
    case 6:
      return { type: "leave" };
    default:
      return { type: "resync" };
  }
}

/** Messages and inputs are numbered from 1. */
function readNumbering(reader: ByteReader, what: string): number {
  const n = readUint(reader, what);
  if (n === 0) throw new DecodeError(`${what} is 0; numbering starts at 1`);
  return n;
}

/** Most keys of a hello. */
const MAX_HELLO_KEYS = 16;

interface HelloParts extends Partial<Hello> {
  v?: number;
}

const HELLO_KEYS: { readonly [key: string]: (reader: ByteReader, hello: HelloParts) => void } = {
  v: (reader, hello) => {
    hello.v = readUint(reader, "hello.v");
    if (hello.v !== PROTOCOL_VERSION)
      throw new UnsupportedVersion(`version ${hello.v}; this server speaks ${PROTOCOL_VERSION}`);
  },
  world: (reader, hello) => {
    hello.world = readText(reader, MAX_WORLD_NAME_BYTES, "hello.world");
  },
  ticket: (reader, hello) => {
    hello.ticket = readText(reader, MAX_TOKEN_BYTES, "hello.ticket");
  },
  resume: (reader, hello) => {
    hello.resume = readText(reader, MAX_TOKEN_BYTES, "hello.resume");
  },
  stream: (reader, hello) => {
    hello.stream = readId(reader, "hello.stream");
  },
  attempt: (reader, hello) => {
    hello.attempt = readUint(reader, "hello.attempt");
  },
  firstUnacked: (reader, hello) => {
    hello.firstUnacked = readUint(reader, "hello.firstUnacked");
  },
  lastReceived: (reader, hello) => {
    hello.lastReceived = readUint(reader, "hello.lastReceived");
  },
  timeline: (reader, hello) => {
    hello.timeline = readUint(reader, "hello.timeline");
  },
  schema: (reader, hello) => {
    hello.schema = readId(reader, "hello.schema");
  },
  params: (reader, hello) => {
    hello.params = new Uint8Array(readBytes(reader, MAX_PAYLOAD_BYTES, "hello.params"));
  },
};

function readHello(reader: ByteReader): Hello {
  const count = readHead(reader, Major.map, "hello");
  if (count > MAX_HELLO_KEYS) throw new DecodeError(`hello has ${count} keys`);
  const parts: HelloParts = {};
  const seen = new Set<string>();
  for (let i = 0; i < count; i++) {
    const key = readText(reader, 32, "key of hello");
    const read = Object.hasOwn(HELLO_KEYS, key) ? HELLO_KEYS[key] : undefined;
    if (read === undefined) throw new DecodeError(`hello has the unknown key ${key}`);
    if (seen.has(key)) throw new DecodeError(`hello has the key ${key} twice`);
    seen.add(key);
    read(reader, parts);
  }
  const { v, world, stream, attempt, firstUnacked, lastReceived, ...rest } = parts;
  return {
    ...rest,
    world: needed(v === undefined ? undefined : world, v === undefined ? "v" : "world"),
    stream: needed(stream, "stream"),
    attempt: needed(attempt, "attempt"),
    firstUnacked: needed(firstUnacked, "firstUnacked"),
    lastReceived: needed(lastReceived, "lastReceived"),
  };
}

function needed<T>(value: T | undefined, key: string): T {
  if (value === undefined) throw new DecodeError(`hello lacks the key ${key}`);
  return value;
}

function readId(reader: ByteReader, what: string): Uint8Array {
  const bytes = readBytes(reader, ID_BYTES, what);
  if (bytes.length !== ID_BYTES)
    throw new DecodeError(`${what}: ${bytes.length} bytes, not ${ID_BYTES}`);
  return new Uint8Array(bytes);
}
