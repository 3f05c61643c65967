import type { Channel, Link } from "../../link/link.ts";
import type { Clock, Timer } from "../../ports/clock.ts";
import { STALL_MS } from "./beat.ts";

/**
 * One that was left and says nothing for so long was gone. No longer than a link stands before it may be left, so that
 * there is one of them at a time.
 */
const SPEAKS_WITHIN_MS = 1_000;

/**
 * The link of an apiserver that was left because it said nothing. It stays open for a while: one that speaks after all
 * was only late, and one that does not was gone.
 */
export class LeftLink {
  private readonly left: { readonly link: Link; readonly channel: Channel };
  private readonly timer: Timer;

  /** `gone` is called at most once, and not when this process itself stood still and may have missed what was said. */
  constructor(
    left: { readonly link: Link; readonly channel: Channel },
    { clock, gone }: { readonly clock: Clock; readonly gone: () => void },
  ) {
    this.left = left;
    const due = clock.now() + SPEAKS_WITHIN_MS;
    this.timer = clock.setTimer(SPEAKS_WITHIN_MS, () => {
      this.end();
      if (clock.now() < due + STALL_MS) gone();
    });
    // It may have closed the link, which is to say something, too.
    const closed = () => this.end();
    left.link.closed.then(closed, closed);
  }

  /** Something came on a channel. */
  heard(channel: Channel): void {
    if (channel === this.left.channel) this.end();
  }

  /** Closes the link; nobody will know. Idempotent. */
  end(): void {
    this.timer.cancel();
    this.left.link.close({
      code: "closed",
      detail: "it said nothing, and another one took its place",
    });
  }
}
