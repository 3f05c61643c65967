/**
 * Field types: what a component, an input or a message is made of. A field is plain data (it
 * travels in the welcome, in snapshots and in the schema hash); how its bytes look is in codec.ts.
 */

export type Field =
  | { kind: "bool"; default?: boolean }
  | { kind: "uint"; max: number; default?: number }
  | { kind: "int"; min: number; max: number; default?: number }
  | { kind: "quantized"; min: number; max: number; step: number; default?: number }
  | { kind: "enum"; values: readonly string[]; default?: string }
  | { kind: "float32"; default?: number }
  | { kind: "float64"; default?: number }
  | { kind: "text"; maxBytes: number; default?: string }
  | { kind: "bytes"; maxBytes: number }
  | { kind: "ref" }
  | { kind: "list"; of: Field; maxLength: number };

export const FIELD_KINDS: readonly string[] = [
  ...["bool", "uint", "int", "quantized", "enum", "float32", "float64"],
  ...["text", "bytes", "ref", "list"],
];

/** How deep lists may be nested: a list of lists of lists of lists. */
export const MAX_LIST_DEPTH = 3;

/** A struct: named fields in a fixed order (the order the keys were written in). */
export type Fields = { readonly [name: string]: Field };

export type ValueOf<F> = F extends { kind: "bool" }
  ? boolean
  : F extends { kind: "enum"; values: readonly (infer V)[] }
    ? V
    : F extends { kind: "text" }
      ? string
      : F extends { kind: "bytes" }
        ? Uint8Array
        : F extends { kind: "list"; of: infer I }
          ? readonly ValueOf<I>[]
          : F extends Field
            ? number
            : never;

export type StructOf<S> = { -readonly [K in keyof S]: ValueOf<S[K]> };

type NumberOptions = { default?: number };

/** Largest range of one bit-packed field: 32 bits. */
const MAX_RANGE = 2 ** 32 - 1;
/** Longest text, byte string or list a definition may ask for. */
export const MAX_FIELD_LENGTH = 65_536;

export function bool(options: { default?: boolean } = {}) {
  return { kind: "bool", ...options } as const;
}

/** An integer from 0 to `max` (at most 2^32 − 1). */
export function uint(max: number, options: NumberOptions = {}) {
  return checked({ kind: "uint", max, ...options } as const);
}

/** An integer from `min` to `max`. */
export function int(min: number, max: number, options: NumberOptions = {}) {
  return checked({ kind: "int", min, max, ...options } as const);
}

/**
 * A number that clients see in steps of `step` between `min` and `max`: the error on the wire is at
 * most `step / 2`. The world itself keeps the number as it was written, clamped to the range.
 */
export function quantized(options: { min: number; max: number; step: number; default?: number }) {
  return checked({ kind: "quantized", ...options } as const);
}

/** One of the given words. */
export function oneOf<const V extends readonly [string, ...string[]]>(...values: V) {
  return checked({ kind: "enum", values } as const);
}

export function float32(options: NumberOptions = {}) {
  return { kind: "float32", ...options } as const;
}

export function float64(options: NumberOptions = {}) {
  return { kind: "float64", ...options } as const;
}

/** Text of at most `maxBytes` bytes of UTF-8. */
export function text(maxBytes: number, options: { default?: string } = {}) {
  return checked({ kind: "text", maxBytes, ...options } as const);
}

export function bytes(maxBytes: number) {
  return checked({ kind: "bytes", maxBytes } as const);
}

/** The id of an entity, or 0 for none. */
export function ref() {
  return { kind: "ref" } as const;
}

/** Up to `maxLength` values of one field type. */
export function list<const F extends Field>(of: F, maxLength: number) {
  return checked({ kind: "list", of, maxLength } as const);
}

/** A value that does not fit its field. `path` names the field, as in `health.points`. */
export class FieldError extends Error {
  readonly code = "bad-field";
  readonly path: string;

  constructor(path: string, problem: string) {
    super(`${path}: ${problem}`);
    this.name = "FieldError";
    this.path = path;
  }
}

/** Steps of a quantized field from end to end. */
export function quantizedSteps(field: { min: number; max: number; step: number }): number {
  return Math.round((field.max - field.min) / field.step);
}

