import type { Plain } from "@atlasnet/world";
import { decodeCbor, encodeCbor } from "./cbor.ts";
import { textBytes } from "./text.ts";

/** Most bytes of one `Plain` value, encoded. */
export const MAX_PLAIN_BYTES = 65_536;
/** Arrays and objects within each other in a `Plain` value. */
export const MAX_PLAIN_DEPTH = 16;

/** A value that cannot be kept or sent. The message names the place and what is allowed there. */
export class PlainError extends Error {
  readonly code = "bad-plain";
  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.name = "PlainError";
  }
}

export type DecodedPlain =
  | { ok: true; value: Plain }
  | { ok: false; code: "bad-message"; problem: string };

interface Budget {
  left: number;
  readonly max: number;
}

const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * A frozen copy of a value, exactly as it will be after encoding and decoding: −0 is 0, entries that
 * are undefined are gone. Values of other realms (`vm` contexts) are taken too.
 * @throws PlainError
 */
export function toPlain(value: unknown, maxBytes = MAX_PLAIN_BYTES): Plain {
  return copy(value, "value", 0, { left: maxBytes, max: maxBytes });
}

/** What keeps a value from being Plain, or undefined. */
export function plainProblem(value: unknown, maxBytes = MAX_PLAIN_BYTES): string | undefined {
  try {
    toPlain(value, maxBytes);
    return undefined;
  } catch (error) {
    if (error instanceof PlainError) return error.message;
    throw error;
  }
}

/** The value in CBOR; bytes of their own. @throws PlainError */
export function encodePlain(value: Plain, maxBytes = MAX_PLAIN_BYTES): Uint8Array {
  return encodeCbor(toPlain(value, maxBytes)).slice();
}

/** The value of bytes from anywhere; never throws, keeps nothing of `bytes`. */
export function decodePlain(bytes: Uint8Array, maxBytes = MAX_PLAIN_BYTES): DecodedPlain {
  if (bytes.length > maxBytes)
    return {
      ok: false,
      code: "bad-message",
      problem: `${bytes.length} bytes, at most ${maxBytes}`,
    };
  const decoded = decodeCbor(bytes, { maxDepth: MAX_PLAIN_DEPTH, maxItems: maxBytes });
  if (!decoded.ok) return decoded;
  try {
    // The bound holds for our own writing, too (short floats get longer): what was taken in once can
    // be written again.
    return { ok: true, value: toPlain(decoded.value, maxBytes) };
  } catch (error) {
    if (error instanceof PlainError)
      return { ok: false, code: "bad-message", problem: error.message };
    throw error;
  }
}

function copy(value: unknown, path: string, depth: number, budget: Budget): Plain {
  switch (typeof value) {
    case "boolean":
      take(budget, 1, path);
      return value;
    case "number":
      if (!Number.isFinite(value)) throw new PlainError(path, `${value} cannot be kept`);
      take(budget, numberBytes(value), path);
      return value === 0 ? 0 : value;
    case "string":
      takeText(budget, value, path);
      return value;
    case "object":
      if (value !== null) return copyObject(value, path, depth, budget);
      take(budget, 1, path);
      return null;
    default:
      throw new PlainError(path, `a ${typeof value} cannot be kept`);
  }
}

function copyObject(value: object, path: string, depth: number, budget: Budget): Plain {
  const kind = Object.prototype.toString.call(value);
  if (kind === "[object Uint8Array]" && ArrayBuffer.isView(value)) {
    take(budget, headBytes(value.byteLength) + value.byteLength, path);
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength).slice();
  }
  if (depth >= MAX_PLAIN_DEPTH)
    throw new PlainError(path, `is nested more than ${MAX_PLAIN_DEPTH} deep`);
  if (Array.isArray(value)) {
    take(budget, headBytes(value.length), path);
    if (value.length > budget.left) throw tooLarge(path, budget);
    const items: Plain[] = [];
    for (let i = 0; i < value.length; i++)
      items.push(copy(value[i], `${path}[${i}]`, depth + 1, budget));
    return Object.freeze(items);
  }
  if (kind !== "[object Object]" || !hasPlainPrototype(value))
    throw new PlainError(path, "only plain objects, arrays and Uint8Arrays can be kept");
  const entries: { [key: string]: Plain } = {};
  let count = 0;
  for (const [key, entry] of Object.entries(value)) {
    if (entry === undefined) continue;
    if (key === "__proto__") throw new PlainError(path, "__proto__ cannot be a key");
    takeText(budget, key, path);
    entries[key] = copy(entry, `${path}.${key}`, depth + 1, budget);
    count += 1;
  }
  take(budget, headBytes(count), path);
  return Object.freeze(entries);
}

/** Literal objects, of this realm or another one: their prototype has no prototype. */
function hasPlainPrototype(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

function takeText(budget: Budget, text: string, path: string): void {
  if (text.length > budget.left) throw tooLarge(path, budget);
  if (LONE_SURROGATE.test(text)) throw new PlainError(path, "half a surrogate pair in a text");
  const bytes = textBytes(text);
  take(budget, headBytes(bytes) + bytes, path);
}

function take(budget: Budget, bytes: number, path: string): void {
  budget.left -= bytes;
  if (budget.left < 0) throw tooLarge(path, budget);
}

function tooLarge(path: string, budget: Budget): PlainError {
  return new PlainError(path, `the value takes more than ${budget.max} bytes`);
}

/** Bytes of a CBOR head with this length or integer. */
function headBytes(value: number): number {
  if (value < 24) return 1;
  if (value < 0x100) return 2;
  return value < 0x1_0000 ? 3 : 5;
}

function numberBytes(value: number): number {
  if (!Number.isInteger(value) || value > 0xffff_ffff || value < -0x1_0000_0000) return 9;
  return headBytes(value < 0 ? -1 - value : value);
}
