import type { Clock } from "@atlasnet/core";
import type { ClientConnection } from "../gateway/client-connection.ts";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import { TokenBucket } from "../session/token-bucket.ts";

/** How often a client hears of us while it is not read. */
const REMIND_MS = 1_000;

/** Why a client is not read: too much of it is kept while its world has no owner; its shard's link is full. */
export type PauseReason = "unowned" | "congested";

export type IntakeLimits = Pick<
  ProxyLimits,
  "messagesPerSecond" | "messagesBurst" | "bytesPerSecond" | "bytesBurst"
>;

export interface IntakeDependencies {
  clock: Pick<Clock, "now">;
  counters: Pick<ProxyCounters, "paused">;
}

/** How much one client may send: its rates, and back-pressure while there is no room for more. */
export class Intake {
  readonly messages: TokenBucket;
  readonly bytes: TokenBucket;
  private readonly connection: Pick<ClientConnection, "pause" | "resume">;
  private readonly dependencies: IntakeDependencies;
  private paused = { unowned: false, congested: false };
  private pausedAt = 0;
  private remindedAt = 0;

  constructor(
    connection: Pick<ClientConnection, "pause" | "resume">,
    limits: IntakeLimits,
    dependencies: IntakeDependencies,
  ) {
    this.connection = connection;
    this.dependencies = dependencies;
    const now = dependencies.clock.now();
    this.messages = new TokenBucket(limits.messagesPerSecond, limits.messagesBurst, now);
    this.bytes = new TokenBucket(limits.bytesPerSecond, limits.bytesBurst, now);
  }

  get isPaused(): boolean {
    return this.paused.unowned || this.paused.congested;
  }

  pause(why: PauseReason): void {
    if (!this.isPaused) {
      const { clock, counters } = this.dependencies;
      counters.paused += 1;
      this.pausedAt = clock.now();
      this.remindedAt = this.pausedAt;
      this.connection.pause();
    }
    this.paused[why] = true;
  }

  unpause(why: PauseReason): void {
    const before = this.isPaused;
    this.paused[why] = false;
    if (!before || this.isPaused) return;
    // A client that kept to its limits all the time is not too fast because it was not read.
    const ms = this.dependencies.clock.now() - this.pausedAt;
    this.messages.makeUp(ms);
    this.bytes.makeUp(ms);
    this.connection.resume();
  }

  /** True once in a while for a client that is not read: it is to hear that somebody is there. */
  remindIsDue(now: number): boolean {
    if (!this.isPaused || now - this.remindedAt < REMIND_MS) return false;
    this.remindedAt = now;
    return true;
  }
}
