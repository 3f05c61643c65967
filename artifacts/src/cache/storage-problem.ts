import { DiskError } from "@atlasnet/core";
import { storageError } from "@atlasnet/core/system";

/** An error of the file system as a person needs it; others as they are. */
export function storageProblem(what: string, error: unknown): unknown {
  if (!(error instanceof Error && "syscall" in error && "code" in error)) return error;
  const path = "path" in error && typeof error.path === "string" ? error.path : "";
  const { code, syscall } = error;
  if (typeof code !== "string" || typeof syscall !== "string" || path === "") return error;
  return storageError("artifact-storage", what, new DiskError(syscall, path, code, error));
}
