import type { Clock, Timer } from "@atlasnet/core";
import type { Heartbeat, RaftMessage } from "../core/messages.ts";

/**
 * Holds back messages that only tell a follower how far the log is committed: the next append or heartbeat says
 * it, too. When one comes soon enough, as under load, they are not sent at all, and a follower is not woken for nothing.
 */
export class CommitNotices {
  private readonly delayMs: number;
  private readonly clock: Clock;
  private readonly sendNow: (message: Heartbeat) => void;
  private readonly held = new Map<string, Heartbeat>();
  private timer: Timer | undefined;

  constructor(delayMs: number, clock: Clock, sendNow: (message: Heartbeat) => void) {
    this.delayMs = delayMs;
    this.clock = clock;
    this.sendNow = sendNow;
  }

  /** Whether the message is to be sent now. */
  passes(message: RaftMessage): boolean {
    if (message.type === "append") this.held.delete(message.to);
    if (message.type !== "heartbeat") return true;
    this.held.delete(message.to);
    if (message.round !== 0) return true;
    this.held.set(message.to, message);
    this.timer ??= this.clock.setTimer(this.delayMs, () => this.flush());
    return false;
  }

  stop(): void {
    this.timer?.cancel();
    this.held.clear();
  }

  private flush(): void {
    this.timer = undefined;
    const messages = [...this.held.values()];
    this.held.clear();
    for (const message of messages) this.sendNow(message);
  }
}
