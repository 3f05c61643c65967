import type { Clock, Logger } from "@atlasnet/core";

/** Between two lines: a proxy that goes on like this comes here some thousand times a second. */
export const MALFORMED_LOG_MS = 10_000;

/** Says aloud that a proxy sends batches that are not of their form. */
export class MalformedLog {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private saidAt = Number.NEGATIVE_INFINITY;

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.clock = clock;
    this.logger = logger;
  }

  dropped(link: number, droppedSoFar: number): void {
    const now = this.clock.now();
    if (now - this.saidAt < MALFORMED_LOG_MS) return;
    this.saidAt = now;
    this.logger.error("A proxy sent a batch that is not of its form; it was dropped.", {
      link,
      droppedSoFar,
      hint: "Bring proxy and gameserver to the same version.",
    });
  }
}
