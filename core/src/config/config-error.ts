import { OperatingError } from "../errors.ts";
import { type Origin, originText } from "./origin.ts";

/** One thing that is wrong with the configuration. */
export interface ConfigProblem {
  /** Undefined when it is nowhere in particular, as with a file that is not there. */
  readonly origin: Origin | undefined;
  /** The field's path, or what stands in its place; empty for the whole file. */
  readonly field: string;
  /** What was found, what is allowed. */
  readonly problem: string;
}

/** The configuration cannot be used. Names every problem, not just the first. */
export class ConfigError extends OperatingError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[], options: { cause?: unknown } = {}) {
    super("bad-config", problems.map(problemText).join("\n"), {
      ...options,
      hint: "`atlasnet config example` prints every setting with its range.",
    });
    this.problems = problems;
  }
}

function problemText({ origin, field, problem }: ConfigProblem): string {
  // A default is at fault only through another setting, which the problem names.
  const where = origin === undefined || origin.kind === "default" ? [] : [originText(origin)];
  return [...where, ...(field === "" ? [] : [field]), problem].join(": ");
}

/** A value as it is quoted in an error: short, in one line. */
export function foundText(value: unknown): string {
  const text =
    typeof value === "string"
      ? JSON.stringify(value)
      : Array.isArray(value)
        ? "a list"
        : value instanceof Date
          ? "a date"
          : typeof value === "object" && value !== null
            ? "a table"
            : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
