import { describeError, OperatingError } from "@atlasnet/core";
import type { ThreadError } from "./protocol.ts";

/** An error as it crosses threads. */
export function threadError(error: unknown): ThreadError {
  const operating = error instanceof OperatingError ? error : undefined;
  return {
    code: operating?.code ?? "module-failed",
    message: operating === undefined ? describeError(error) : operating.message,
    hint: operating?.hint ?? "",
    stack: error instanceof Error ? (error.stack ?? "") : "",
  };
}
