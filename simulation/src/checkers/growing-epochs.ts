import type { Violations } from "@atlasnet/apiserver/sim";
import type { SimPassage } from "@atlasnet/core/sim";
import type { HistoryRecord } from "@atlasnet/history";
import { isAct } from "./acts.ts";
import type { Checker } from "./checker.ts";

/**
 * Rule 5.3: safety rests on epochs. What gameservers let out for a shard never goes back behind an epoch at which
 * somebody acted, and no client is welcomed into the past: every receiver refuses what is below the highest it has seen.
 */
export class GrowingEpochs implements Checker {
  readonly rule = "5.3 epochs only grow";
  looked = 0;
  private readonly newest = new Map<string, number>();
  private readonly violations: Violations;

  constructor({ violations }: { readonly violations: Violations }) {
    this.violations = violations;
  }

  sent({ from, message }: SimPassage): void {
    if (!isAct(message)) return;
    this.looked += 1;
    const { shard, epoch } = message;
    this.grows(shard, epoch, `${from} says "${message.type}" for ${shard}`);
  }

  take({ client, event }: HistoryRecord): void {
    if (event.type !== "welcome") return;
    this.looked += 1;
    this.grows(client, event.epoch, `${client} is welcomed`);
  }

  private grows(what: string, epoch: number, who: string): void {
    const before = this.newest.get(what) ?? 0;
    if (epoch < before) this.violations.add(this.rule, `${who} at epoch ${epoch}, after ${before}`);
    this.newest.set(what, Math.max(before, epoch));
  }
}
