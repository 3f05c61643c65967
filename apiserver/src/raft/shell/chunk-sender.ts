import type { Logger } from "@atlasnet/core";
import type { CheckpointReader } from "../../wal/checkpoint-reader.ts";
import { type CheckpointChunk, withChunkData } from "../core/messages.ts";
import type { RaftStorage, RaftTransport } from "./ports.ts";

export interface ChunkSenderDependencies {
  readonly log: RaftStorage;
  readonly transport: RaftTransport;
  readonly logger: Logger;
  /** Checkpoints of which chunks are still to come. */
  readonly inUse: () => readonly number[];
  readonly onUnreadable: (follower: string) => void;
}

/**
 * Reads the bytes that chunks for followers name, and sends them. One chunk is in memory at a time; of a
 * follower only the newest request counts, as the core asks for one after the other.
 */
export class ChunkSender {
  private readonly dependencies: ChunkSenderDependencies;
  private readonly wanted = new Map<string, CheckpointChunk>();
  private readonly readers = new Map<number, CheckpointReader>();
  private running = false;
  private stopped = false;
  readonly counts = { chunks: 0, bytes: 0, unreadable: 0 };

  constructor(dependencies: ChunkSenderDependencies) {
    this.dependencies = dependencies;
  }

  send(chunk: CheckpointChunk): void {
    this.wanted.set(chunk.to, chunk);
    if (this.running || this.stopped) return;
    this.running = true;
    this.run().catch((error: unknown) => {
      this.dependencies.logger.error("Sending a checkpoint ended with a fault.", { error });
    });
  }

  /** Closes checkpoints nobody needs any more. */
  release(): void {
    if (this.readers.size === 0) return;
    const inUse = new Set(this.stopped ? [] : this.dependencies.inUse());
    for (const [index, reader] of this.readers) {
      if (inUse.has(index)) continue;
      this.readers.delete(index);
      reader.close();
    }
  }

  stop(): void {
    this.stopped = true;
    this.wanted.clear();
    if (!this.running) this.release();
  }

  private async run(): Promise<void> {
    try {
      for (const [to, chunk] of this.wanted) {
        this.wanted.delete(to);
        await this.sendOne(chunk);
      }
    } finally {
      this.running = false;
      this.release();
    }
  }

  private async sendOne(chunk: CheckpointChunk): Promise<void> {
    const { logger, transport, onUnreadable } = this.dependencies;
    const { index } = chunk.checkpoint;
    try {
      const data = await this.read(index, chunk.offset, chunk.length);
      if (this.stopped) return;
      if (data !== undefined) {
        this.counts.chunks++;
        this.counts.bytes += data.length;
        transport.send(withChunkData(chunk, data));
        return;
      }
    } catch (error) {
      if (this.stopped) return;
      logger.warn("A checkpoint cannot be read to be sent to a follower.", { index, error });
    }
    this.counts.unreadable++;
    onUnreadable(chunk.to);
  }

  /** Undefined when there is a newer checkpoint by now. */
  private async read(index: number, from: number, length: number): Promise<Uint8Array | undefined> {
    const reader = this.readers.get(index) ?? (await this.open(index));
    if (reader === undefined) return undefined;
    const first = await reader.read(from, length);
    if (first.length === length) return first;
    const all = new Uint8Array(length);
    all.set(first);
    for (let at = first.length; at < length; ) {
      const part = await reader.read(from + at, length - at);
      if (part.length === 0) throw new Error(`checkpoint ${index} ends at ${from + at}`);
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  private async open(index: number): Promise<CheckpointReader | undefined> {
    const reader = await this.dependencies.log.readCheckpoint();
    if (reader?.checkpoint.index !== index || this.stopped) {
      reader?.close();
      return undefined;
    }
    this.readers.set(index, reader);
    return reader;
  }
}
