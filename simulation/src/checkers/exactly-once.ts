import type { Violations } from "@atlasnet/apiserver/sim";
import { HistoryChecker, type HistoryRecord, violationText } from "@atlasnet/history";
import type { Checker } from "./checker.ts";

/** Rule 4.1: no reliable message is lost, doubled or reordered, proved by the accounts of the checker's world. */
export class ExactlyOnce implements Checker {
  readonly rule = "4.1 exactly once, in order";
  looked = 0;
  private readonly checker: HistoryChecker;

  constructor({ violations }: { readonly violations: Violations }) {
    this.checker = new HistoryChecker({
      onViolation: (violation) => violations.add(this.rule, violationText(violation)),
    });
  }

  take(record: HistoryRecord): void {
    this.looked += 1;
    this.checker.take(record);
  }

  get verdict() {
    return this.checker.verdict();
  }
}
