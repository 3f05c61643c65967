import { OperatingError, type OperatingErrorOptions } from "@atlasnet/core";

export type ArtifactErrorCode =
  /** The store holds nothing under this digest. */
  | "artifact-not-found"
  /** What arrived is not what its digest or length says; nothing was kept. */
  | "artifact-mismatch"
  /** What the store holds under a digest is something else. */
  | "artifact-damaged"
  | "artifact-too-large"
  /** The store cannot be reached, or does not answer. */
  | "artifact-store-unreachable"
  /** The store refuses: wrong credentials, no such bucket. */
  | "artifact-store-refused"
  /** A folder or disk of the store or cache has to be mended. */
  | "artifact-storage"
  /** The address of a store cannot be read. */
  | "bad-artifact-store"
  /** This node was not told where the artifact store is. */
  | "no-artifact-store"
  /** A tarball is not one, or holds what a module must not. */
  | "bad-module"
  /** A module of this name and version exists, with another content. */
  | "module-exists"
  | "module-not-found"
  /** A world names the module. */
  | "module-in-use"
  /** What must stay in the cache leaves no room. */
  | "module-cache-full";

/** Something about artifacts that a person has to mend. */
export class ArtifactError extends OperatingError {
  declare readonly code: ArtifactErrorCode;
  constructor(code: ArtifactErrorCode, message: string, options: OperatingErrorOptions = {}) {
    super(code, message, options);
  }
}
