import { closeCodes, DefinitionError, FieldError, parseDefinition } from "@atlasnet/world";
import { plainProblem } from "./plain.ts";
import { textBytes } from "./text.ts";

/** Says what is wrong with a field's value, or undefined. */
export type FieldCheck = (value: unknown) => string | undefined;

/** An integer from 0 to 2^53 − 1. */
export const unsigned: FieldCheck = (value) =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? undefined : "an integer from 0 is needed";

export const boolean: FieldCheck = (value) =>
  typeof value === "boolean" ? undefined : "true or false is needed";

/** Text of `min` to `max` bytes in UTF-8. */
export function text(min: number, max: number): FieldCheck {
  return (value) => {
    if (typeof value !== "string") return "text is needed";
    // Most texts are plainly short enough.
    const bytes = value.length * 3 <= max ? value.length : textBytes(value);
    return bytes >= min && bytes <= max ? undefined : `text of ${min} to ${max} bytes is needed`;
  };
}

export function byteString(min: number, max: number): FieldCheck {
  return (value) =>
    value instanceof Uint8Array && value.length >= min && value.length <= max
      ? undefined
      : min === max
        ? `${min} bytes are needed`
        : `${min} to ${max} bytes are needed`;
}

export function word(...words: readonly string[]): FieldCheck {
  return (value) =>
    typeof value === "string" && words.includes(value) ? undefined : `one of ${words.join(", ")}`;
}

export const closeCode: FieldCheck = word(...Object.keys(closeCodes));

export function plain(maxBytes: number): FieldCheck {
  return (value) => plainProblem(value, maxBytes);
}

export const definition: FieldCheck = (value) => {
  try {
    parseDefinition(value);
    return undefined;
  } catch (error) {
    if (error instanceof DefinitionError || error instanceof FieldError) return error.message;
    throw error;
  }
};

const OPTIONAL = Symbol("optional");
export type OptionalCheck = FieldCheck & { readonly [OPTIONAL]: true };

/** A field that may be absent. */
export function optional(check: FieldCheck): OptionalCheck {
  return Object.assign((value: unknown) => check(value), { [OPTIONAL]: true } as const);
}

export function isOptional(check: FieldCheck): boolean {
  return OPTIONAL in check;
}

const SINCE = Symbol("since");

/** A field that came with a version of the link protocol; it has to be optional. */
export function since(version: number, check: OptionalCheck): OptionalCheck {
  return Object.assign((value: unknown) => check(value), {
    [OPTIONAL]: true,
    [SINCE]: version,
  } as const);
}

/** The protocol version that brought a field. */
export function sinceVersion(check: FieldCheck): number {
  return SINCE in check && typeof check[SINCE] === "number" ? check[SINCE] : 1;
}

/** A list of at most `max` items. */
export function listOf(max: number, item: FieldCheck): FieldCheck {
  return (value) => {
    if (!Array.isArray(value)) return "a list is needed";
    if (value.length > max) return `at most ${max} items are allowed`;
    for (const [index, each] of value.entries()) {
      const problem = item(each);
      if (problem !== undefined) return `item ${index}: ${problem}`;
    }
    return undefined;
  };
}

/** A map with exactly these fields. */
export function record(fields: { readonly [name: string]: FieldCheck }): FieldCheck {
  const names = Object.keys(fields);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return "a map is needed";
    const entries = new Map<string, unknown>(Object.entries(value));
    if (entries.size !== names.length) return `the fields ${names.join(", ")} are needed`;
    for (const name of names) {
      const problem = entries.has(name) ? fields[name]?.(entries.get(name)) : "is missing";
      if (problem !== undefined) return `${name}: ${problem}`;
    }
    return undefined;
  };
}
