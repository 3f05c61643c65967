import type { Logger } from "@atlasnet/core";

/** Between two lines; a world at its limit comes and goes many times a second. */
export const PACE_LOG_MS = 10_000;

const FULL_PER_MILLE = 1000;

/** Says aloud that a world cannot keep up, and that it does again. Asked at every tick. */
export class PaceLog {
  private readonly logger: Logger;
  private isSlow = false;
  private saidAt = Number.NEGATIVE_INFINITY;

  constructor({ logger }: { readonly logger: Logger }) {
    this.logger = logger;
  }

  tick(tick: number, perMille: number, now: number): void {
    const isSlow = perMille < FULL_PER_MILLE;
    if (isSlow === this.isSlow || now - this.saidAt < PACE_LOG_MS) return;
    this.isSlow = isSlow;
    this.saidAt = now;
    const facts = { tick, timeDilation: perMille / FULL_PER_MILLE };
    if (isSlow) this.logger.warn("The world cannot keep up: its time runs slower.", facts);
    else this.logger.info("The world keeps up again.", facts);
  }
}
