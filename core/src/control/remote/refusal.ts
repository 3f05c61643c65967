import { type CallAnswer, callCode } from "../../link/calls.ts";
import { decodeCbor, encodeCbor } from "../../wire/cbor.ts";
import { optional, text } from "../../wire/field-checks.ts";
import { clipText } from "../../wire/text.ts";
import { ControlError, isControlErrorCode } from "../control-error.ts";
import { exactly } from "../request-checks.ts";

/** Of an error's code, its text, and what to do. Longer text is clipped. */
const MAX_CODE_BYTES = 64;
const MAX_TEXT_BYTES = 2048;
const SCAN_LIMITS = { maxDepth: 1, maxItems: 16 } as const;

const refusalCheck = exactly({
  code: text(1, MAX_CODE_BYTES),
  message: text(0, MAX_TEXT_BYTES),
  hint: optional(text(0, MAX_TEXT_BYTES)),
});

/** A ControlError as the answer to a call. */
export function encodeRefusal({ code, message, hint }: ControlError): CallAnswer {
  const clipped = {
    code,
    message: clipText(message, MAX_TEXT_BYTES),
    ...(hint !== undefined && { hint: clipText(hint, MAX_TEXT_BYTES) }),
  };
  // The encoder's buffer is shared, and links may keep what they are given.
  return { ...callCode("refused"), body: encodeCbor(clipped).slice() };
}

/**
 * The error of an answer `refused`. One that cannot be read, or has a code that this version does not know, is
 * "bad-request": asking again changes nothing.
 */
export function decodeRefusal(body: Uint8Array): ControlError {
  const decoded = decodeCbor(body, SCAN_LIMITS);
  if (!decoded.ok || refusalCheck(decoded.value) !== undefined)
    return new ControlError("bad-request", "an apiserver refused, in a way that is not understood");
  const { code, message, hint } = decoded.value as {
    readonly code: string;
    readonly message: string;
    readonly hint?: string;
  };
  return new ControlError(
    isControlErrorCode(code) ? code : "bad-request",
    message === "" ? "an apiserver refused" : message,
    hint === undefined ? {} : { hint },
  );
}
