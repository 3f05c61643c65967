import { ArtifactError } from "./artifact-error.ts";
import { MAX_ARTIFACTS } from "./artifact-store.ts";

/** What every adapter of the store says in the same words. `where`: the store, for people. */
export function notFound(digest: string, where: string): ArtifactError {
  return new ArtifactError("artifact-not-found", `${where} holds no artifact ${digest}`, {
    facts: { digest },
    hint: "Push the module again, or look whether this is the store it was pushed to.",
  });
}

export function tooMany(where: string): ArtifactError {
  return new ArtifactError(
    "artifact-too-large",
    `${where} holds more than ${MAX_ARTIFACTS} artifacts`,
    { hint: "Remove modules that no world needs with `atlasnet module rm`." },
  );
}
