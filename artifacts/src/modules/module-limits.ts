/** Bounds of what a tarball unpacks to. Beyond one of them it is refused as "bad-module". */
export interface ModuleLimits {
  readonly maxFiles: number;
  /** Of all files together; what stops a gzip bomb. */
  readonly maxBytes: number;
}

export const MAX_MODULE_FILES = 10_000;
export const MAX_UNPACKED_BYTES = 512 * 1024 * 1024;
/** Of package.json. */
export const MAX_MANIFEST_BYTES = 1024 * 1024;

export const MODULE_LIMITS: ModuleLimits = {
  maxFiles: MAX_MODULE_FILES,
  maxBytes: MAX_UNPACKED_BYTES,
};
