import { join } from "node:path";
import type { Disk, Logger } from "@atlasnet/core";
import { checkpointName } from "./file-names.ts";
import type { SegmentInfo } from "./read-segments.ts";
import type { CheckpointRef } from "./record.ts";

/**
 * Removes what no start can need any more: checkpoints that are older than the kept ones, and
 * segments whose entries the older of them covers. One thing at a time, oldest first, each durable
 * before the next, so that a crash never leaves a hole. What fails is said and tried again next time.
 */
export class Housekeeping {
  private readonly dir: string;
  private readonly disk: Disk;
  private readonly logger: Logger;
  /** Oldest first, without the one that is written now. */
  private segments: SegmentInfo[];
  private known: readonly CheckpointRef[] = [];
  private obsolete: CheckpointRef[] = [];
  private readonly readers = new Map<number, number>();
  private running: Promise<void> | undefined;
  private again = false;

  constructor(
    dir: string,
    segments: readonly SegmentInfo[],
    { disk, logger }: { disk: Disk; logger: Logger },
  ) {
    this.dir = dir;
    this.disk = disk;
    this.logger = logger;
    this.segments = [...segments];
  }

  get segmentBytes(): number {
    return this.segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  get segmentCount(): number {
    return this.segments.length;
  }

  /** A segment is full. */
  addSegment(segment: SegmentInfo): void {
    this.segments.push(segment);
  }

  /** The log names these checkpoints, durably. */
  setCheckpoints(checkpoints: readonly CheckpointRef[]): void {
    const kept = new Set(checkpoints.map(({ id }) => id));
    this.obsolete.push(...this.known.filter(({ id }) => !kept.has(id)));
    this.known = checkpoints;
    this.run();
  }

  addReader(id: number): void {
    this.readers.set(id, (this.readers.get(id) ?? 0) + 1);
  }

  removeReader(id: number): void {
    const count = (this.readers.get(id) ?? 0) - 1;
    if (count > 0) this.readers.set(id, count);
    else this.readers.delete(id);
    this.run();
  }

  /** Resolves when nothing is being removed. */
  async settled(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  private run(): void {
    this.again = true;
    this.running ??= this.work().finally(() => {
      this.running = undefined;
    });
  }

  private async work(): Promise<void> {
    while (this.again) {
      this.again = false;
      try {
        await this.removeCheckpoints();
        await this.removeSegments();
      } catch (error) {
        this.logger.warn("An old file of the Raft log could not be removed; it is tried again.", {
          error,
        });
      }
    }
  }

  private async removeCheckpoints(): Promise<void> {
    for (const ref of this.obsolete.filter(({ id }) => !this.readers.has(id))) {
      await this.disk.remove(join(this.dir, checkpointName(ref)));
      this.obsolete = this.obsolete.filter(({ id }) => id !== ref.id);
    }
  }

  private async removeSegments(): Promise<void> {
    const [older, newer] = this.known;
    if (older === undefined || newer === undefined) return;
    for (let first = this.segments[0]; first !== undefined; first = this.segments[0]) {
      if (first.maxIndex > older.index) return;
      await this.disk.remove(join(this.dir, first.name));
      await this.disk.syncDir(this.dir);
      this.segments.shift();
    }
  }
}
