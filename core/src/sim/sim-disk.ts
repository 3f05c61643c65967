import { type Disk, DiskError, type DiskFile, SECTOR_BYTES } from "../ports/disk.ts";
import type { PseudoRandom } from "../ports/random.ts";

export interface SimDiskFaults {
  /** Chances from 0 to 1, per operation. A failed write leaves a random part of its bytes. */
  writeError?: number;
  syncError?: number;
  /** Of open, allocate, rename, remove, list, read and syncDir. */
  otherError?: number;
  /** Bytes all files together may hold; a write past it stops there with ENOSPC. */
  capacityBytes?: number;
}

export interface SimDiskDependencies {
  random: PseudoRandom;
  /** How long an operation takes; by default a few turns of the microtask queue. */
  latency?: (operation: string) => Promise<void>;
}

interface Inode {
  /** What running processes see. */
  content: Uint8Array;
  /** What a power loss leaves at least: the first `synced` bytes, less what a failed sync spoiled. */
  synced: number;
  /** Ranges that a failed sync gave up: they read as zeros after a power loss. */
  spoiled: Range[];
  /** Ranges within the allocated length that no sync has covered yet. */
  dirty: Range[];
}

interface Range {
  from: number;
  to: number;
}

type Entries = Map<string, Inode>;
type NameChange = { apply(entries: Entries): void; dir: string };

/** Most microtask turns an operation takes, and pieces a write lands in. */
const MAX_TURNS = 4;
const MAX_PIECES = 3;

/**
 * A disk in memory that keeps what the port promises and nothing more. `process()` gives the disk as
 * one process sees it; after `crash` that process's operations never settle, like those of a dead
 * one, and the next `process()` finds what the crash left.
 *
 * Invariants: names become durable with `syncDir` only (a crash keeps a random number of the first
 * changes not yet synced); bytes become durable with `sync` only (a crash keeps a random prefix of
 * the rest, at times as zeros, as a file system does that extends a file before it writes it; within
 * an allocated length it keeps any sectors of them).
 */
export class SimDisk {
  private generation = 0;
  private entries: Entries = new Map();
  private durable: Entries = new Map();
  private pending: NameChange[] = [];
  private readonly dirs = new Set<string>();
  private readonly random: PseudoRandom;
  private readonly latency: (operation: string) => Promise<void>;
  private faults: SimDiskFaults;

  constructor(options: { faults?: SimDiskFaults }, dependencies: SimDiskDependencies) {
    this.faults = options.faults ?? {};
    this.random = dependencies.random;
    this.latency = dependencies.latency ?? (() => this.someTurns());
  }

  setFaults(faults: SimDiskFaults): void {
    this.faults = faults;
  }

  /** Bytes all files hold now. */
  get usedBytes(): number {
    let used = 0;
    for (const inode of this.entries.values()) used += inode.content.length;
    return used;
  }

  /** `power`: what was not synced may be lost. `process`: what was written stays (kill -9). */
  crash(kind: "power" | "process"): void {
    this.generation++;
    if (kind === "process") return;
    const kept = Math.floor(this.random.float() * (this.pending.length + 1));
    for (const change of this.pending.slice(0, kept)) change.apply(this.durable);
    this.pending = [];
    for (const inode of new Set(this.durable.values())) this.losePower(inode);
    this.entries = new Map(this.durable);
  }

  /** Changes a byte in a file as decay would; for tests of checksums. */
  damage(path: string, at: number): void {
    const inode = this.entries.get(path);
    const byte = inode?.content[at];
    if (inode === undefined || byte === undefined) throw new Error(`no byte ${at} in ${path}`);
    inode.content = Uint8Array.from(inode.content);
    inode.content[at] = byte ^ 0x5a;
  }

  process(): Disk {
    const generation = this.generation;
    const begin = async (operation: string, path: string, errorChance = this.faults.otherError) => {
      await this.latency(operation);
      if (generation !== this.generation) await forever();
      if (this.random.float() < (errorChance ?? 0)) throw new DiskError(operation, path, "EIO");
    };
    const change = (dir: string, apply: (entries: Entries) => void) => {
      apply(this.entries);
      this.pending.push({ apply, dir });
    };
    const find = (operation: string, path: string): Inode => {
      const inode = this.entries.get(path);
      if (inode === undefined) throw new DiskError(operation, path, "ENOENT");
      return inode;
    };
    return {
      makeDir: async (path) => {
        await begin("make folder", path);
        this.dirs.add(path);
      },
      list: async (dir) => {
        await begin("list", dir);
        if (!this.dirs.has(dir)) throw new DiskError("list", dir, "ENOENT");
        const names = [...this.entries.keys()].filter((path) => dirOf(path) === dir);
        return names.map((path) => path.slice(dir.length + 1)).sort();
      },
      read: async (path) => {
        await begin("read", path);
        return Uint8Array.from(find("read", path).content);
      },
      readPart: async (path, at, length) => {
        await begin("read", path);
        return find("read", path).content.slice(at, at + length);
      },
      open: async (path) => {
        await begin("open", path);
        if (!this.dirs.has(dirOf(path))) throw new DiskError("open", path, "ENOENT");
        let inode = this.entries.get(path);
        if (inode === undefined) {
          const made: Inode = { content: new Uint8Array(0), synced: 0, spoiled: [], dirty: [] };
          change(dirOf(path), (entries) => entries.set(path, made));
          inode = made;
        }
        return this.file(path, inode, begin);
      },
      allocate: async (path, length) => {
        await begin("allocate", path);
        if (!this.dirs.has(dirOf(path))) throw new DiskError("allocate", path, "ENOENT");
        if (this.entries.has(path)) throw new DiskError("allocate", path, "EEXIST");
        const made: Inode = { content: new Uint8Array(0), synced: 0, spoiled: [], dirty: [] };
        change(dirOf(path), (entries) => entries.set(path, made));
        const zeros = this.file(path, made, begin);
        await zeros.write(new Uint8Array(length));
        await zeros.sync();
        return this.file(path, made, begin, 0);
      },
      rename: async (from, to) => {
        await begin("rename", from);
        const inode = find("rename", from);
        change(dirOf(to), (entries) => {
          entries.delete(from);
          entries.set(to, inode);
        });
      },
      remove: async (path) => {
        await begin("remove", path);
        find("remove", path);
        change(dirOf(path), (entries) => entries.delete(path));
      },
      syncDir: async (dir) => {
        const changes = this.pending.filter((c) => c.dir === dir);
        await begin("sync folder", dir);
        for (const c of changes) if (this.pending.includes(c)) c.apply(this.durable);
        this.pending = this.pending.filter((c) => !changes.includes(c));
      },
    };
  }

