import { MAX_MIGRATION_MS, MIN_MIGRATION_MS } from "@atlasnet/core";
import { durationOf } from "../duration.ts";
import { UsageError } from "../usage-error.ts";

export function parseRevision(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(revision))
    throw new UsageError(`${flag}: found "${text}", allowed: a revision, as \`-o json\` shows it`);
  return revision;
}

/** A whole number from `min` to `max`, both included. @throws UsageError */
export function parseWhole(
  flag: string,
  text: string | undefined,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new UsageError(`${flag}: found "${text}", allowed: a whole number from ${min} to ${max}`);
}

/** How long a migration may take, in ms. @throws UsageError */
export function parseDeadline(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const bounds = { min: MIN_MIGRATION_MS / 1000, max: MAX_MIGRATION_MS / 1000 };
  return durationOf("--deadline", text, bounds) * 1000;
}

/** `zone=eu gpu=yes` as a map. */
export function parseLabels(flag: string, texts: readonly string[]): { [name: string]: string } {
  return Object.fromEntries(
    texts.map((text) => {
      const [, name, value] = /^([^=\s]+)=(.*)$/.exec(text) ?? [];
      if (name === undefined || value === undefined)
        throw new UsageError(`${flag}: found "${text}", allowed: NAME=VALUE, as in zone=eu`);
      return [name, value];
    }),
  );
}

/** For options that may be repeated. */
export function collect(text: string, before: readonly string[]): readonly string[] {
  return [...before, text];
}

/** `arena@1.2.0`, `@games/arena@1.2.0`; anything else is a path. */
const STORED = /^((?:@[^@/\s]+\/)?[^@/\\\s.][^@/\\\s]*)@(\d+\.\d+\.\d+\S*)$/;

/** A module as the API takes it. */
export function moduleOf(text: string) {
  if (text === "")
    throw new UsageError('--module: found "", allowed: NAME@VERSION as in arena@1.2.0, or a path');
  const [, name, version] = STORED.exec(text) ?? [];
  return name === undefined || version === undefined
    ? ({ source: "node", path: text } as const)
    : ({ source: "store", name, version } as const);
}
