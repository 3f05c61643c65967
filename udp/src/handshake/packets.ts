import { ByteReader, ByteWriter, DecodeError } from "@atlasnet/world";
import { MAX_PACKET_BYTES } from "../limits.ts";
import { TAG_BYTES } from "../packet-keys.ts";

/** The packets of the handshake as bytes (docs/protocol.md, section 11.1). Views, not copies. */

/** First byte of a packet. */
export const PACKET = { initiate: 1, retry: 2, accept: 3, sealed: 4, reset: 5 } as const;

export const HANDSHAKE_VERSION = 1;
const MAGIC = [0xa7, 0x4e, 0x45, 0x54] as const;

export const CLIENT_ID_BYTES = 8;
/** An X25519 key. */
export const KEY_BYTES = 32;
export const COOKIE_BYTES = 24;
export const RESET_TOKEN_BYTES = 16;
export const CONNECTION_ID_BYTES = 6;

const VERSION_AT = 1 + MAGIC.length;
const CLIENT_ID_AT = VERSION_AT + 1;
/** What stands in front of `e`: it is the prologue of the Noise handshake, too. */
const PROLOGUE_BYTES = CLIENT_ID_AT + CLIENT_ID_BYTES;
const COOKIE_LENGTH_AT = PROLOGUE_BYTES + KEY_BYTES;
const COOKIE_AT = COOKIE_LENGTH_AT + 1;

export const RETRY_BYTES = 1 + CLIENT_ID_BYTES + COOKIE_BYTES;
export const RESET_BYTES = 1 + RESET_TOKEN_BYTES;
const ACCEPT_MESSAGE_AT = 1 + CLIENT_ID_BYTES;
/** Type, connection id, a packet number and a tag around nothing. */
const MIN_SEALED_BYTES = 1 + CONNECTION_ID_BYTES + 1 + TAG_BYTES;

export interface Initiate {
  readonly prologue: Uint8Array;
  readonly clientId: Uint8Array;
  /** The client's ephemeral key. */
  readonly e: Uint8Array;
  readonly cookie: Uint8Array | undefined;
}

/** @returns what is wrong when it is no initiate of this version. */
export function readInitiate(packet: Uint8Array): Initiate | "malformed" | "version" {
  if (packet.length !== MAX_PACKET_BYTES || packet[0] !== PACKET.initiate) return "malformed";
  for (let i = 0; i < MAGIC.length; i++) if (packet[1 + i] !== MAGIC[i]) return "malformed";
  if (packet[VERSION_AT] !== HANDSHAKE_VERSION) return "version";
  const cookieLength = packet[COOKIE_LENGTH_AT];
  if (cookieLength !== 0 && cookieLength !== COOKIE_BYTES) return "malformed";
  return {
    prologue: prologueOf(packet),
    clientId: packet.subarray(CLIENT_ID_AT, PROLOGUE_BYTES),
    e: packet.subarray(PROLOGUE_BYTES, COOKIE_LENGTH_AT),
    cookie: cookieLength === 0 ? undefined : packet.subarray(COOKIE_AT, COOKIE_AT + COOKIE_BYTES),
  };
}

/** The prologue of the Noise handshake that an initiate begins. */
export function prologueOf(initiate: Uint8Array): Uint8Array {
  return initiate.subarray(0, PROLOGUE_BYTES);
}

export function writeInitiate(
  clientId: Uint8Array,
  e: Uint8Array,
  cookie: Uint8Array | undefined,
): Uint8Array {
  const packet = new Uint8Array(MAX_PACKET_BYTES);
  packet.set([PACKET.initiate, ...MAGIC, HANDSHAKE_VERSION]);
  packet.set(clientId, CLIENT_ID_AT);
  packet.set(e, PROLOGUE_BYTES);
  if (cookie !== undefined) {
    packet[COOKIE_LENGTH_AT] = COOKIE_BYTES;
    packet.set(cookie, COOKIE_AT);
  }
  return packet;
}

export function writeRetry(clientId: Uint8Array, cookie: Uint8Array): Uint8Array {
  const packet = new Uint8Array(RETRY_BYTES);
  packet[0] = PACKET.retry;
  packet.set(clientId, 1);
  packet.set(cookie, ACCEPT_MESSAGE_AT);
  return packet;
}

