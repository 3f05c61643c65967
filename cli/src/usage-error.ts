import { OperatingError } from "@atlasnet/core";

/** The command line says something that cannot be done. */
export class UsageError extends OperatingError {
  constructor(message: string, hint?: string) {
    super("usage", message, hint === undefined ? {} : { hint });
  }
}
