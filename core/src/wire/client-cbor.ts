import { type ByteReader, type ByteWriter, DecodeError } from "@atlasnet/world";

/**
 * The part of CBOR (RFC 8949) that the client protocol uses: definite lengths, no tags. Written by
 * hand because the bytes come from strangers, and a general decoder builds whatever they describe
 * before anyone can look at it.
 */

export const Major = {
  uint: 0,
  negative: 1,
  bytes: 2,
  text: 3,
  array: 4,
  map: 5,
  simple: 7,
} as const;

const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const FLOAT64 = 0xfb;
const MAX_U32 = 0xffff_ffff;
const MAX_ASCII = 0x7f;
/** Characters of a text that is written one by one. */
const MAX_SPELLED = 32;

const textDecoder = new TextDecoder("utf-8", { fatal: true });
const textEncoder = new TextEncoder();

/** What `writeCbor` takes: data without cycles; undefined values of a map are left out. */
export type CborValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue | undefined };

/** Reads an item's head of one major type and gives its argument. @throws DecodeError */
export function readHead(reader: ByteReader, major: number, what: string): number {
  const first = reader.u8();
  if (first >> 5 !== major) throw new DecodeError(`${what}: CBOR type ${first >> 5}, not ${major}`);
  return readArgument(reader, first & 31, what);
}

function readArgument(reader: ByteReader, info: number, what: string): number {
  if (info < 24) return info;
  const size = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0;
  if (size === 0) throw new DecodeError(`${what}: indefinite length or reserved head`);
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + reader.u8();
  if (!Number.isSafeInteger(value)) throw new DecodeError(`${what}: above 2^53 − 1`);
  return value;
}

/**
 * An unsigned integer below 2^53. A float64 that holds one from 2^32 on is taken too: that is how
 * encoders written in JavaScript write such numbers. @throws DecodeError
 */
export function readUint(reader: ByteReader, what: string): number {
  const first = reader.bytes[reader.offset];
  if (first !== FLOAT64) return readHead(reader, Major.uint, what);
  reader.u8();
  const raw = reader.raw(8);
  const value = new DataView(raw.buffer, raw.byteOffset, 8).getFloat64(0);
  if (!Number.isSafeInteger(value) || value < 2 ** 32)
    throw new DecodeError(`${what}: a float, not an unsigned integer`);
  return value;
}

/** A byte string of at most `maxBytes`; a view, not a copy. @throws DecodeError */
export function readBytes(reader: ByteReader, maxBytes: number, what: string): Uint8Array {
  const length = readHead(reader, Major.bytes, what);
  if (length > maxBytes) throw new DecodeError(`${what}: ${length} bytes, at most ${maxBytes}`);
  return reader.raw(length);
}

/** A text of at most `maxBytes` bytes of UTF-8. @throws DecodeError */
export function readText(reader: ByteReader, maxBytes: number, what: string): string {
  const length = readHead(reader, Major.text, what);
  if (length > maxBytes) throw new DecodeError(`${what}: ${length} bytes, at most ${maxBytes}`);
  const bytes = reader.raw(length);
  try {
    return textDecoder.decode(bytes);
  } catch (cause) {
    throw new DecodeError(`${what}: not UTF-8 (${String(cause)})`);
  }
}

export function writeHead(writer: ByteWriter, major: number, value: number): void {
  const type = major << 5;
  if (value < 24) {
    writer.u8(type | value);
  } else if (value < 0x100) {
    writer.u8(type | 24);
    writer.u8(value);
  } else if (value < 0x10000) {
    writer.u8(type | 25);
    writer.u8(value >>> 8);
    writer.u8(value & 0xff);
  } else if (value <= MAX_U32) {
    writer.u8(type | 26);
    writeU32(writer, value);
  } else {
    writer.u8(type | 27);
    writeU32(writer, Math.floor(value / (MAX_U32 + 1)));
    writeU32(writer, value % (MAX_U32 + 1));
  }
}

function writeU32(writer: ByteWriter, value: number): void {
  writer.u8(value >>> 24);
  writer.u8((value >>> 16) & 0xff);
  writer.u8((value >>> 8) & 0xff);
  writer.u8(value & 0xff);
}

export function writeBytes(writer: ByteWriter, bytes: Uint8Array): void {
  writeHead(writer, Major.bytes, bytes.length);
  writer.raw(bytes);
}

/** The encoder makes a buffer for each text, and a welcome has some forty: short ones of ASCII do without. */
export function writeText(writer: ByteWriter, value: string): void {
  if (value.length > MAX_SPELLED) return writeEncoded(writer, value);
  const start = writer.length;
  writeHead(writer, Major.text, value.length);
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code > MAX_ASCII) {
      writer.length = start;
      return writeEncoded(writer, value);
    }
    writer.u8(code);
  }
}

function writeEncoded(writer: ByteWriter, value: string): void {
  const bytes = textEncoder.encode(value);
  writeHead(writer, Major.text, bytes.length);
  writer.raw(bytes);
}

/** Writes a value in its shortest form: whole numbers as integers, others as float64. */
export function writeCbor(writer: ByteWriter, value: CborValue): void {
  if (value === null) writer.u8(NULL);
  else if (typeof value === "boolean") writer.u8(value ? TRUE : FALSE);
  else if (typeof value === "number") writeNumber(writer, value);
  else if (typeof value === "string") writeText(writer, value);
  else if (value instanceof Uint8Array) writeBytes(writer, value);
  else if (isArray(value)) {
    writeHead(writer, Major.array, value.length);
    for (const item of value) writeCbor(writer, item);
  } else {
    const keys = Object.keys(value);
    let count = 0;
    for (const key of keys) if (value[key] !== undefined) count += 1;
    writeHead(writer, Major.map, count);
    for (const key of keys) {
      const item = value[key];
      if (item === undefined) continue;
      writeText(writer, key);
      writeCbor(writer, item);
    }
  }
}

function writeNumber(writer: ByteWriter, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (value >= 0) writeHead(writer, Major.uint, value);
    else writeHead(writer, Major.negative, -1 - value);
    return;
  }
  writer.u8(FLOAT64);
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  writer.raw(bytes);
}

function isArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value);
}
