import { decodeRecord } from "@atlasnet/core";
import type { KeyChange } from "./history.ts";
import type { Violations } from "./violations.ts";

/** No node is declared lost while its lease runs, by true time. Nodes say how far their leases reach. */
export class Losses {
  /** By boot, in ms of the simulation. */
  private readonly leases = new Map<string, number>();
  private readonly violations: Violations;
  private readonly now: () => number;
  lost = 0;

  constructor(violations: Violations, now: () => number) {
    this.violations = violations;
    this.now = now;
  }

  granted(boot: string, until: number): void {
    this.leases.set(boot, Math.max(until, this.leases.get(boot) ?? 0));
  }

  /** Its process ended, or the lease was given up: nothing comes of it any more. */
  ended(boot: string): void {
    this.leases.delete(boot);
  }

  changed({ key, after }: KeyChange): void {
    if (!key.startsWith("nodes/") || after === undefined) return;
    const decoded = decodeRecord("node", after.value);
    if (!decoded.ok || decoded.record.state !== "lost") return;
    this.lost += 1;
    const { boot } = decoded.record;
    const until = this.leases.get(boot) ?? 0;
    if (this.now() < until)
      this.violations.add(
        "leases run out first",
        `${boot} was declared lost ${(until - this.now()).toFixed(1)} ms before its lease ended`,
      );
  }
}