  private file(
    path: string,
    inode: Inode,
    begin: (operation: string, path: string, errorChance?: number) => Promise<void>,
    /** Where to write in an allocated file; at its end otherwise. */
    position?: number,
  ): DiskFile {
    let within = position;
    const append = (all: Uint8Array): void => {
      let bytes = all;
      if (within !== undefined) {
        const fits = all.subarray(0, Math.max(0, inode.content.length - within));
        inode.content.set(fits, within);
        inode.dirty.push({ from: within, to: within + fits.length });
        within += fits.length;
        bytes = all.subarray(fits.length);
        if (bytes.length === 0) return;
        within += bytes.length;
      }
      const { capacityBytes } = this.faults;
      const room =
        capacityBytes === undefined ? bytes.length : Math.max(0, capacityBytes - this.usedBytes);
      inode.content = appended(inode.content, bytes.subarray(0, room));
      if (bytes.length > room) throw new DiskError("write", path, "ENOSPC");
    };
    return {
      write: async (bytes) => {
        const fails = this.random.float() < (this.faults.writeError ?? 0);
        const length = fails ? Math.floor(this.random.float() * (bytes.length + 1)) : bytes.length;
        // In pieces, so that a crash can fall into the middle of a write.
        for (let at = 0; at < length; ) {
          await begin("write", path, 0);
          const piece = Math.max(1, Math.ceil((length * this.random.float()) / (MAX_PIECES - 1)));
          append(bytes.subarray(at, Math.min(length, at + piece)));
          at += piece;
        }
        if (fails) throw new DiskError("write", path, "EIO");
      },
      sync: async () => {
        const upTo = inode.content.length;
        const covered = [...inode.dirty];
        const fails = this.random.float() < (this.faults.syncError ?? 0);
        await begin("sync", path, 0);
        if (fails && upTo > inode.synced) inode.spoiled.push({ from: inode.synced, to: upTo });
        if (fails) inode.spoiled.push(...covered);
        // The kernel counts the pages as clean either way; see the port's fourth promise.
        inode.dirty = inode.dirty.filter((range) => !covered.includes(range));
        inode.synced = Math.max(inode.synced, upTo);
        if (fails) throw new DiskError("sync", path, "EIO");
      },
      close: () => begin("close", path, 0),
    };
  }

  private losePower(inode: Inode): void {
    const unsynced = inode.content.length - inode.synced;
    const kept = inode.synced + Math.floor(this.random.float() * (unsynced + 1));
    const content = inode.content.slice(0, kept);
    for (const { from, to } of inode.spoiled) content.fill(0, from, to);
    const [first] = inode.dirty;
    const last = inode.dirty.at(-1);
    // Writes are one behind the other, so what is not synced is one range.
    if (first !== undefined && last !== undefined)
      this.loseSectors(content, { from: first.from, to: last.to });
    if (this.random.float() < 0.2) content.fill(0, inode.synced);
    inode.content = content;
    inode.synced = content.length;
    inode.spoiled = [];
    inode.dirty = [];
  }

  private loseSectors(content: Uint8Array, { from, to }: Range): void {
    // At times everything was written, as it is when the machine had a moment left.
    const chance = Math.max(0, this.random.float() * 1.5 - 0.5);
    for (let at = from; at < to; ) {
      const end = Math.min(to, (Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES);
      if (this.random.float() < chance) content.fill(0, at, end);
      at = end;
    }
    // Not written as far: a file system that does not write in place.
    if (this.random.float() < 0.2) content.fill(0, this.random.int(from, to), to);
  }

  private async someTurns(): Promise<void> {
    for (let turns = Math.floor(this.random.float() * MAX_TURNS); turns >= 0; turns--)
      await Promise.resolve();
  }
}

function forever(): Promise<never> {
  return new Promise(() => {});
}

/** The folder of a path, for both kinds of separators: tests build paths with `path.join`. */
function dirOf(path: string): string {
  return path.slice(0, Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")));
}

/** `content` with `bytes` behind it; in the same memory while that has room, for files grow by many small writes. */
function appended(content: Uint8Array, bytes: Uint8Array): Uint8Array {
  const length = content.length + bytes.length;
  let { buffer } = content;
  if (buffer.byteLength < length) {
    buffer = new ArrayBuffer(Math.max(length, 2 * content.length));
    new Uint8Array(buffer).set(content);
  }
  const grown = new Uint8Array(buffer, 0, length);
  grown.set(bytes, content.length);
  return grown;
}
