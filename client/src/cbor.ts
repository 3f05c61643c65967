import { type ByteReader, type ByteWriter, DecodeError } from "@atlasnet/world";

/**
 * The part of CBOR (RFC 8949) that the protocol uses: definite lengths, no tags. Small enough to go to
 * every browser, and unlike a general decoder it never makes more than the bytes at hand can hold.
 */

const MAX_DEPTH = 16;
const FALSE = 20;
const TRUE = 21;
const NULL = 22;
const utf8Encoder = new TextEncoder();

const Major = { uint: 0, negative: 1, bytes: 2, text: 3, array: 4, map: 5, simple: 7 } as const;

function writeHead(writer: ByteWriter, major: number, value: number): void {
  const type = major << 5;
  if (value < 24) writer.u8(type | value);
  else {
    const size = value < 0x100 ? 0 : value < 0x10000 ? 1 : value < 2 ** 32 ? 2 : 3;
    writer.u8(type | (24 + size));
    for (let shift = 8 * 2 ** size - 8; shift >= 0; shift -= 8)
      writer.u8(Math.floor(value / 2 ** shift) % 256);
  }
}

/** What `writeCbor` takes; keys of maps with undefined values are left out. */
export type CborValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly CborValue[]
  | { readonly [key: string]: CborValue | undefined };

/** Writes unsigned integers, texts, byte strings, arrays and maps in their shortest form. */
export function writeCbor(writer: ByteWriter, value: CborValue): void {
  if (value === null) writer.u8(0xe0 | NULL);
  else if (typeof value === "boolean") writer.u8(0xe0 | (value ? TRUE : FALSE));
  else if (typeof value === "number") writeNumber(writer, value);
  else if (typeof value === "string") {
    const bytes = utf8Encoder.encode(value);
    writeHead(writer, Major.text, bytes.length);
    writer.raw(bytes);
  } else if (value instanceof Uint8Array) {
    writeHead(writer, Major.bytes, value.length);
    writer.raw(value);
  } else if (isArray(value)) {
    writeHead(writer, Major.array, value.length);
    for (const item of value) writeCbor(writer, item);
  } else {
    const entries = Object.entries(value).filter(([, item]) => item !== undefined);
    writeHead(writer, Major.map, entries.length);
    for (const [key, item] of entries) {
      writeCbor(writer, key);
      writeCbor(writer, item ?? null);
    }
  }
}

function isArray(value: CborValue): value is readonly CborValue[] {
  return Array.isArray(value);
}

function writeNumber(writer: ByteWriter, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    if (value >= 0) writeHead(writer, Major.uint, value);
    else writeHead(writer, Major.negative, -1 - value);
    return;
  }
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value);
  writer.u8(0xfb);
  writer.raw(bytes);
}

/** Reads one item. Byte strings are views into the reader's bytes. @throws DecodeError */
export function readCbor(reader: ByteReader, depth = 0): unknown {
  if (depth > MAX_DEPTH) throw new DecodeError(`CBOR nested more than ${MAX_DEPTH} deep`);
  const first = reader.u8();
  const major = first >> 5;
  const info = first & 31;
  if (major === Major.simple) return readSimple(reader, info);
  const argument = readArgument(reader, info);
  switch (major) {
    case Major.uint:
      return argument;
    case Major.negative:
      return -1 - argument;
    case Major.bytes:
      return reader.raw(argument);
    case Major.text:
      return reader.utf8(argument);
    case Major.array: {
      const items: unknown[] = [];
      for (let i = 0; i < argument; i++) items.push(readCbor(reader, depth + 1));
      return items;
    }
    case Major.map: {
      const map = new Map<string, unknown>();
      for (let i = 0; i < argument; i++) {
        const key = readCbor(reader, depth + 1);
        if (typeof key !== "string") throw new DecodeError("CBOR map with a key that is no text");
        if (map.has(key)) throw new DecodeError(`CBOR map with the key ${key} twice`);
        map.set(key, readCbor(reader, depth + 1));
      }
      return Object.fromEntries(map);
    }
    default:
      throw new DecodeError("CBOR tags are not used");
  }
}

function readArgument(reader: ByteReader, info: number): number {
  if (info < 24) return info;
  if (info > 27) throw new DecodeError("CBOR of indefinite length, or a reserved head");
  let value = 0;
  for (let left = 2 ** (info - 24); left > 0; left--) value = value * 256 + reader.u8();
  if (!Number.isSafeInteger(value)) throw new DecodeError("CBOR integer above 2^53 − 1");
  return value;
}

function readSimple(reader: ByteReader, info: number): unknown {
  switch (info) {
    case FALSE:
      return false;
    case TRUE:
      return true;
    case NULL:
      return null;
    case 25:
      return readHalf(reader);
    case 26:
      return dataView(reader.raw(4)).getFloat32(0);
    case 27:
      return dataView(reader.raw(8)).getFloat64(0);
    default:
      throw new DecodeError(`CBOR simple value ${info}`);
  }
}

function dataView(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function readHalf(reader: ByteReader): number {
  const half = reader.u8() * 256 + reader.u8();
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}
