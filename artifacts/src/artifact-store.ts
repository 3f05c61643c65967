import { MAX_MODULE_BYTES } from "@atlasnet/core";
import type { Digest } from "./digest.ts";

/** Pieces of bytes in their order. Whoever reads them to the end has all of them. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** What an artifact will be, said before its first byte. */
export interface ArtifactFacts {
  readonly digest: Digest;
  /** Its length, 1 to MAX_ARTIFACT_BYTES. */
  readonly bytes: number;
}

/**
 * The artifact store port: bytes under their SHA-256. Behind it stand a folder and a bucket; both pass the
 * suite in `@atlasnet/artifacts/testing`. Names, versions and entries are records of the control store.
 *
 * 1. An artifact is there whole or not at all, also after a crash and beside readers.
 * 2. Nothing is kept under a digest it does not have, and nothing else is ever read from it to the end.
 * 3. Digests that are none are mistakes of the caller: RangeError.
 */
export interface ArtifactStore {
  /**
   * Stores it, durably when resolved. One that is there already is replaced, which mends a damaged one.
   * @throws ArtifactError "artifact-mismatch", "artifact-too-large", and what the store itself says; errors of
   * `content` as they are.
   */
  put(content: ByteStream, facts: ArtifactFacts): Promise<void>;
  /**
   * Its bytes. The last piece comes only after all were checked: "artifact-damaged" is thrown instead. It
   * must be read to its end, or left (`break`), for it holds a file or connection open from the first byte on.
   * @throws ArtifactError "artifact-not-found"
   */
  get(digest: Digest): Promise<ByteStream>;
  has(digest: Digest): Promise<boolean>;
  /** All digests, sorted. @throws ArtifactError "artifact-too-large" above MAX_ARTIFACTS. */
  list(): Promise<readonly Digest[]>;
  /** Content when there is none. */
  remove(digest: Digest): Promise<void>;
}

/** Of one artifact. A larger one is refused before a byte of it is read. */
export const MAX_ARTIFACT_BYTES = MAX_MODULE_BYTES;
/** Artifacts of one store. Only listing stops above it. */
export const MAX_ARTIFACTS = 100_000;
/** Name of an artifact's file or object: its digest and this. */
export const ARTIFACT_SUFFIX = ".tgz";
