import type { CborValue } from "@atlasnet/core";
import { ByteReader } from "@atlasnet/world";

/** Reads one CBOR item into plain data; for tests, which trust the bytes. */
export function readCbor(bytes: Uint8Array): CborValue {
  const reader = new ByteReader(bytes);
  const value = read(reader);
  reader.end();
  return value;
}

function read(reader: ByteReader): CborValue {
  const first = reader.u8();
  const major = first >> 5;
  if (first === 0xfb) {
    const raw = reader.raw(8);
    return new DataView(raw.buffer, raw.byteOffset, 8).getFloat64(0);
  }
  if (first >= 0xf4 && first <= 0xf6) return first === 0xf6 ? null : first === 0xf5;
  const n = argument(reader, first & 31);
  switch (major) {
    case 0:
      return n;
    case 1:
      return -1 - n;
    case 2:
      return Uint8Array.from(reader.raw(n));
    case 3:
      return new TextDecoder().decode(reader.raw(n));
    case 4:
      return Array.from({ length: n }, () => read(reader));
    case 5:
      return Object.fromEntries(
        Array.from({ length: n }, () => [String(read(reader)), read(reader)]),
      );
    default:
      throw new Error(`CBOR head ${first}`);
  }
}

function argument(reader: ByteReader, info: number): number {
  if (info < 24) return info;
  let value = 0;
  for (let left = 2 ** (info - 24); left > 0; left--) value = value * 256 + reader.u8();
  return value;
}
