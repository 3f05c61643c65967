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
