import { OperatingError } from "../errors.ts";

/** Why a link could not be opened, or a node not be listened on. */
export type LinkErrorCode = "unreachable" | "refused" | "already-listening";

export class LinkError extends OperatingError {
  declare readonly code: LinkErrorCode;
  constructor(code: LinkErrorCode, message: string, node: string) {
    super(code, message, { facts: { node } });
  }
}
