import { randomBytes } from "node:crypto";
import { link, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Files with secrets: small, made once, for this user's eyes only where the system has such a thing. */

/** The text of a file, or undefined when there is no such file. Other errors are the file system's. */
export async function readSecretFile(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * Writes a new file whole or not at all, and its folder when it is not there. False when there is such
 * a file already, even if another process has made it just now. Errors are the file system's.
 */
export async function writeSecretFile(file: string, text: string): Promise<boolean> {
  const draft = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await mkdir(dirname(file), { recursive: true });
    const handle = await open(draft, "wx", 0o600);
    try {
      await handle.writeFile(text);
      await handle.sync();
    } finally {
      await handle.close();
    }
    return await placeNew(draft, file);
  } finally {
    await rm(draft, { force: true });
  }
}

async function placeNew(draft: string, file: string): Promise<boolean> {
  try {
    // Unlike rename, link never replaces a file that another process has just put there.
    await link(draft, file);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    // Some file systems (FAT, some network ones) have no links.
    await rename(draft, file);
    return true;
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}
