import { type FileHandle, mkdir, open, readdir, readFile, rename, unlink } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { type Disk, DiskError, type DiskFile } from "../ports/disk.ts";

/**
 * Windows refuses a rename or removal while a virus scanner or indexer has the file open, for a few
 * milliseconds; more tries than these mean that somebody really holds it.
 */
const BUSY_TRIES = 6;
const BUSY_WAIT_MS = 20;
const BUSY_CODES = new Set(["EPERM", "EACCES", "EBUSY"]);
/** What systems say that cannot open or sync a folder: they have no such operation. */
const NO_DIR_SYNC_CODES = new Set(["EISDIR", "EINVAL", "ENOTSUP", "EPERM", "EBADF"]);

/** The machine's file system, by way of `node:fs/promises`; works in worker threads. */
export class NodeDisk implements Disk {
  private readonly windows: boolean;

  constructor(options: { platform?: string } = {}) {
    this.windows = (options.platform ?? process.platform) === "win32";
  }

  async makeDir(path: string): Promise<void> {
    await named("make folder", path, () => mkdir(path, { recursive: true }));
  }

  async list(dir: string): Promise<readonly string[]> {
    const entries = await named("list", dir, () => readdir(dir, { withFileTypes: true }));
    return entries
      .filter((entry) => !entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  }

  read(path: string): Promise<Uint8Array> {
    return named("read", path, () => readFile(path));
  }

  async open(path: string): Promise<DiskFile> {
    return new NodeDiskFile(path, await named("open", path, () => open(path, "a")));
  }

  rename(from: string, to: string): Promise<void> {
    return named("rename", from, () => this.retryBusy(() => rename(from, to)));
  }

  remove(path: string): Promise<void> {
    return named("remove", path, () => this.retryBusy(() => unlink(path)));
  }

  async syncDir(dir: string): Promise<void> {
    if (this.windows) return;
    await named("sync folder", dir, async () => {
      const handle = await open(dir, "r");
      try {
        await handle.sync();
      } catch (error) {
        // Some network and FUSE file systems have no sync of folders: their renames are durable or
        // not by their own rules, and stopping the server would not change that.
        if (!NO_DIR_SYNC_CODES.has(codeOf(error))) throw error;
      } finally {
        await handle.close();
      }
    });
  }

  private async retryBusy(operation: () => Promise<void>): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await operation();
      } catch (error) {
        if (!this.windows || attempt === BUSY_TRIES || !BUSY_CODES.has(codeOf(error))) throw error;
        await sleep(BUSY_WAIT_MS * attempt);
      }
    }
  }
}

class NodeDiskFile implements DiskFile {
  private readonly path: string;
  private readonly handle: FileHandle;
  private closed = false;

  constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await named("write", this.path, async () => {
      let at = 0;
      while (at < bytes.length) {
        const { bytesWritten } = await this.handle.write(bytes, at, bytes.length - at);
        at += bytesWritten;
      }
    });
  }

  sync(): Promise<void> {
    return named("sync", this.path, () => this.handle.datasync());
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await named("close", this.path, () => this.handle.close());
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error && typeof error.code === "string"
    ? error.code
    : "EUNKNOWN";
}

async function named<T>(operation: string, path: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof DiskError) throw error;
    throw new DiskError(operation, path, codeOf(error), error);
  }
}
