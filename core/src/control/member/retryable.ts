import { ControlError, type ControlErrorCode } from "../control-error.ts";

const RETRYABLE: ReadonlySet<ControlErrorCode> = new Set([
  "no-quorum",
  "timeout",
  "busy",
  "unreachable",
  "no-lease",
  "too-many-watches",
  // Somebody makes room, one hopes.
  "quota",
]);

/** The same may succeed later, with nobody's help or an operator's at the apiservers. */
export function isRetryable(error: unknown): boolean {
  return error instanceof ControlError && RETRYABLE.has(error.code);
}
