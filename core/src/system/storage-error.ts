import { OperatingError } from "../errors.ts";
import { DiskError } from "../ports/disk.ts";

const HINTS: { readonly [code: string]: string } = {
  EACCES:
    "Give the user that runs the server permission to read and write there, or choose another data directory.",
  EPERM:
    "Give the user that runs the server permission to read and write there, or choose another data directory.",
  EROFS: "The file system is mounted read-only: choose a data directory on another one.",
  ENOSPC: "Free space on that disk, or choose a data directory on another one.",
  EDQUOT: "The disk quota of the user that runs the server is used up: raise it or free space.",
  EIO: "The disk reports errors: look at the system's log and move the data directory to a sound disk.",
  EMFILE: "Too many files are open: raise the limit of open files (ulimit -n).",
  ENOTDIR: "A part of the path is a file, not a folder: choose another data directory.",
};
const OTHER = "Look at the folder, and choose another data directory if it cannot be mended.";

/** Something about a data directory or its files that a person has to mend. `code`, path and what to do. */
export class StorageError extends OperatingError {}

/** A DiskError as a person needs it; errors that are no DiskError are faults of the program. */
export function storageError(code: string, what: string, error: unknown): unknown {
  if (!(error instanceof DiskError)) return error;
  return new StorageError(code, `${what}: ${error.message}`, {
    facts: { path: error.path, operation: error.operation, cause: error.code },
    hint: HINTS[error.code] ?? OTHER,
    cause: error,
  });
}

/** The text of any error, for a log line or a report. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
