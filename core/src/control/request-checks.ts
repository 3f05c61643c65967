import {
  byteString,
  type FieldCheck,
  isOptional,
  listOf,
  optional,
  text,
  unsigned,
  word,
} from "../wire/field-checks.ts";
import { textBytes } from "../wire/text.ts";
import { ControlError } from "./control-error.ts";
import {
  MAX_KEY_BYTES,
  MAX_RANGE_ITEMS,
  MAX_REQUEST_ID_LENGTH,
  MAX_TXN_BYTES,
  MAX_TXN_PARTS,
  MAX_VALUE_BYTES,
  type Operation,
  type RangeRequest,
  type TxnRequest,
  type WatchRequest,
} from "./control-store.ts";

/**
 * What every adapter refuses before it does anything, so that all of them refuse the same. The checks take
 * unknown values: they hold for requests from other processes, too.
 */

type Fields = { readonly [name: string]: FieldCheck };

/** Names of nodes that one transaction may ask leases of. */
const MAX_LEASES = 16;
/**
 * Control characters and halves of surrogate pairs: neither survives every table, log and encoding. A loop,
 * because every key of every transaction comes by here.
 */
function isUnfit(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    if (unit < 0x20 || (unit >= 0x7f && unit < 0xa0)) return true;
    if (unit < 0xd800 || unit > 0xdfff) continue;
    const next = text.charCodeAt(at + 1);
    if (unit > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return true;
    at += 1;
  }
  return false;
}

function wellFormed(check: FieldCheck): FieldCheck {
  return (value) =>
    check(value) ??
    (typeof value === "string" && isUnfit(value)
      ? "text without control characters and broken surrogate pairs is needed"
      : undefined);
}

export const controlKey: FieldCheck = wellFormed(text(1, MAX_KEY_BYTES));
/** A prefix may be empty: then it stands for all keys. */
export const controlPrefix: FieldCheck = wellFormed(text(0, MAX_KEY_BYTES));
export const controlValue: FieldCheck = byteString(0, MAX_VALUE_BYTES);
export const requestId: FieldCheck = (value) =>
  typeof value === "string" && value.length >= 1 && value.length <= MAX_REQUEST_ID_LENGTH
    ? isUnfit(value)
      ? "text without control characters is needed"
      : undefined
    : `text of 1 to ${MAX_REQUEST_ID_LENGTH} letters is needed`;

/** A KeyValue. */
export const itemCheck: FieldCheck = exactly({
  key: controlKey,
  value: controlValue,
  created: unsigned,
  modified: unsigned,
  version: unsigned,
});

/** A map with these fields and no others; optional ones may be absent. */
export function exactly(fields: Fields): FieldCheck {
  const names = Object.keys(fields);
  return (value) => {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      return "a map is needed";
    const given = new Map<string, unknown>(
      Object.entries(value).filter(([, field]) => field !== undefined),
    );
    for (const name of given.keys())
      if (!Object.hasOwn(fields, name)) return `unknown field ${name.slice(0, 40)}`;
    for (const name of names) {
      const check = fields[name];
      if (check === undefined || (isOptional(check) && !given.has(name))) continue;
      const problem = given.has(name) ? check(given.get(name)) : "is missing";
      if (problem !== undefined) return `${name}: ${problem}`;
    }
    return undefined;
  };
}

/** A map whose `type` says which fields it has. */
export function variants(byType: { readonly [type: string]: Fields }): FieldCheck {
  const checks = new Map(
    Object.entries(byType).map(([type, fields]) => [
      type,
      exactly({ type: word(type), ...fields }),
    ]),
  );
  return (value) => {
    if (typeof value !== "object" || value === null || !("type" in value))
      return "a map with a type is needed";
    const check = typeof value.type === "string" ? checks.get(value.type) : undefined;
    if (check === undefined) return `unknown type ${String(value.type).slice(0, 40)}`;
    return check(value);
  };
}

const selector = { key: optional(controlKey), prefix: optional(controlPrefix) };

function selects(check: FieldCheck): FieldCheck {
  return (value) => {
    const problem = check(value);
    if (problem !== undefined || typeof value !== "object" || value === null) return problem;
    const key = "key" in value && value.key !== undefined;
    const prefix = "prefix" in value && value.prefix !== undefined;
    return key === prefix ? "either a key or a prefix is needed" : undefined;
  };
}

