import { MAX_MODULE_BYTES } from "@atlasnet/core";
import type { Digest } from "./digest.ts";

/** What a store keeps: how it is called, named and bounded. Modules are one kind; others bring their own. */
export interface ArtifactKind {
  /** For people. */
  readonly noun: string;
  /** The name of a file or object is its digest and this. */
  readonly suffix: string;
  /** Of one. A larger one is refused before a byte of it is read. */
  readonly maxBytes: number;
  /** What to do, for people. */
  readonly hints: {
    readonly wrong: string;
    readonly tooLarge: string;
    readonly missing: string;
    readonly tooMany: string;
    /** `place`: of the damaged one. */
    damaged(place: string): string;
  };
}

/** Pieces of bytes in their order. Whoever reads them to the end has all of them. */
export type ByteStream = AsyncIterable<Uint8Array>;

/** What an artifact will be, said before its first byte. */
export interface ArtifactFacts {
  readonly digest: Digest;
  /** Its length, 1 to the most of its kind. */
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

/** Of a module's tarball. */
export const MAX_ARTIFACT_BYTES = MAX_MODULE_BYTES;
/** Artifacts of one store. Only listing stops above it. */
export const MAX_ARTIFACTS = 100_000;

/** Tarballs of world modules: what a store keeps unless it is told otherwise. */
export const MODULE_TARBALLS: ArtifactKind = {
  noun: "artifact",
  suffix: ".tgz",
  maxBytes: MAX_ARTIFACT_BYTES,
  hints: {
    wrong:
      "Nothing was stored. Push it again; if it happens again, something changes it on its way.",
    tooLarge: "Leave out of the module what it does not need to run.",
    missing: "Push the module again, or look whether this is the store it was pushed to.",
    tooMany: "Remove modules that no world needs with `atlasnet module rm`.",
    damaged: (place) => `Push the module again; that replaces ${place}.`,
  },
};
