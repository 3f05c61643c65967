/** Beside a log line: ids and numbers. An `error` is written with its message, stack and causes. */
export type LogFacts = { readonly [name: string]: unknown };

/**
 * Structured logging. The message is a constant sentence, what varies goes to the facts, so that
 * lines can be searched. `child` binds facts to every line of one part (`{world}`, `{link}`).
 */
export interface Logger {
  debug(message: string, facts?: LogFacts): void;
  info(message: string, facts?: LogFacts): void;
  /** Something a person should look at some day; service goes on. */
  warn(message: string, facts?: LogFacts): void;
  /** Something is broken and somebody is affected. */
  error(message: string, facts?: LogFacts): void;
  child(facts: LogFacts): Logger;
}

/** What a logger may be set to. We write debug to error; the others are thresholds only. */
export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Drops every line. */
export const noopLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => noopLogger,
};
