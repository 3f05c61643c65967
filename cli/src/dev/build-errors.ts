import { relative, resolve } from "node:path";
import type { BuildFailure, Message } from "esbuild";

/** One thing that keeps code from being bundled: `src/world.ts:12:5: Expected ";" but found "}"`. */
export function buildErrors(messages: readonly Message[], workingDir: string): string[] {
  return messages.map(({ text, location }) => {
    if (location === null) return text;
    // esbuild counts columns from 0, people and editors from 1.
    const place = `${location.file}:${location.line}:${location.column + 1}`;
    const hint = location.suggestion === "" ? "" : ` (${location.suggestion}?)`;
    const code = location.lineText.trim();
    const file = relative(workingDir, resolve(workingDir, location.file));
    const shown = file.startsWith("..") ? place : place.replace(location.file, file);
    return `${shown}: ${text}${hint}${code === "" ? "" : `\n    ${code.slice(0, 160)}`}`;
  });
}

/** esbuild rejects with the messages on the error. */
export function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}
