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
