/** What an operating error is about, for logs: names and values, no prose. */
export type ErrorFacts = { readonly [name: string]: string | number | boolean | undefined };

export interface OperatingErrorOptions {
  readonly facts?: ErrorFacts;
  /** What the person at the keyboard can do next, as a sentence. */
  readonly hint?: string;
  readonly cause?: unknown;
}

/**
 * Something outside of the program is not as it needs to be: a port in use, a full disk, a wrong
 * setting. The message says what and where, `hint` what to do next, `code` is for programs. Expected
 * answers are values instead, and broken invariants are plain assertions.
 *
 * The CLI prints it with `describeError` and exits with 1; there is no stack in the terminal, because
 * the stack says nothing to the person who can help.
 */
export class OperatingError extends Error {
  readonly code: string;
  readonly facts: ErrorFacts;
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: OperatingErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.facts = options.facts ?? {};
    this.hint = options.hint;
  }
}

/** Longest chain of causes that is printed. */
const MAX_CAUSES = 4;

/**
 * The lines a terminal shows for an error:
 *
 * ```
 * error: health.port: 127.0.0.1:2557 is in use (port-in-use)
 *   because: listen EADDRINUSE: address already in use 127.0.0.1:2557
 *   Stop the process that listens there, or choose another health.port.
 * ```
 * Errors that are not operating errors are faults of the program: they come with their stack.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof OperatingError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `error: ${stack}`;
  }
  const lines = [`error: ${error.message} (${error.code})`];
  let cause = error.cause;
  for (let depth = 0; cause instanceof Error && depth < MAX_CAUSES; depth++) {
    lines.push(`  because: ${cause.message}`);
    cause = cause.cause;
  }
  if (error.hint !== undefined) lines.push(`  ${error.hint}`);
  return lines.join("\n");
}
