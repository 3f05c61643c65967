import { createWriteStream, type WriteStream } from "node:fs";
import { finished } from "node:stream/promises";
import type { HistoryRecord, HistorySink } from "../record.ts";
import { recordLine } from "../record-line.ts";

/** Bytes that may wait for the disk. */
export const DEFAULT_MAX_PENDING_BYTES = 32 * 1024 * 1024;
/** Characters that are handed to the disk at a time. */
const BLOCK = 65_536;

export interface HistoryFileOptions {
  readonly file: string;
  readonly maxPendingBytes?: number;
}

/**
 * A history on disk: a record a line. When the disk is slower than the game for so long that `maxPendingBytes`
 * wait, records are left out, and the file says how many: the checker proves nothing behind such a hole.
 */
export class HistoryFile {
  private readonly maxPendingBytes: number;
  private readonly stream: WriteStream;
  private readonly written: Promise<void>;
  private failure: unknown;
  private block = "";
  private readonly holes = new Map<string, { records: number; at: number }>();
  private closing: Promise<void> | undefined;

  /** Begins an empty file; whether that works, `close` tells. */
  constructor({ file, maxPendingBytes = DEFAULT_MAX_PENDING_BYTES }: HistoryFileOptions) {
    this.maxPendingBytes = maxPendingBytes;
    this.stream = createWriteStream(file);
    this.written = finished(this.stream).catch((error: unknown) => {
      this.failure = error;
    });
  }

  /** A field, so that it can be handed on as it is. */
  readonly sink: HistorySink = (record) => {
    const { client, at } = record;
    const hole = this.holes.get(client);
    // Behind its first hole nothing of a client is of use.
    if (hole !== undefined || this.stream.writableLength > this.maxPendingBytes) {
      this.holes.set(client, { records: (hole?.records ?? 0) + 1, at: hole?.at ?? at });
      return;
    }
    this.write(record);
  };

  private write(record: HistoryRecord): void {
    this.block += `${recordLine(record)}\n`;
    if (this.block.length >= BLOCK) this.flush();
  }

  private flush(): void {
    if (this.failure === undefined) this.stream.write(this.block);
    this.block = "";
  }

  /** Writes what waits. Idempotent. @throws what the disk had against it. */
  close(): Promise<void> {
    this.closing ??= this.finish();
    return this.closing;
  }

  private async finish(): Promise<void> {
    for (const [client, { records, at }] of this.holes)
      this.write({ client, at, event: { type: "hole", records } });
    this.flush();
    this.stream.end();
    await this.written;
    if (this.failure !== undefined) throw this.failure;
  }
}
