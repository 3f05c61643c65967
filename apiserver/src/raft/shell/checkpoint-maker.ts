import type { Clock, Logger } from "@atlasnet/core";
import type { StoredCheckpoint } from "../../wal/checkpoint-writer.ts";
import type { Checkpoint } from "../core/types.ts";
import { Pace } from "./pace.ts";
import type { RaftStorage } from "./ports.ts";

export interface CheckpointMakerDependencies {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly log: RaftStorage;
  /** Whether it is still of use: a newer one may have come from the leader meanwhile. */
  readonly isNewest: (index: number) => boolean;
  /** It is durable and saved. */
  readonly onMade: (checkpoint: Checkpoint) => void;
}

/** Writes checkpoints of this node's own state, one at a time, piece by piece beside everything else. */
export class CheckpointMaker {
  private readonly bytesPerSecond: number;
  private readonly retryMs: number;
  private readonly dependencies: CheckpointMakerDependencies;
  private notBefore = 0;
  private making: Promise<void> | undefined;
  private stopped = false;
  readonly counts = { made: 0, failed: 0, bytes: 0 };

  constructor(
    { bytesPerSecond, retryMs }: { readonly bytesPerSecond: number; readonly retryMs: number },
    dependencies: CheckpointMakerDependencies,
  ) {
    this.bytesPerSecond = bytesPerSecond;
    this.retryMs = retryMs;
    this.dependencies = dependencies;
  }

  /** One may be begun: none is being made, and the last did not just fail. */
  get isFree(): boolean {
    const { clock } = this.dependencies;
    return this.making === undefined && !this.stopped && clock.now() >= this.notBefore;
  }

  begin(place: Omit<Checkpoint, "size">, pieces: Iterable<Uint8Array>): void {
    this.making ??= this.make(place, pieces).finally(() => {
      this.making = undefined;
    });
  }

  /** Resolves when none is being made any more. */
  async settled(): Promise<void> {
    await this.making;
  }

  /** What is being made is given up at its next piece. */
  stop(): void {
    this.stopped = true;
  }

  /** Never rejects: without this checkpoint the log is only longer. A log that failed says so itself. */
  private async make(place: Omit<Checkpoint, "size">, pieces: Iterable<Uint8Array>): Promise<void> {
    const { clock, logger, log } = this.dependencies;
    try {
      const stored = await this.write(place, pieces);
      if (stored === undefined) return;
      await log.save({ checkpoint: stored });
      if (this.stopped) return;
      this.counts.made++;
      this.counts.bytes += stored.size;
      const { index, term, members, size } = stored;
      this.dependencies.onMade({ index, term, members, size });
      logger.debug("A checkpoint was made.", { index, bytes: size });
    } catch (error) {
      if (this.stopped) return;
      this.counts.failed++;
      this.notBefore = clock.now() + this.retryMs;
      logger.warn("A checkpoint could not be written; the log grows until one can.", {
        index: place.index,
        error,
      });
    }
  }

  private async write(
    place: Omit<Checkpoint, "size">,
    pieces: Iterable<Uint8Array>,
  ): Promise<StoredCheckpoint | undefined> {
    const { clock, log, isNewest } = this.dependencies;
    const writer = log.beginCheckpoint(place);
    const pace = new Pace(this.bytesPerSecond, clock);
    try {
      for (const piece of pieces) {
        await writer.write(piece);
        await pace.took(piece.length);
        if (this.stopped || !isNewest(place.index)) {
          await writer.abort();
          return undefined;
        }
      }
      const stored = await writer.finish();
      // Unsaved, its file is removed with the next start.
      return this.stopped || !isNewest(place.index) ? undefined : stored;
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }
}
