import { ByteWriter, type CloseCode, closeCodes, type DefinitionData } from "@atlasnet/world";
import {
  type CborValue,
  Major,
  writeBytes,
  writeCbor,
  writeHead,
  writeText,
} from "./client-cbor.ts";

/** What the server sends to clients (docs/protocol.md, section 3), encoded. */

export const ServerMessage = {
  state: 1,
  message: 2,
  ack: 3,
  pong: 4,
  welcome: 5,
  close: 6,
  resync: 7,
  transfer: 8,
  notice: 9,
  /** Of connections that carry state unreliably: what does not fit a packet, and what was lost. */
  updates: 10,
  /** The server is about to stop: go on through another one. */
  reconnect: 11,
} as const;

/** Limits a client should know, as the welcome carries them. */
export interface ClientLimits {
  maxMessageBytes: number;
  messagesPerSecond: number;
  bytesPerSecond: number;
  idleTimeoutMs: number;
}

/** Where a server takes UDP, and the key it proves itself with. */
export interface UdpEndpoint {
  port: number;
  /** 32 bytes, an X25519 public key. */
  key: Uint8Array;
}

export interface Welcome {
  world: string;
  account: string;
  session: number;
  resume: string;
  attempt: number;
  schema: Uint8Array;
  definition?: DefinitionData;
  tickRate: number;
  tick: number;
  epoch: number;
  timeline: number;
  appliedSeq: number;
  outSeq: number;
  lastInput: number;
  graceTicks: number;
  limits: ClientLimits;
  endpoints: readonly string[];
  udp?: UdpEndpoint | undefined;
}

function message(kind: number, length: number): ByteWriter {
  const writer = new ByteWriter(64);
  writeHead(writer, Major.array, length);
  writeHead(writer, Major.uint, kind);
  return writer;
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  const writer = message(ServerMessage.welcome, 2);
  const { definition, limits, udp, ...rest } = welcome;
  writeCbor(writer, {
    ...rest,
    definition: definition === undefined ? undefined : plainDefinition(definition),
    limits: { ...limits },
    udp: udp === undefined ? undefined : { ...udp },
  });
  return writer.finish();
}

/** The definition as a map of plain data; a field's values are plain already. */
function plainDefinition(definition: DefinitionData): CborValue {
  const plain: unknown = definition;
  return toCbor(plain);
}

function toCbor(value: unknown): CborValue {
  if (
    value === null ||
    typeof value === "boolean" ||
    typeof value === "number" ||
    typeof value === "string" ||
    value instanceof Uint8Array
  )
    return value;
  if (Array.isArray(value)) return value.map(toCbor);
  if (typeof value === "object")
    return Object.fromEntries(
      Object.entries(value)
        .filter(([, item]) => item !== undefined)
        .map(([key, item]) => [key, toCbor(item)]),
    );
  throw new TypeError(`a definition holds a ${typeof value}, which has no CBOR form`);
}

/** Writes a reliable message into a writer: `[2, seq, index, payload]`. */
export function writeServerMessage(
  writer: ByteWriter,
  seq: number,
  index: number,
  payload: Uint8Array,
): void {
  writer.u8(0x84);
  writer.u8(ServerMessage.message);
  writeHead(writer, Major.uint, seq);
  writeHead(writer, Major.uint, index);
  writeBytes(writer, payload);
}

/** Writes `[3, seq, tick]` into a writer. */
export function writeAck(writer: ByteWriter, seq: number, tick: number): void {
  writer.u8(0x83);
  writer.u8(ServerMessage.ack);
  writeHead(writer, Major.uint, seq);
  writeHead(writer, Major.uint, tick);
}

export function encodeAck(seq: number, tick: number): Uint8Array {
  return numbers(ServerMessage.ack, seq, tick);
}

export function encodePong(t: number, tick: number): Uint8Array {
  return numbers(ServerMessage.pong, t, tick);
}

/** Writes `[7, appliedSeq]` into a writer. */
export function writeResync(writer: ByteWriter, appliedSeq: number): void {
  writer.u8(0x82);
  writer.u8(ServerMessage.resync);
  writeHead(writer, Major.uint, appliedSeq);
}

function numbers(kind: number, ...values: readonly number[]): Uint8Array {
  const writer = message(kind, 1 + values.length);
  for (const value of values) writeHead(writer, Major.uint, value);
  return writer.finish();
}

export function encodeClose(code: CloseCode, reason: string): Uint8Array {
  const writer = message(ServerMessage.close, 3);
  writeHead(writer, Major.uint, closeCodes[code].code);
  writeText(writer, reason);
  return writer.finish();
}

export function encodeTransfer(world: string): Uint8Array {
  const writer = message(ServerMessage.transfer, 2);
  writeText(writer, world);
  return writer.finish();
}

export function encodeNotice(kind: string, text: string): Uint8Array {
  const writer = message(ServerMessage.notice, 3);
  writeText(writer, kind);
  writeText(writer, text);
  return writer.finish();
}

/** `[11]` (docs/protocol.md, section 5). */
export function encodeReconnect(): Uint8Array {
  return message(ServerMessage.reconnect, 1).finish();
}

/** `[10, packed]`: changes of topics, each by itself (docs/protocol.md, 11.4). */
export function encodeUpdates(packed: Uint8Array): Uint8Array {
  const writer = new ByteWriter(8 + packed.length);
  writer.u8(0x82);
  writer.u8(ServerMessage.updates);
  writeBytes(writer, packed);
  return writer.finish();
}

/** Bytes of the head that `writeStateHead` writes for that many packed bytes. */
export function stateHeadBytes(length: number): number {
  return length < 24 ? 3 : length < 0x100 ? 4 : length < 0x10000 ? 5 : 7;
}

/**
 * Writes `[1, bytes(length)` up to where the packed bytes stand, and returns that place. Into a plain
 * array instead of a ByteWriter, because this runs once per client and tick.
 */
export function writeStateHead(target: Uint8Array, start: number, length: number): number {
  let at = start;
  target[at++] = 0x82;
  target[at++] = ServerMessage.state;
  if (length < 24) {
    target[at++] = 0x40 | length;
  } else if (length < 0x100) {
    target[at++] = 0x58;
    target[at++] = length;
  } else if (length < 0x10000) {
    target[at++] = 0x59;
    target[at++] = length >>> 8;
    target[at++] = length & 0xff;
  } else {
    target[at++] = 0x5a;
    for (let shift = 24; shift >= 0; shift -= 8) target[at++] = (length >>> shift) & 0xff;
  }
  return at;
}