export const compareCheck: FieldCheck = variants({
  modified: { key: controlKey, is: word("equal", "greater", "less"), revision: unsigned },
  value: { key: controlKey, equals: controlValue },
  term: { term: unsigned },
});

const anyOperation = variants({ put: { key: controlKey, value: controlValue }, delete: selector });
const selectingDelete = selects(anyOperation);
export const operationCheck: FieldCheck = (value) =>
  typeof value === "object" && value !== null && "type" in value && value.type === "delete"
    ? selectingDelete(value)
    : anyOperation(value);

const txnCheck = exactly({
  id: optional(requestId),
  compare: listOf(MAX_TXN_PARTS, compareCheck),
  then: listOf(MAX_TXN_PARTS, operationCheck),
  otherwise: optional(listOf(MAX_TXN_PARTS, operationCheck)),
  leases: optional(listOf(MAX_LEASES, controlKey)),
});

const rangeCheck = selects(
  exactly({
    ...selector,
    limit: optional((value) =>
      Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MAX_RANGE_ITEMS
        ? undefined
        : `an integer from 1 to ${MAX_RANGE_ITEMS} is needed`,
    ),
    after: optional(controlPrefix),
    consistency: optional(word("linearizable", "local")),
  }),
);

const watchCheck = selects(exactly({ ...selector, after: optional(unsigned) }));

/** @throws ControlError "bad-request" */
export function checkRange(request: RangeRequest): void {
  refuse("range", rangeCheck(request));
}

/** @throws ControlError "bad-request" */
export function checkWatch(request: WatchRequest): void {
  refuse("watch", watchCheck(request));
}

/** @throws ControlError "bad-request", and "too-large" for too many parts or bytes */
export function checkTxn(request: TxnRequest): void {
  checkTxnSize(request);
  refuse("transaction", txnCheck(request));
  refuse("transaction: then", overlapProblem(request.then));
  refuse("transaction: otherwise", overlapProblem(request.otherwise ?? []));
}

function refuse(what: string, problem: string | undefined): void {
  if (problem !== undefined) throw new ControlError("bad-request", `${what}: ${problem}`);
}

/** Sizes come first and have a code of their own: whoever asks can split or shorten. */
function checkTxnSize(request: TxnRequest): void {
  const lists: readonly unknown[] = [request.compare, request.then, request.otherwise ?? []];
  let parts = 0;
  let bytes = 0;
  for (const list of lists) {
    if (!Array.isArray(list)) continue;
    parts += list.length;
    if (parts > MAX_TXN_PARTS)
      throw tooLarge(`more than ${MAX_TXN_PARTS} compares and operations`, "Split it.");
    for (const part of list) bytes += partBytes(part);
  }
  if (bytes > MAX_TXN_BYTES)
    throw tooLarge(
      `${bytes} bytes of keys and values; at most ${MAX_TXN_BYTES} are allowed`,
      "Split it.",
    );
}

function partBytes(part: unknown): number {
  if (typeof part !== "object" || part === null) return 0;
  let bytes = 0;
  for (const field of Object.values(part)) {
    if (typeof field === "string") bytes += textBytes(field);
    else if (field instanceof Uint8Array) {
      if (field.length > MAX_VALUE_BYTES)
        throw tooLarge(
          `a value of ${field.length} bytes; at most ${MAX_VALUE_BYTES} are allowed`,
          "Keep large things outside, and their address and digest here.",
        );
      bytes += field.length;
    }
  }
  return bytes;
}

function tooLarge(problem: string, hint: string): ControlError {
  return new ControlError("too-large", `transaction: ${problem}`, { hint });
}

function overlapProblem(operations: readonly Operation[]): string | undefined {
  const keys = new Set<string>();
  const prefixes: string[] = [];
  for (const operation of operations) {
    if ("prefix" in operation && operation.prefix !== undefined) prefixes.push(operation.prefix);
    else if ("key" in operation) {
      if (keys.has(operation.key)) return `the key ${operation.key} is changed twice`;
      keys.add(operation.key);
    }
  }
  for (const [at, prefix] of prefixes.entries()) {
    for (const key of keys)
      if (key.startsWith(prefix)) return `the key ${key} is changed twice: ${prefix}… is deleted`;
    for (const [other, longer] of prefixes.entries())
      if (at !== other && longer.startsWith(prefix)) return `the prefix ${longer} is deleted twice`;
  }
  return undefined;
}
