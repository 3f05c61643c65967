import { createHash, randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ArtifactError } from "../artifact-error.ts";
import {
  type ArtifactFacts,
  type ByteStream,
  MAX_ARTIFACT_BYTES,
  MODULE_TARBALLS,
} from "../artifact-store.ts";
import { checked, checkFacts, wrongUpload } from "../checked-stream.ts";

/** A tarball that can be read several times: to look at it, and to store it. */
export interface TarballSource extends ArtifactFacts {
  open(): ByteStream;
}

/** One that was made for this, with its end. */
export interface TemporaryTarball extends TarballSource {
  /** Removes its file. Idempotent. */
  remove(): Promise<void>;
}

/** A .tgz file. @throws ArtifactError "artifact-storage", "artifact-too-large", "bad-module" when it is empty */
export async function tarballFile(file: string): Promise<TarballSource> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of fileContent(file)) {
    hash.update(piece);
    bytes += piece.length;
    if (bytes > MAX_ARTIFACT_BYTES) break;
  }
  const digest = hash.digest("hex");
  checkFacts({ digest, bytes }, MODULE_TARBALLS);
  return { digest, bytes, open: () => fileContent(file) };
}

/**
 * Takes in a stream from elsewhere, as an upload, for as long as its module is looked at. Whoever calls this bounds
 * how many there are at once: each may take MAX_ARTIFACT_BYTES of the disk.
 * @throws ArtifactError "artifact-mismatch", "artifact-too-large", "artifact-storage"; errors of `content`.
 */
export async function spoolTarball(
  content: ByteStream,
  facts: ArtifactFacts,
): Promise<TemporaryTarball> {
  checkFacts(facts, MODULE_TARBALLS);
  return await temporary(async (file) => {
    const pieces = checked(content, facts, wrongUpload(MODULE_TARBALLS), MODULE_TARBALLS);
    await pipeline(pieces, createWriteStream(file, { flags: "wx" }));
    return { digest: facts.digest, bytes: facts.bytes, open: () => fileContent(file) };
  });
}

/** A file that `make` writes, in a folder that only this user can read where systems have that. */
export async function temporary(
  make: (file: string) => Promise<TarballSource>,
): Promise<TemporaryTarball> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-module-"));
  const remove = () => rm(dir, { recursive: true, force: true });
  try {
    const source = await make(join(dir, `${randomBytes(6).toString("hex")}.tgz`));
    return { ...source, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function* fileContent(file: string): ByteStream {
  const stream = createReadStream(file, { highWaterMark: 256 * 1024 });
  try {
    yield* stream;
  } catch (cause) {
    throw new ArtifactError("artifact-storage", `cannot read ${file}`, {
      facts: { file },
      hint: "Give a .tgz file or a folder with a package.json.",
      cause,
    });
  }
}