/** Says what is wrong with a field's own description, or undefined when it is sound. */
export function fieldProblem(field: Field, depth = 0): string | undefined {
  const badLength = (n: number) => !Number.isInteger(n) || n < 1 || n > MAX_FIELD_LENGTH;
  switch (field.kind) {
    case "uint":
      if (!Number.isInteger(field.max) || field.max < 0 || field.max > MAX_RANGE)
        return `max must be an integer from 0 to ${MAX_RANGE}, found ${field.max}`;
      break;
    case "int":
      if (!Number.isInteger(field.min) || !Number.isInteger(field.max) || field.min > field.max)
        return `min and max must be integers with min ≤ max, found ${field.min} and ${field.max}`;
      if (field.max - field.min > MAX_RANGE) return `max − min must be at most ${MAX_RANGE}`;
      break;
    case "quantized": {
      const { min, max, step } = field;
      if (![min, max, step].every(Number.isFinite) || min >= max || step <= 0)
        return `min < max and step > 0 are needed, found ${min}, ${max} and ${step}`;
      if (quantizedSteps(field) > MAX_RANGE) return "has more than 2^32 − 1 steps";
      break;
    }
    case "enum":
      if (field.values.length < 1 || field.values.length > 256)
        return `needs 1 to 256 values, found ${field.values.length}`;
      if (new Set(field.values).size !== field.values.length) return "has a value twice";
      break;
    case "text":
    case "bytes":
      if (badLength(field.maxBytes)) return `maxBytes must be 1 to ${MAX_FIELD_LENGTH}`;
      break;
    case "list":
      if (badLength(field.maxLength)) return `maxLength must be 1 to ${MAX_FIELD_LENGTH}`;
      if (depth >= MAX_LIST_DEPTH) return `lists may be nested at most ${MAX_LIST_DEPTH} deep`;
      // Three bytes could otherwise claim 65,536 items.
      if (takesNoBits(field.of)) return "needs items that have more than one possible value";
      return fieldProblem(field.of, depth + 1);
  }
  if ("default" in field && field.default !== undefined) {
    try {
      checkValue(field, field.default, "default");
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
  return undefined;
}

function takesNoBits(field: Field): boolean {
  switch (field.kind) {
    case "uint":
      return field.max === 0;
    case "int":
      return field.min === field.max;
    case "quantized":
      return quantizedSteps(field) === 0;
    case "enum":
      return field.values.length === 1;
    default:
      return false;
  }
}

function checked<F extends Field>(field: F): F {
  const problem = fieldProblem(field);
  if (problem !== undefined) throw new FieldError(field.kind, problem);
  return field;
}

/** The value a field has when nothing was given. */
export function defaultOf(field: Field): unknown {
  if ("default" in field && field.default !== undefined) return field.default;
  switch (field.kind) {
    case "bool":
      return false;
    case "int":
    case "quantized":
      return Math.min(Math.max(0, field.min), field.max);
    case "enum":
      return field.values[0];
    case "text":
      return "";
    case "bytes":
      return new Uint8Array(0);
    case "list":
      return [];
    default:
      return 0;
  }
}

const utf8 = new TextEncoder();

/** Bytes of `value` in UTF-8, without encoding it when it is plainly short enough. */
function fitsUtf8(value: string, maxBytes: number): boolean {
  return value.length * 3 <= maxBytes || utf8.encode(value).length <= maxBytes;
}

const LONE_SURROGATE = /\p{Surrogate}/gu;

/** The text as UTF-8 can carry it, so that it is the same after a restore. */
function wellFormed(value: string): string {
  return value.replace(LONE_SURROGATE, "\uFFFD");
}

/**
 * The value as it is stored: quantized numbers clamped to their range, float32 rounded, lists frozen,
 * halves of surrogate pairs in texts replaced.
 * @throws FieldError when the value is not of the field's type or range.
 */
export function checkValue(field: Field, value: unknown, path: string): unknown {
  const fail = (expected: string): never => {
    const found = typeof value === "string" ? JSON.stringify(value) : String(value);
    throw new FieldError(path, `expected ${expected}, found ${found.slice(0, 60)}`);
  };
  switch (field.kind) {
    case "bool":
      return typeof value === "boolean" ? value : fail("true or false");
    case "uint":
      return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= field.max
        ? value
        : fail(`an integer from 0 to ${field.max}`);
    case "int":
      return Number.isInteger(value) &&
        (value as number) >= field.min &&
        (value as number) <= field.max
        ? value
        : fail(`an integer from ${field.min} to ${field.max}`);
    case "quantized":
      if (typeof value !== "number" || Number.isNaN(value)) return fail("a number");
      return value < field.min ? field.min : value > field.max ? field.max : value;
    case "enum":
      return typeof value === "string" && field.values.includes(value)
        ? value
        : fail(`one of ${field.values.join(", ")}`);
    case "float32":
      return typeof value === "number" ? Math.fround(value) : fail("a number");
    case "float64":
      return typeof value === "number" ? value : fail("a number");
    case "text":
      return typeof value === "string" && fitsUtf8(value, field.maxBytes)
        ? wellFormed(value)
        : fail(`text of at most ${field.maxBytes} bytes`);
    case "bytes":
      return value instanceof Uint8Array && value.length <= field.maxBytes
        ? value
        : fail(`at most ${field.maxBytes} bytes`);
    case "ref":
      return Number.isSafeInteger(value) && (value as number) >= 0
        ? value
        : fail("the id of an entity, or 0");
    case "list":
      if (!Array.isArray(value) || value.length > field.maxLength)
        return fail(`a list of at most ${field.maxLength}`);
      return Object.freeze(value.map((item, i) => checkValue(field.of, item, `${path}[${i}]`)));
  }
}
