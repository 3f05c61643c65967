import { type Clock, describeError, type Logger } from "@atlasnet/core";

/** How long a store may be away before health says so, in ms. */
export const OUTAGE_WARNING_MS = 60_000;

/** Whether the snapshot store works: said once when that changes, not with every try. */
export class StoreOutage {
  private readonly clock: Clock;
  private readonly logger: Logger;
  private since: number | undefined;
  private newest = "";
  failures = 0;

  constructor({ clock, logger }: { readonly clock: Clock; readonly logger: Logger }) {
    this.clock = clock;
    this.logger = logger;
  }

  failed(error: unknown): void {
    this.failures += 1;
    this.newest = describeError(error).split("\n", 1)[0] ?? "";
    if (this.since !== undefined) return;
    this.since = this.clock.now();
    this.logger.error(
      "The snapshot store takes no snapshots: worlds play on, and what is tried is tried again.",
      { error },
    );
  }

  succeeded(): void {
    if (this.since === undefined) return;
    const awaySeconds = Math.round((this.clock.now() - this.since) / 1000);
    this.since = undefined;
    this.logger.info("The snapshot store takes snapshots again.", { awaySeconds });
  }

  /** For health; undefined while all is well, or was a moment ago. */
  warning(): string | undefined {
    if (this.since === undefined) return undefined;
    const ms = this.clock.now() - this.since;
    if (ms < OUTAGE_WARNING_MS) return undefined;
    return `the snapshot store has failed for ${Math.round(ms / 1000)} s: ${this.newest}`;
  }
}
