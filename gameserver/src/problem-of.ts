import { OperatingError } from "@atlasnet/core";

/** What was wrong and what to do, in one line: it stands in logs, and in records that operators read. */
export function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [message = ""] = error.message.split("\n");
  return withHint(message, error instanceof OperatingError ? error.hint : undefined);
}

/** Two sentences, or the one that there is. */
export function withHint(message: string, hint: string | undefined): string {
  if (hint === undefined || hint === "") return message;
  return `${message}${/[.!?]$/.test(message) ? "" : "."} ${hint}`;
}
