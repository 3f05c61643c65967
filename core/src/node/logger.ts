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

/** The level of a logger and of all its children, while it is used. */
export interface LogLevelControl {
  get(): LogLevel;
  set(level: LogLevel): void;
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
  return (await createAdjustableLogger(settings, target)).logger;
}

/** As `createLogger`, with a level that may be changed later. */
export async function createAdjustableLogger(
  settings: LoggerSettings = {},
  target: LogTarget = process.stderr,
): Promise<{ readonly logger: Logger; readonly level: LogLevelControl }> {
  const { level = "info", format = "auto", facts = {} } = settings;
  const options: LoggerOptions = {
    // Children of pino keep the level they were made with: what is dropped is decided in front of it.
    level: "trace",
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { error: stdSerializers.errWithCause },
  };
  const pretty = format === "pretty" || (format === "auto" && target.isTTY === true);
  const stream = pretty ? await prettyStream(target) : target;
  const threshold = new Threshold(level);
  const inner = pino(options, { write: (line) => stream.write(line) }).child(facts);
  return { logger: new PinoBackedLogger(inner, threshold), level: threshold };
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

const { values } = pino.levels;

class Threshold implements LogLevelControl {
  private level: LogLevel;
  private least = 0;

  constructor(level: LogLevel) {
    this.level = level;
    this.set(level);
  }

  get(): LogLevel {
    return this.level;
  }

  set(level: LogLevel): void {
    this.level = level;
    this.least = level === "silent" ? Number.POSITIVE_INFINITY : (values[level] ?? 0);
  }

  passes(level: "debug" | "info" | "warn" | "error"): boolean {
    return (values[level] ?? 0) >= this.least;
  }
}

class PinoBackedLogger implements Logger {
  private readonly inner: PinoLogger;
  private readonly threshold: Threshold;

  constructor(inner: PinoLogger, threshold: Threshold) {
    this.inner = inner;
    this.threshold = threshold;
  }

  debug(message: string, facts: LogFacts = {}): void {
    if (this.threshold.passes("debug")) this.inner.debug(facts, message);
  }

  info(message: string, facts: LogFacts = {}): void {
    if (this.threshold.passes("info")) this.inner.info(facts, message);
  }

  warn(message: string, facts: LogFacts = {}): void {
    if (this.threshold.passes("warn")) this.inner.warn(facts, message);
  }

  error(message: string, facts: LogFacts = {}): void {
    if (this.threshold.passes("error")) this.inner.error(facts, message);
  }

  child(facts: LogFacts): Logger {
    return new PinoBackedLogger(this.inner.child(facts), this.threshold);
  }
}
