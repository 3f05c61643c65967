import type { Clock, LogFacts, Logger } from "@atlasnet/core";
import { TokenBucket } from "./token-bucket.ts";

/** Lines at once, after a while without any … */
export const REFUSAL_BURST = 20;
/** … and then one in so long; what was left out is counted in the next line. */
export const REFUSAL_LINE_MS = 10_000;

/** Says in the log who was refused. Anybody may knock at a port, as often as they like, and shall not fill the disk. */
export class RefusalLog {
  private readonly bucket: TokenBucket;
  private leftOut = 0;

  constructor({ clock }: { readonly clock: Clock }) {
    const rate = { perSecond: 1000 / REFUSAL_LINE_MS, capacity: REFUSAL_BURST };
    this.bucket = new TokenBucket(rate, { clock });
  }

  warn(logger: Logger, message: string, facts: LogFacts): void {
    if (this.bucket.available() < 1) {
      this.leftOut += 1;
      logger.debug(message, facts);
      return;
    }
    this.bucket.take(1);
    const more = this.leftOut === 0 ? {} : { leftOut: this.leftOut };
    this.leftOut = 0;
    logger.warn(message, { ...facts, ...more });
  }
}
