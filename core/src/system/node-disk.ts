import { constants } from "node:fs";
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

/** Zeros are written in pieces of this size, so that other operations find a free thread. */
const ZEROS = new Uint8Array(1024 * 1024);

/** The machine's file system, by way of `node:fs/promises`; works in worker threads. */
export class NodeDisk implements Disk {
  private readonly windows: boolean;
  /** Linux syncs with the write itself, in one visit to a thread; elsewhere that promises less than a sync. */
  private readonly writesDurably: boolean;

  constructor(options: { platform?: string } = {}) {
    const platform = options.platform ?? process.platform;
    this.windows = platform === "win32";
    this.writesDurably = platform === "linux";
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

  async readPart(path: string, at: number, length: number): Promise<Uint8Array> {
    return await named("read", path, async () => {
      const handle = await open(path, "r");
      try {
        const bytes = new Uint8Array(length);
        let filled = 0;
        while (filled < length) {
          const { bytesRead } = await handle.read(bytes, filled, length - filled, at + filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      } finally {
        await handle.close();
      }
    });
  }

  async open(path: string): Promise<DiskFile> {
    return new NodeDiskFile(path, await named("open", path, () => open(path, "a")));
  }

  async allocate(path: string, length: number): Promise<DiskFile> {
    const handle = await named("allocate", path, () => open(path, "wx"));
    try {
      const zeros = new NodeDiskFile(path, handle, 0);
      for (let at = 0; at < length; at += ZEROS.length)
        await zeros.write(ZEROS.subarray(0, Math.min(ZEROS.length, length - at)));
      await zeros.sync();
    } catch (error) {
      await handle.close();
      throw error;
    }
    if (!this.writesDurably) return new NodeDiskFile(path, handle, 0);
    await named("close", path, () => handle.close());
    const flags = constants.O_WRONLY | constants.O_DSYNC;
    return new NodeDiskFile(path, await named("open", path, () => open(path, flags)), 0, true);
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
  /** Where the next write goes; undefined: to the end. */
  private position: number | undefined;
  /** What `write` has resolved is durable, and what it rejected may be lost as after a failed sync. */
  private readonly writesDurably: boolean;
  private closed = false;

  constructor(path: string, handle: FileHandle, position?: number, writesDurably = false) {
    this.path = path;
    this.handle = handle;
    this.position = position;
    this.writesDurably = writesDurably;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await named("write", this.path, async () => {
      let at = 0;
      while (at < bytes.length) {
        const length = bytes.length - at;
        const { bytesWritten } = await this.handle.write(bytes, at, length, this.position);
        at += bytesWritten;
        if (this.position !== undefined) this.position += bytesWritten;
      }
    });
  }

  async sync(): Promise<void> {
    if (this.writesDurably) return;
    await named("sync", this.path, () => this.handle.datasync());
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
