import type { Claimant } from "@atlasnet/core";
import type { HostedShard } from "./hosted-shard.ts";
import type { HostingEffect } from "./hosting-types.ts";

/** What comes of an event: effects in their order, each an attempt of its shard. */
export class Outbox {
  /** When the event came, in ms. */
  now = 0;
  private effects: HostingEffect[] = [];
  private attempts = 0;

  begin(now: number): void {
    this.now = now;
    this.effects = [];
  }

  take(): readonly HostingEffect[] {
    return this.effects;
  }

  put(effect: HostingEffect): void {
    this.effects.push(effect);
  }

  /** For an effect that is to be answered: answers to the shard's attempts before it are of no account. */
  attempt(entry: HostedShard): { shard: string; attempt: number } {
    entry.attempt = ++this.attempts;
    return { shard: entry.shard, attempt: entry.attempt };
  }

  /** A transaction's id: the same for all its retries. */
  identified(claimant: Claimant): Claimant {
    return { ...claimant, id: `${claimant.boot}-${this.attempts + 1}` };
  }

  /** There is no new epoch: what runs goes on as it is. */
  notRenewed(shard: string): void {
    this.put({ type: "renewed", shard, ownership: undefined });
  }

  report(level: "info" | "warn" | "error", message: string, entry: HostedShard): void {
    const { world, shard, failures } = entry;
    this.put({ type: "report", level, message, facts: { world, shard, failures } });
  }
}
