import type { Violations } from "@atlasnet/apiserver/sim";
import type { SimPassage } from "@atlasnet/core/sim";
import type { HistoryRecord } from "@atlasnet/history";
import { isAct } from "./acts.ts";
import type { Checker } from "./checker.ts";

export interface GrowingEpochsDependencies {
  readonly violations: Violations;
  /** It is of an ownership that a mirror has ended, which has all that it tells of (MirrorGates). */
  readonly isOfTheMirror: (passage: SimPassage) => boolean;
}

/**
 * Rule 5.3: safety rests on epochs. What gameservers let out for a shard never goes back behind an epoch at which
 * somebody acted, and no client is welcomed into the past: every receiver refuses what is below the highest it has seen.
 */
export class GrowingEpochs implements Checker {
  readonly rule = "5.3 epochs only grow";
  looked = 0;
  private readonly newest = new Map<string, number>();
  private readonly violations: Violations;
  private readonly isOfTheMirror: (passage: SimPassage) => boolean;

  constructor({ violations, isOfTheMirror }: GrowingEpochsDependencies) {
    this.violations = violations;
    this.isOfTheMirror = isOfTheMirror;
  }

  sent(passage: SimPassage): void {
    const { from, message } = passage;
    if (!isAct(message) || this.isOfTheMirror(passage)) return;
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
