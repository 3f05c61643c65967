// This entry of cbor-x is its JavaScript; the main one runs hostile bytes through a native addon.
import { Decoder, Encoder } from "cbor-x/encode";
import { type ScanLimits, scanCbor } from "./cbor-scan.ts";

/**
 * Standard CBOR as docs/protocol.md, section 3, has it: definite lengths, no tags, shortest heads,
 * byte strings for `Uint8Array`, maps for objects.
 */
const options = {
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
  int64AsNumber: true,
};
const encoder = new Encoder(options);
const decoder = new Decoder(options);

/** Integers up to here are written by the encoder as integers, larger ones as floats. */
const MAX_PLAIN_INTEGER = 0xffff_ffff;

export type DecodedCbor =
  | { ok: true; value: unknown; entries: number }
  | { ok: false; code: "bad-message"; problem: string };

/**
 * Encodes a value made of null, booleans, numbers, bigints, strings, Uint8Arrays, arrays and plain
 * objects. The result may share its buffer with other results: it is not to be changed, and copied
 * where it is kept for long.
 */
export function encodeCbor(value: unknown): Uint8Array {
  return plainView(encoder.encode(value));
}

/**
 * Decodes bytes from anywhere: what is not of the plain subset, or beyond the limits, is an answer
 * and never thrown. Byte strings in the result are views into `bytes`. Of equal keys the last counts.
 */
export function decodeCbor(bytes: Uint8Array, limits: ScanLimits): DecodedCbor {
  const scan = scanCbor(bytes, limits);
  if (!scan.ok) return { ok: false, code: "bad-message", problem: scan.problem };
  try {
    return { ok: true, value: decoder.decode(plainView(bytes)), entries: scan.entries };
  } catch (error) {
    // What passes the scan decodes; should the two ever disagree, the bytes are refused.
    const problem = error instanceof Error ? error.message : String(error);
    return { ok: false, code: "bad-message", problem };
  }
}

/**
 * An integer in the form that is written as a CBOR integer. Plain numbers above 2^32 − 1 would be
 * written as floats, which other readers of the protocol need not expect.
 */
export function wireInteger(value: number): number | bigint {
  return value > MAX_PLAIN_INTEGER ? BigInt(value) : value;
}

/** The same for integers anywhere in a value made of maps and lists; fields that are undefined are left out. */
export function withWireIntegers(value: unknown): unknown {
  if (typeof value === "number") return Number.isSafeInteger(value) ? wireInteger(value) : value;
  if (Array.isArray(value)) return value.map(withWireIntegers);
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return value;
  const copy: { [key: string]: unknown } = {};
  for (const [key, field] of Object.entries(value))
    if (field !== undefined) copy[key] = withWireIntegers(field);
  return copy;
}

/** Node's Buffers as what they are: slices of a Buffer would be Buffers again. */
function plainView(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
