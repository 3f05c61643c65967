import { OperatingError } from "../errors.ts";

export type ControlErrorCode =
  /** The request breaks a bound or is malformed; it was not applied. */
  | "bad-request"
  | "too-large"
  /** The store has reached its quota. */
  | "quota"
  /** Too few apiservers reach each other. A transaction may yet be applied. */
  | "no-quorum"
  /** No answer in time. A transaction may have been applied: retry with the same id. */
  | "timeout"
  /** The lease of a node that the transaction names is not held. */
  | "no-lease"
  | "too-many-watches"
  /** Too much waits here already; it was not applied. Try again later. */
  | "busy"
  | "unauthorized"
  /** Whoever asks is known, and may not do this. */
  | "forbidden"
  /** No apiserver can be reached. */
  | "unreachable";

export class ControlError extends OperatingError {
  declare readonly code: ControlErrorCode;
  constructor(
    code: ControlErrorCode,
    message: string,
    options: { hint?: string; cause?: unknown } = {},
  ) {
    super(code, message, options);
  }
}

const CODES: { readonly [C in ControlErrorCode]: true } = {
  "bad-request": true,
  "too-large": true,
  quota: true,
  "no-quorum": true,
  timeout: true,
  "no-lease": true,
  "too-many-watches": true,
  busy: true,
  unauthorized: true,
  forbidden: true,
  unreachable: true,
};

/** For what another process says. */
export function isControlErrorCode(code: string): code is ControlErrorCode {
  return Object.hasOwn(CODES, code);
}
