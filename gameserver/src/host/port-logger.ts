import { type LogFacts, type Logger, toPlain } from "@atlasnet/core";
import type { Plain } from "@atlasnet/world";
import type { FromThread, LogLevel } from "./protocol.ts";

/** A logger that hands its lines to the main thread. */
export function portLogger(post: (message: FromThread) => void, bound: LogFacts): Logger {
  const line =
    (level: LogLevel) =>
    (message: string, facts: LogFacts = {}) =>
      post({ type: "log", level, message, facts: plainFacts({ ...bound, ...facts }) });
  return {
    debug: line("debug"),
    info: line("info"),
    warn: line("warn"),
    error: line("error"),
    child: (facts) => portLogger(post, { ...bound, ...facts }),
  };
}

/** Facts as they cross threads: errors with stack and causes, everything else as plain data. */
function plainFacts(facts: LogFacts): { [key: string]: Plain } {
  const plain: { [key: string]: Plain } = {};
  for (const [name, value] of Object.entries(facts))
    if (value !== undefined)
      plain[name] = value instanceof Error ? errorText(value) : toPlain(value);
  return plain;
}

function errorText(error: Error): string {
  const cause = error.cause instanceof Error ? `\n  because: ${errorText(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}
