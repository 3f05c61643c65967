/** No disk loses less than this at once. */
export const SECTOR_BYTES = 512;

/**
 * The disk port: the few file operations that logs and snapshots need. Files are only ever
 * written from their beginning to their end, renamed and removed, so that what a crash leaves behind
 * stays describable.
 *
 * What a disk promises:
 * 1. Bytes whose `sync` has resolved survive a power loss, under the name the file had when the last
 *    `syncDir` of its folder resolved. Without a sync they may vanish, wholly or from any byte on.
 * 2. Bytes whose `write` has resolved survive the death of this process (not of the machine).
 * 3. `rename` replaces an existing file in one step: a reader sees the old one or the new one.
 * 4. A failed `sync` says that bytes written since the last good one may be lost for good, also when
 *    a later `sync` of the same file resolves. Whoever needs them writes them to another file.
 * 5. What is lost of bytes that were appended is everything from some byte on. What is lost of bytes
 *    within an allocated length are any of its sectors (SECTOR_BYTES, counted from the beginning of
 *    the file) or everything from some byte on: there it holds zeros again.
 *
 * Every operation rejects with a DiskError. Writes of one file must not overlap; a sync may run
 * beside a write and covers what was written before it began.
 */
export interface Disk {
  /** Makes a folder and those above it; content when it exists. */
  makeDir(path: string): Promise<void>;
  /** Names (not paths) of the files in a folder, sorted; folders in it are left out. */
  list(dir: string): Promise<readonly string[]>;
  read(path: string): Promise<Uint8Array>;
  /** Bytes from `at` on, `length` of them or as many as there are before the end of the file. */
  readPart(path: string, at: number, length: number): Promise<Uint8Array>;
  /** Opens a file to write at its end, and makes it when there is none. */
  open(path: string): Promise<DiskFile>;
  /**
   * Makes a file of `length` zeros, durable but for its name, and opens it to write from its beginning
   * on, past its length too. Within it a sync has no length to record, which makes it cheaper and
   * steadier, and a full disk shows here and not later. EEXIST when there is such a file.
   */
  allocate(path: string, length: number): Promise<DiskFile>;
  /** Moves a file within its folder; an existing file of that name is replaced. */
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Makes the names in a folder durable, where the system has such a thing. */
  syncDir(dir: string): Promise<void>;
}

export interface DiskFile {
  /** Writes all of `bytes` behind what was written before, which must not change until it resolves. After an error a part may stand. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes the content durable (fdatasync). */
  sync(): Promise<void>;
  /** Closes without a sync. A second call does nothing. */
  close(): Promise<void>;
}

/**
 * A file operation that failed. `code` is the system's (ENOSPC, EACCES, EIO, ENOENT…), or `EUNKNOWN`.
 */
export class DiskError extends Error {
  readonly code: string;
  readonly operation: string;
  readonly path: string;

  constructor(operation: string, path: string, code: string, cause?: unknown) {
    super(`${operation} ${path}: ${code}`, cause === undefined ? undefined : { cause });
    this.name = "DiskError";
    this.code = code;
    this.operation = operation;
    this.path = path;
  }
}
