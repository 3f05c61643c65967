import { randomBytes } from "node:crypto";
import { mkdir, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { OperatingError } from "@atlasnet/core";
import { readSecretFile } from "@atlasnet/core/node";

/** Longest file of this package. */
const MAX_FILE_CHARS = 262_144;

/**
 * Writes a file whole or not at all, in place of what was there, for this user's eyes only unless `open`.
 * Errors are the file system's.
 */
export async function replaceFile(
  file: string,
  text: string,
  { secret }: { secret: boolean },
): Promise<void> {
  const draft = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(draft, "wx", secret ? 0o600 : 0o644);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
}

/** Text of a file, undefined when there is none. @throws OperatingError "unreadable-file" */
export async function readTextFile(file: string): Promise<string | undefined> {
  let text: string | undefined;
  try {
    text = await readSecretFile(file);
  } catch (cause) {
    throw unreadable(file, "cannot be read", "Make it readable for this user.", cause);
  }
  if (text !== undefined && text.length > MAX_FILE_CHARS)
    throw unreadable(file, `is longer than ${MAX_FILE_CHARS} characters`, "Put a good copy back.");
  return text;
}

export function unreadable(
  file: string,
  problem: string,
  hint: string,
  cause?: unknown,
): OperatingError {
  return new OperatingError("unreadable-file", `${file} ${problem}`, {
    facts: { file },
    hint,
    cause,
  });
}

/** Hands on the result of writing, or says which folder cannot be written. */
export async function writing<T>(file: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    throw new OperatingError("unwritable-file", `${file} cannot be written`, {
      facts: { file },
      hint: isFull(cause)
        ? "Make room on that disk, or name a folder on another one."
        : "Make the folder writable for this user, or name another one.",
      cause,
    });
  }
}

function isFull(cause: unknown): boolean {
  return (
    cause instanceof Error &&
    "code" in cause &&
    (cause.code === "ENOSPC" || cause.code === "EDQUOT")
  );
}
