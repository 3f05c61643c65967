import { OperatingError } from "@atlasnet/core";

/** What was wrong and what to do, in one line: it stands in logs, and in records that operators read. */
export function problemOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const [message = ""] = error.message.split("\n");
  const hint = error instanceof OperatingError ? error.hint : undefined;
  if (hint === undefined || hint === "") return message;
  return `${message}${/[.!?]$/.test(message) ? "" : "."} ${hint}`;
}
