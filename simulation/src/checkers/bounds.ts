import type { Violations } from "@atlasnet/apiserver/sim";
import type { Checker } from "./checker.ts";

export interface Bound {
  readonly what: string;
  readonly most: number;
  /** Now. */
  value(): number;
}

/** Rule 4.2: everything is bounded. Looks at the sizes of queues and buffers again and again. */
export class Bounds implements Checker {
  readonly rule = "4.2 everything is bounded";
  looked = 0;
  /** The most that was seen of each. */
  readonly largest = new Map<string, number>();
  private readonly violations: Violations;

  constructor({ violations }: { readonly violations: Violations }) {
    this.violations = violations;
  }

  look(bounds: readonly Bound[]): void {
    for (const { what, most, value } of bounds) {
      this.looked += 1;
      const now = value();
      this.largest.set(what, Math.max(now, this.largest.get(what) ?? 0));
      if (now > most) this.violations.add(this.rule, `${what}: ${now}, at most ${most}`);
    }
  }
}
