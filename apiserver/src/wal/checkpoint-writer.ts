import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Disk, DiskFile } from "@atlasnet/core";
import { storageError } from "@atlasnet/core/system";
import type { Checkpoint } from "../raft/core/types.ts";
import {
  CHUNK_BYTES,
  encodeCheckpointHeader,
  encodeTrailer,
  sealChunk,
} from "./checkpoint-file.ts";
import { checkpointName, temporaryName } from "./file-names.ts";
import type { LogIdentity } from "./log-identity.ts";

/** Dirty pages that wait for the last sync: more would hold up the log's own syncs for long. */
const SYNC_EVERY_BYTES = 4 * 1024 * 1024;

/** A checkpoint whose file is whole and durable. It counts once it was saved (`Save.checkpoint`). */
export interface StoredCheckpoint extends Checkpoint {
  /** Tells its file from others of the same index. */
  readonly id: number;
}

export interface CheckpointWriterOptions {
  readonly dir: string;
  readonly identity: LogIdentity;
  readonly checkpoint: Omit<Checkpoint, "size">;
  readonly id: number;
  readonly salt: number;
}

/**
 * Writes a checkpoint beside the log: under a temporary name, synced, renamed, the folder synced.
 * It holds 256 KiB of it in memory. Calls must not overlap. A failed one rejects with what to do, and
 * then only `abort` is left: the log goes on without this checkpoint.
 */
export class CheckpointWriter {
  private readonly options: CheckpointWriterOptions;
  private readonly disk: Disk;
  private readonly onEnd: () => void;
  private readonly chunk = Buffer.allocUnsafe(CHUNK_BYTES + 4);
  private readonly name: string;
  private readonly temporary: string;
  private file: DiskFile | undefined;
  private filled = 0;
  private chunks = 0;
  private unsynced = 0;
  private state: "open" | "busy" | "failed" | "ended" = "open";

  constructor(options: CheckpointWriterOptions, disk: Disk, onEnd: () => void) {
    this.options = options;
    this.disk = disk;
    this.onEnd = onEnd;
    this.name = checkpointName({ index: options.checkpoint.index, id: options.id });
    this.temporary = join(options.dir, temporaryName(this.name));
  }

  /** Bytes of the state taken so far. */
  get size(): number {
    return this.chunks * CHUNK_BYTES + this.filled;
  }

  /** Appends bytes of the state; any length. They must not change until it resolves. */
  write(bytes: Uint8Array): Promise<void> {
    return this.run("open", async () => {
      for (let at = 0; at < bytes.length; ) {
        const part = bytes.subarray(at, at + CHUNK_BYTES - this.filled);
        this.chunk.set(part, this.filled);
        this.filled += part.length;
        at += part.length;
        if (this.filled === CHUNK_BYTES) await this.writeChunk();
      }
    });
  }

  /** Resolves when the file is whole and durable. */
  async finish(): Promise<StoredCheckpoint> {
    const { dir, checkpoint, id, salt } = this.options;
    const size = this.size;
    await this.run("ended", async () => {
      if (this.filled > 0) await this.writeChunk();
      const file = await this.opened();
      await file.write(encodeTrailer(size, salt));
      await file.sync();
      await file.close();
      await this.disk.rename(this.temporary, join(dir, this.name));
      await this.disk.syncDir(dir);
    });
    this.onEnd();
    return { ...checkpoint, size, id };
  }

  /** Gives it up and removes what was written. Content when it has ended. @throws WalError */
  async abort(): Promise<void> {
    if (this.state === "ended") return;
    if (this.state === "busy") throw new Error("a checkpoint is aborted between two calls");
    this.state = "ended";
    this.onEnd();
    const { file } = this;
    if (file === undefined) return;
    await this.named(async () => {
      await file.close();
      const names = await this.disk.list(this.options.dir);
      if (names.includes(temporaryName(this.name))) await this.disk.remove(this.temporary);
    });
  }

  private async run(next: "open" | "ended", work: () => Promise<void>): Promise<void> {
    if (this.state !== "open") throw new Error(`this checkpoint is ${this.state}`);
    this.state = "busy";
    try {
      await this.named(work);
      this.state = next;
    } catch (error) {
      this.state = "failed";
      throw error;
    }
  }

  private async named(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const what = `the checkpoint ${join(this.options.dir, this.name)} could not be written`;
      throw storageError("checkpoint-failed", what, error);
    }
  }

  private async opened(): Promise<DiskFile> {
    if (this.file !== undefined) return this.file;
    const { identity, checkpoint, salt } = this.options;
    this.file = await this.disk.open(this.temporary);
    await this.file.write(encodeCheckpointHeader({ identity, ...checkpoint, salt }));
    return this.file;
  }

  private async writeChunk(): Promise<void> {
    const file = await this.opened();
    const bytes = sealChunk(this.chunk, this.filled, this.options.salt, this.chunks);
    await file.write(bytes);
    this.chunks++;
    this.filled = 0;
    this.unsynced += bytes.length;
    if (this.unsynced < SYNC_EVERY_BYTES) return;
    await file.sync();
    this.unsynced = 0;
  }
}
