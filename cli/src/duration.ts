import { UsageError } from "./usage-error.ts";

const UNIT_SECONDS = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3600],
  ["d", 86_400],
]);

/** In seconds, both included. */
export interface DurationBounds {
  readonly min: number;
  readonly max: number;
}

/** `30m` as 1800 seconds; 0 needs no unit. @throws UsageError, with what is allowed */
export function durationOf(option: string, text: string, { min, max }: DurationBounds): number {
  const seconds = text === "0" ? 0 : parseDuration(text);
  if (seconds !== undefined && seconds >= min && seconds <= max) return seconds;
  const least = min === 0 ? "0" : durationText(min);
  throw new UsageError(
    `${option}: found "${text}", allowed: ${least} to ${durationText(max)}, a whole number with s, m, h or d behind it, as in 90s or 30m`,
  );
}

function parseDuration(text: string): number | undefined {
  const [, digits, unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  return digits === undefined ? undefined : Number(digits) * (UNIT_SECONDS.get(unit) ?? 0);
}

/** In the largest unit in which it is a whole number. */
function durationText(seconds: number): string {
  const units = [...UNIT_SECONDS].filter(([, size]) => seconds % size === 0);
  const [unit, size] = units.at(-1) ?? ["s", 1];
  return `${seconds / size}${unit}`;
}