/** The cookie of a retry for this client; undefined when it is none. */
export function readRetry(packet: Uint8Array, clientId: Uint8Array): Uint8Array | undefined {
  if (packet.length !== RETRY_BYTES || packet[0] !== PACKET.retry) return undefined;
  return isFor(packet, clientId) ? packet.subarray(1 + CLIENT_ID_BYTES) : undefined;
}

/** `message` is the second message of the Noise handshake. */
export function writeAccept(clientId: Uint8Array, message: Uint8Array): Uint8Array {
  const packet = new Uint8Array(ACCEPT_MESSAGE_AT + message.length);
  packet[0] = PACKET.accept;
  packet.set(clientId, 1);
  packet.set(message, ACCEPT_MESSAGE_AT);
  return packet;
}

/** The Noise message of an accept for this client; undefined when it is none. */
export function readAccept(packet: Uint8Array, clientId: Uint8Array): Uint8Array | undefined {
  if (packet[0] !== PACKET.accept || packet.length > MAX_PACKET_BYTES) return undefined;
  return isFor(packet, clientId) ? packet.subarray(ACCEPT_MESSAGE_AT) : undefined;
}

function isFor(packet: Uint8Array, clientId: Uint8Array): boolean {
  if (packet.length <= CLIENT_ID_BYTES) return false;
  for (let i = 0; i < CLIENT_ID_BYTES; i++) if (packet[1 + i] !== clientId[i]) return false;
  return true;
}

/** What an accept says, sealed. */
export interface AcceptPayload {
  /** 48 bits. */
  readonly connectionId: number;
  readonly resetToken: Uint8Array;
  readonly idleTimeoutMs: number;
}

export function encodeAcceptPayload(payload: AcceptPayload): Uint8Array {
  const writer = new ByteWriter(64);
  writer.raw(connectionIdBytes(payload.connectionId));
  writer.raw(payload.resetToken);
  writer.varint(payload.idleTimeoutMs);
  return writer.finish();
}

/** Undefined when it is too short. What a later version adds behind it is ignored. */
export function decodeAcceptPayload(bytes: Uint8Array): AcceptPayload | undefined {
  const reader = new ByteReader(bytes);
  try {
    const connectionId = readUint48(reader.raw(CONNECTION_ID_BYTES), 0);
    const resetToken = reader.raw(RESET_TOKEN_BYTES).slice();
    return { connectionId, resetToken, idleTimeoutMs: reader.varint() };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** The connection id of a sealed packet to the server; undefined when the packet is none. */
export function connectionIdOf(packet: Uint8Array): number | undefined {
  if (packet[0] !== PACKET.sealed || packet.length < MIN_SEALED_BYTES) return undefined;
  return readUint48(packet, 1);
}

export function connectionIdBytes(connectionId: number): Uint8Array {
  const bytes = new Uint8Array(CONNECTION_ID_BYTES);
  let rest = connectionId;
  for (let i = CONNECTION_ID_BYTES - 1; i >= 0; i--) {
    bytes[i] = rest % 0x100;
    rest = Math.floor(rest / 0x100);
  }
  return bytes;
}

function readUint48(bytes: Uint8Array, at: number): number {
  let value = 0;
  for (let i = 0; i < CONNECTION_ID_BYTES; i++) value = value * 0x100 + (bytes[at + i] ?? 0);
  return value;
}

export function writeReset(token: Uint8Array): Uint8Array {
  const packet = new Uint8Array(RESET_BYTES);
  packet[0] = PACKET.reset;
  packet.set(token, 1);
  return packet;
}

/** True for a reset with this token: the server has lost the connection. */
export function isReset(packet: Uint8Array, token: Uint8Array): boolean {
  if (packet.length !== RESET_BYTES || packet[0] !== PACKET.reset) return false;
  // The time it takes tells nothing about how much of a guessed token is right.
  let difference = token.length ^ RESET_TOKEN_BYTES;
  for (let i = 0; i < RESET_TOKEN_BYTES; i++) difference |= (packet[1 + i] ?? 0) ^ (token[i] ?? 0);
  return difference === 0;
}
