import {
  ControlError,
  decodeCbor,
  encodeCbor,
  isControlErrorCode,
  type TxnRequest,
} from "@atlasnet/core";
import { withWireIntegers } from "../store/commands.ts";
import type { TakenIn } from "../store/replicated-store.ts";

/** What apiservers say to each other about transactions, as bytes: one CBOR map each. */

const SCAN_LIMITS = { maxDepth: 6, maxItems: 10_000 } as const;
const NO_BYTES = new Uint8Array(0);
/** Text of an error that comes from another apiserver; longer ones are clipped. */
const MAX_TEXT = 1024;

export interface Answered {
  readonly code: string;
  readonly body: Uint8Array;
}

export function encodeTxn(request: TxnRequest): Uint8Array {
  return bytesOf(request);
}

/** Undefined: it is none. What is in it the store checks, as it does for all. Values are views into `bytes`. */
export function decodeTxn(bytes: Uint8Array): TxnRequest | undefined {
  const decoded = decodeCbor(bytes, SCAN_LIMITS);
  return decoded.ok && isMap(decoded.value) ? (decoded.value as unknown as TxnRequest) : undefined;
}

export function encodeTaken(taken: TakenIn): Answered {
  if (!taken.ok) return { code: taken.code, body: NO_BYTES };
  const { succeeded, revision } = taken.result;
  return { code: "ok", body: bytesOf({ succeeded, revision }) };
}

export function encodeRefusal({ code, message, hint }: ControlError): Answered {
  return { code: "refused", body: bytesOf({ code, message, hint }) };
}

/** Undefined: nobody knows whether it was taken in. @throws ControlError the leader's refusal */
export function decodeTaken({ code, body }: Answered): TakenIn | undefined {
  switch (code) {
    case "not-leader":
    // It never came to the leader's store.
    case "unreachable":
    case "busy":
    case "unknown-method":
      return { ok: false, code: "not-leader" };
    case "ok":
      return decodeResult(body);
    case "refused":
      throw decodeRefusal(body);
    default:
      return undefined;
  }
}

function decodeResult(body: Uint8Array): TakenIn | undefined {
  const fields = decodeMap(body);
  const { succeeded, revision } = fields;
  if (typeof succeeded !== "boolean" || typeof revision !== "number") return undefined;
  return { ok: true, result: { succeeded, revision } };
}

function decodeRefusal(body: Uint8Array): ControlError {
  const { code, message, hint } = decodeMap(body);
  // A newer leader may refuse for a reason that this version does not know; trying again changes nothing.
  const known = typeof code === "string" && isControlErrorCode(code) ? code : "bad-request";
  return new ControlError(known, textOf(message) ?? "the leader refused the transaction", {
    ...(typeof hint === "string" && { hint: hint.slice(0, MAX_TEXT) }),
  });
}

function textOf(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" ? value.slice(0, MAX_TEXT) : undefined;
}

function decodeMap(bytes: Uint8Array): { readonly [field: string]: unknown } {
  const decoded = decodeCbor(bytes, SCAN_LIMITS);
  return decoded.ok && isMap(decoded.value) ? decoded.value : {};
}

function isMap(value: unknown): value is { readonly [field: string]: unknown } {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Uint8Array)
  );
}

function bytesOf(value: unknown): Uint8Array {
  // The encoder's buffer is shared, and links may keep what they are given.
  return encodeCbor(withWireIntegers(value)).slice();
}
