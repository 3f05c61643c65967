import { ArtifactError } from "./artifact-error.ts";

const HINT = "Make the tarball with `npm pack`, or give the folder to `atlasnet module push`.";

/** A tarball that is refused. `path`: of the entry it is about. */
export function badModule(
  problem: string,
  { path, hint = HINT, cause }: { path?: string; hint?: string; cause?: unknown } = {},
): ArtifactError {
  const place = path === undefined ? "" : `: ${printable(path)}`;
  return new ArtifactError("bad-module", `module tarball${place}: ${problem}`, {
    hint,
    ...(path === undefined ? {} : { facts: { path: printable(path) } }),
    ...(cause === undefined ? {} : { cause }),
  });
}

/** Text from a stranger, for a terminal. */
export function printable(text: string): string {
  const clipped = text.length > 120 ? `${text.slice(0, 120)}…` : text;
  return JSON.stringify(clipped).replace(
    /[^\x20-\x7e…]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
