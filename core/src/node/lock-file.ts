import { open, readFile, stat, unlink } from "node:fs/promises";
import { DiskError } from "../ports/disk.ts";
import { type LockHolder, parseLock } from "./lock-holder.ts";

export interface Look {
  holder: LockHolder | undefined;
  /** Changes with every holder and every sign of life. */
  sign: string;
  /** Milliseconds since 1970. */
  touchedAtMs: number;
}

export async function look(path: string): Promise<Look | undefined> {
  try {
    const text = await readFile(path, "utf8");
    const { mtimeMs } = await stat(path);
    return { holder: parseLock(text), sign: `${mtimeMs} ${text}`, touchedAtMs: mtimeMs };
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw new DiskError("read", path, codeOf(error), error);
  }
}

/** False when it is there already. */
export async function create(path: string, text: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile(text);
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw new DiskError("create", path, codeOf(error), error);
  }
}

export async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw new DiskError("remove", path, codeOf(error), error);
  }
}

export async function named<T>(operation: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new DiskError(operation, path, codeOf(error), error);
  }
}

export function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "EUNKNOWN";
}
