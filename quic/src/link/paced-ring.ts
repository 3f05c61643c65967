import type { Clock, Timer } from "@atlasnet/core";
import { type ByteSource, ChannelRing } from "./channel-ring.ts";
import { MAX_FRAME_BYTES } from "./frames.ts";
import { BULK_BURST_MS } from "./link-bounds.ts";
import type { OutChannel } from "./out-channel.ts";
import { TokenBucket } from "./token-bucket.ts";

/** Shortest wait of a timer: more often would cost more than it evens out. */
const MIN_WAIT_MS = 1;

/** The bulk channels of a link: a ring that gives no more than its rate, in small portions. */
export class PacedRing implements ByteSource {
  private readonly ring = new ChannelRing();
  private readonly bucket: TokenBucket;
  private readonly clock: Clock;
  private readonly wake: () => void;
  private timer: Timer | undefined;

  /** `wake` is called when there is something to fill again. */
  constructor(
    options: { readonly bytesPerSecond: number },
    dependencies: { readonly clock: Clock; readonly wake: () => void },
  ) {
    const perSecond = options.bytesPerSecond;
    const capacity = Math.max(2 * MAX_FRAME_BYTES, (perSecond / 1000) * BULK_BURST_MS);
    this.clock = dependencies.clock;
    this.wake = dependencies.wake;
    this.bucket = new TokenBucket({ perSecond, capacity }, dependencies);
  }

  get isEmpty(): boolean {
    return this.ring.isEmpty;
  }

  add(channel: OutChannel): void {
    this.ring.add(channel);
  }

  fill(out: Uint8Array): number {
    if (this.timer !== undefined || this.ring.isEmpty) return 0;
    // Any frame fits once there are tokens for the longest.
    const tokens = this.bucket.available();
    if (tokens < MAX_FRAME_BYTES) {
      const ms = Math.max(MIN_WAIT_MS, this.bucket.waitMs(MAX_FRAME_BYTES));
      this.timer = this.clock.setTimer(ms, () => {
        this.timer = undefined;
        this.wake();
      });
      return 0;
    }
    const end = this.ring.fill(out, Math.min(out.length, Math.floor(tokens)));
    this.bucket.take(end);
    return end;
  }

  clear(): void {
    this.ring.clear();
    this.timer?.cancel();
    this.timer = undefined;
  }
}
