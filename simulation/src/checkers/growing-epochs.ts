import type { Violations } from "@atlasnet/apiserver/sim";
import type { HistoryRecord } from "@atlasnet/history";
import type { Checker } from "./checker.ts";

/** Rule 5.3: receivers refuse what is below the highest epoch they have seen. No client is welcomed into the past. */
export class GrowingEpochs implements Checker {
  readonly rule = "5.3 epochs only grow";
  looked = 0;
  private readonly newest = new Map<string, number>();
  private readonly violations: Violations;

  constructor({ violations }: { readonly violations: Violations }) {
    this.violations = violations;
  }

  take({ client, event }: HistoryRecord): void {
    if (event.type !== "welcome") return;
    this.looked += 1;
    const before = this.newest.get(client) ?? 0;
    if (event.epoch < before)
      this.violations.add(
        this.rule,
        `${client} is welcomed at epoch ${event.epoch}, after ${before}`,
      );
    this.newest.set(client, Math.max(before, event.epoch));
  }
}
