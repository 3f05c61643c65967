import { ArtifactError } from "./artifact-error.ts";
import { type ArtifactKind, MAX_ARTIFACTS } from "./artifact-store.ts";

/** What every adapter of the store says in the same words. `where`: the store, for people. */
export function notFound(
  digest: string,
  where: string,
  { noun, hints }: ArtifactKind,
): ArtifactError {
  return new ArtifactError("artifact-not-found", `${where} holds no ${noun} ${digest}`, {
    facts: { digest },
    hint: hints.missing,
  });
}

export function tooMany(where: string, { noun, hints }: ArtifactKind): ArtifactError {
  return new ArtifactError(
    "artifact-too-large",
    `${where} holds more than ${MAX_ARTIFACTS} of them (${noun})`,
    { hint: hints.tooMany },
  );
}
