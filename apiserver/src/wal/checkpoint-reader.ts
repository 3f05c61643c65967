import { join } from "node:path";
import type { Disk } from "@atlasnet/core";
import { BadFile, NewerFormat } from "@atlasnet/core/system";
import type { Checkpoint } from "../raft/core/types.ts";
import {
  CHUNK_BYTES,
  type CheckpointHeader,
  checkTrailer,
  chunkCount,
  chunkPlace,
  decodeCheckpointHeader,
  MAX_CHECKPOINT_HEADER_BYTES,
  openChunk,
  TRAILER_BYTES,
  trailerAt,
} from "./checkpoint-file.ts";
import { checkpointName } from "./file-names.ts";
import { checkIdentity, type LogIdentity } from "./log-identity.ts";
import type { CheckpointRef } from "./record.ts";
import { damaged, WalError } from "./wal-error.ts";

/**
 * Reads a checkpoint's state from any offset. Each chunk is compared with its checksum whenever it is
 * read. The file stays until `close`, also when the log has gone on to newer ones.
 */
export class CheckpointReader {
  readonly checkpoint: Checkpoint;
  private readonly disk: Disk;
  private readonly path: string;
  private readonly start: number;
  private readonly salt: number;
  private readonly onClose: () => void;
  private cached: { number: number; data: Uint8Array } | undefined;
  private closed = false;

  constructor(
    disk: Disk,
    path: string,
    start: number,
    header: CheckpointHeader,
    size: number,
    onClose: () => void,
  ) {
    const { index, term, members, salt } = header;
    this.checkpoint = { index, term, members, size };
    this.disk = disk;
    this.path = path;
    this.start = start;
    this.salt = salt;
    this.onClose = onClose;
  }

  /**
   * Bytes of the state from `offset` on: at most `length` and at most to the end of a chunk (256 KiB),
   * so it may be fewer; none at the end. @throws WalError `wal-damaged`, DiskError
   */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const { size } = this.checkpoint;
    if (offset < 0 || offset > size) throw new RangeError(`offset ${offset} of ${size}`);
    if (offset === size) return new Uint8Array(0);
    const number = Math.floor(offset / CHUNK_BYTES);
    const data = await this.chunk(number);
    const from = offset - number * CHUNK_BYTES;
    return data.subarray(from, from + length);
  }

  /** The whole state, chunk by chunk. @throws WalError `wal-damaged`, DiskError */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    for (let number = 0; number < chunkCount(this.checkpoint.size); number++)
      yield await this.chunk(number);
  }

  /** A second call does nothing. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.cached = undefined;
    this.onClose();
  }

  private async chunk(number: number): Promise<Uint8Array> {
    if (this.closed) throw new Error(`the reader of ${this.path} is closed`);
    if (this.cached?.number === number) return this.cached.data;
    const { at, length } = chunkPlace(this.start, this.checkpoint.size, number);
    const bytes = await this.disk.readPart(this.path, at, length);
    try {
      if (bytes.length !== length) throw new BadFile(`ends within chunk ${number}`);
      const data = openChunk(bytes, this.salt, number);
      this.cached = { number, data };
      return data;
    } catch (error) {
      if (error instanceof BadFile) throw damaged(this.path, at, error.message, error);
      throw error;
    }
  }
}

/** Looks at header and trailer. @throws WalError, DiskError */
export async function openCheckpoint(
  disk: Disk,
  dir: string,
  ref: CheckpointRef,
  identity: LogIdentity,
  onClose: () => void = () => undefined,
): Promise<CheckpointReader> {
  const path = join(dir, checkpointName(ref));
  const beginning = await disk.readPart(path, 0, MAX_CHECKPOINT_HEADER_BYTES);
  let place = 0;
  try {
    const { header, at } = decodeCheckpointHeader(beginning);
    checkIdentity(path, header.identity, identity);
    if (header.index !== ref.index || header.term !== ref.term)
      throw new BadFile(`holds the state at ${header.index}, not the one at ${ref.index}`);
    place = trailerAt(at, ref.size);
    const trailer = await disk.readPart(path, place, TRAILER_BYTES + 1);
    checkTrailer(trailer, ref.size, header.salt);
    return new CheckpointReader(disk, path, at, header, ref.size, onClose);
  } catch (error) {
    if (error instanceof NewerFormat) throw newerFormat(path, error);
    if (error instanceof BadFile) throw damaged(path, place, error.message, error);
    throw error;
  }
}

export function newerFormat(path: string, cause: NewerFormat): WalError {
  return new WalError("wal-newer-format", `${path} ${cause.message}`, {
    facts: { path, found: cause.found },
    hint: "Start it with the AtlasNet that wrote it, or a newer one. Nothing was changed.",
  });
}
