import { SimViolation } from "../violation.ts";
import type { Checker, NodeView } from "./checker.ts";

/** A leader only ever adds to its log. */
export class LeaderAppendOnly implements Checker {
  private readonly seen = new Map<string, { term: number; last: number; lastTerm: number }>();

  onState({ id, core, status }: NodeView): void {
    if (status.role !== "leader") {
      this.seen.delete(id);
      return;
    }
    const before = this.seen.get(id);
    if (before?.term === status.term && before.last >= status.firstIndex) {
      const entry = core.entryAt(before.last);
      if (entry?.term !== before.lastTerm)
        throw new SimViolation(
          "leader append-only",
          `${id}, leader of term ${status.term}, had ${before.last} of term ${before.lastTerm}, now ${entry?.term ?? "nothing"}`,
        );
    }
    this.seen.set(id, {
      term: status.term,
      last: status.lastIndex,
      lastTerm: status.lastTerm,
    });
  }

  onCrash(id: string): void {
    this.seen.delete(id);
  }
}
