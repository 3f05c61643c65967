import {
  type DestinationStream,
  type LoggerOptions,
  type Logger as PinoLogger,
  pino,
  stdSerializers,
} from "pino";
import type { LogFacts, Logger, LogLevel } from "../logging/logger.ts";

export interface LoggerSettings {
  /** Lines below this level are dropped. Default info. */
  readonly level?: LogLevel;
  /** `auto` (default) is pretty on a terminal and json elsewhere. */
  readonly format?: "auto" | "json" | "pretty";
  /** Bound to every line, as `child` would. */
  readonly facts?: LogFacts;
}

export interface LogTarget {
  write(line: string): unknown;
  /** True for a terminal. */
  readonly isTTY?: boolean;
}

/**
 * A logger on standard error, or another target: one JSON object per line with `level`, `time`
 * (ISO 8601), `msg` and the facts; coloured lines for people on a terminal. Lines are written at once,
 * so the last words of a dying process are not lost.
 */
export async function createLogger(
  settings: LoggerSettings = {},
  target: LogTarget = process.stderr,
): Promise<Logger> {
  const { level = "info", format = "auto", facts = {} } = settings;
  const options: LoggerOptions = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: stdSerializers.errWithCause },
  };
  const pretty = format === "pretty" || (format === "auto" && target.isTTY === true);
  const stream = pretty ? await prettyStream(target) : target;
  return new PinoBackedLogger(pino(options, { write: (line) => stream.write(line) }).child(facts));
}

/** Loaded only where somebody looks: it takes about 20 ms. */
async function prettyStream(target: LogTarget): Promise<DestinationStream> {
  const { prettyFactory } = await import("pino-pretty");
  const format = prettyFactory({
    colorize: target.isTTY === true,
    translateTime: "SYS:HH:MM:ss.l",
    errorLikeObjectKeys: ["error"],
  });
  return { write: (line) => target.write(format(line)) };
}

class PinoBackedLogger implements Logger {
  private readonly inner: PinoLogger;

  constructor(inner: PinoLogger) {
    this.inner = inner;
  }

  debug(message: string, facts: LogFacts = {}): void {
    this.inner.debug(facts, message);
  }

  info(message: string, facts: LogFacts = {}): void {
    this.inner.info(facts, message);
  }

  warn(message: string, facts: LogFacts = {}): void {
    this.inner.warn(facts, message);
  }

  error(message: string, facts: LogFacts = {}): void {
    this.inner.error(facts, message);
  }

  child(facts: LogFacts): Logger {
    return new PinoBackedLogger(this.inner.child(facts));
  }
}
