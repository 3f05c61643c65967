import { Buffer } from "node:buffer";
import { join } from "node:path";
import type { Disk, DiskFile, Logger, Random } from "@atlasnet/core";
import { segmentName, temporaryName } from "./file-names.ts";
import { align, bodyBytes, encodeBody, encodeFrame, frameBytes, moveFrame } from "./frame.ts";
import type { LogIdentity } from "./log-identity.ts";
import type { TipState } from "./log-tip.ts";
import type { SegmentInfo } from "./read-segments.ts";
import type { LogRecord } from "./record.ts";
import { encodeSegmentHeader, MAX_SEGMENT_HEADER_BYTES } from "./segment-file.ts";

export interface SegmentWriterOptions {
  readonly dir: string;
  readonly identity: LogIdentity;
  readonly life: number;
  readonly segmentBytes: number;
  /** Of the first segment it makes. */
  readonly number: number;
  /** Of the first frame it writes. */
  readonly sequence: number;
}

export interface SegmentWriterDependencies {
  readonly disk: Disk;
  readonly logger: Logger;
  readonly random: Random;
}

interface Active {
  readonly info: SegmentInfo;
  readonly file: DiskFile;
  readonly salt: number;
  at: number;
}

interface Allocated {
  readonly file: DiskFile;
  readonly temporary: string;
}

/**
 * Writes frames into segments, one after the other: a frame is written only when the one before is
 * durable. Calls must not overlap, and after a failed one there must be none but `close`.
 */
export class SegmentWriter {
  private readonly options: SegmentWriterOptions;
  private readonly dependencies: SegmentWriterDependencies;
  private active: Active | undefined;
  private number: number;
  private sequence: number;
  /** The next segment's file, allocated while there is still room in this one. */
  private prepared: Promise<Allocated | undefined> | undefined;

  constructor(options: SegmentWriterOptions, dependencies: SegmentWriterDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    this.number = options.number;
    this.sequence = options.sequence;
  }

  /** The first frame it wrote, or will write. */
  get firstSequence(): number {
    return this.options.sequence;
  }

  /** The segment that is written now. */
  get current(): SegmentInfo | undefined {
    return this.active?.info;
  }

  /** Makes records durable as one frame; `before` is the log before them. Bytes written. */
  async write(before: TipState, records: readonly LogRecord[]): Promise<number> {
    const { active } = this;
    const length = frameBytes(bodyBytes(records));
    if (active === undefined || active.at + length > active.info.bytes) {
      await this.begin(before, [encodeBody(records)]);
      return length;
    }
    const { salt, at } = active;
    const frame = encodeFrame({ salt, sequence: this.sequence, at }, records);
    await active.file.write(frame);
    await active.file.sync();
    active.at += length;
    this.sequence++;
    if (active.at > active.info.bytes / 2) this.prepare();
    return length;
  }

  /** Begins a segment with these frames; it is durable, under its name, when this resolves. */
  async begin(before: TipState, bodies: readonly Buffer[]): Promise<void> {
    const { dir, identity, life, segmentBytes } = this.options;
    const { disk, logger, random } = this.dependencies;
    const number = this.number++;
    const name = segmentName(number);
    const frames = bodies.reduce((sum, body) => sum + frameBytes(body.length), 0);
    const bytes = Math.max(segmentBytes, align(MAX_SEGMENT_HEADER_BYTES + frames));
    const { file, temporary } = await this.allocate(bytes);
    const salt = random.int(0, 2 ** 32 - 1);
    const firstSequence = this.sequence;
    const wholeFrames = bodies.length;
    const start = { number, life, salt, bytes, firstSequence, wholeFrames };
    const pieces = [encodeSegmentHeader({ ...start, identity, tip: before })];
    let at = pieces[0]?.length ?? 0;
    for (const body of bodies) {
      pieces.push(moveFrame({ salt, sequence: this.sequence++, at }, body));
      at += frameBytes(body.length);
    }
    await file.write(Buffer.concat(pieces));
    await file.sync();
    await disk.rename(temporary, join(dir, name));
    await disk.syncDir(dir);
    const old = this.active;
    this.active = { info: { name, number, bytes, maxIndex: 0 }, file, salt, at };
    await old?.file.close().catch((error: unknown) => {
      logger.warn("A full segment of the Raft log could not be closed.", { error });
    });
  }

  /** Closes without a sync; removes what was prepared. */
  async close(): Promise<void> {
    const prepared = await this.prepared;
    this.prepared = undefined;
    if (prepared !== undefined) {
      await prepared.file.close();
      await this.dependencies.disk.remove(prepared.temporary);
    }
    await this.active?.file.close();
    this.active = undefined;
  }

  private async allocate(bytes: number): Promise<Allocated> {
    if (bytes === this.options.segmentBytes) {
      const prepared = await this.prepared;
      this.prepared = undefined;
      if (prepared !== undefined) return prepared;
    }
    const name = bytes === this.options.segmentBytes ? "segment-next.wal" : "segment-large.wal";
    const temporary = join(this.options.dir, temporaryName(name));
    return { file: await this.dependencies.disk.allocate(temporary, bytes), temporary };
  }

  private prepare(): void {
    if (this.prepared !== undefined) return;
    const { disk, logger } = this.dependencies;
    const temporary = join(this.options.dir, temporaryName("segment-prepared.wal"));
    const make = async (): Promise<Allocated> => ({
      file: await disk.allocate(temporary, this.options.segmentBytes),
      temporary,
    });
    this.prepared = make().catch(async (error: unknown) => {
      // The segment that is open has room left; the log fails only if there is none when it is full.
      logger.warn("The next segment of the Raft log could not be prepared.", { temporary, error });
      await disk.remove(temporary).catch((cause: unknown) => {
        logger.warn("What was prepared of it could not be removed.", { temporary, error: cause });
      });
      return undefined;
    });
  }
}
