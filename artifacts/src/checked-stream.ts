import { createHash } from "node:crypto";
import { ArtifactError } from "./artifact-error.ts";
import type { ArtifactFacts, ArtifactKind, ByteStream } from "./artifact-store.ts";
import { assertDigest } from "./digest.ts";

/** What is said when a stream is not what was announced. */
export interface Mismatch {
  readonly code: "artifact-mismatch" | "artifact-damaged";
  readonly hint: string;
}

export function wrongUpload({ hints }: ArtifactKind): Mismatch {
  return { code: "artifact-mismatch", hint: hints.wrong };
}

/** @throws RangeError, ArtifactError */
export function checkFacts({ digest, bytes }: ArtifactFacts, kind: ArtifactKind): void {
  assertDigest(digest);
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new ArtifactError(
      "artifact-mismatch",
      `${kind.noun} ${digest}: it has at least 1 byte, not ${bytes}`,
    );
  if (bytes > kind.maxBytes)
    throw new ArtifactError(
      "artifact-too-large",
      `${kind.noun} ${digest} has ${bytes} bytes; at most ${kind.maxBytes} are allowed`,
      { facts: { digest, bytes }, hint: kind.hints.tooLarge },
    );
}

/**
 * The same bytes, checked. The last piece is held back until everything is known to be right, so that
 * whoever passes the pieces on never completes something wrong. `bytes` undefined: only the digest counts.
 */
export async function* checked(
  content: ByteStream,
  { digest, bytes }: { readonly digest: string; readonly bytes: number | undefined },
  mismatch: Mismatch,
  kind: ArtifactKind,
): ByteStream {
  const wrong = (problem: string) =>
    new ArtifactError(mismatch.code, `${kind.noun} ${digest}: ${problem}`, {
      facts: { digest },
      hint: mismatch.hint,
    });
  const most = bytes ?? kind.maxBytes;
  const hash = createHash("sha256");
  let length = 0;
  let held: Uint8Array | undefined;
  for await (const piece of content) {
    if (piece.length === 0) continue;
    length += piece.length;
    if (length > most) throw wrong(`it goes on behind ${most} bytes`);
    hash.update(piece);
    if (held !== undefined) yield held;
    held = piece;
  }
  if (bytes !== undefined && length !== bytes)
    throw wrong(`it ends after ${length} bytes, not ${bytes}`);
  const found = hash.digest("hex");
  if (found !== digest) throw wrong(`its content has the SHA-256 ${found}`);
  if (held !== undefined) yield held;
}
