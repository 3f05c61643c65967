import { SimViolation } from "../violation.ts";
import type { Checker, NodeView } from "./checker.ts";

/** What was committed in a term is in the logs of the leaders of all later terms. */
export class LeaderCompleteness implements Checker {
  private readonly committed: ({ term: number; inTerm: number } | undefined)[] = [];
  private readonly checked = new Set<string>();
  private readonly upTo = new Map<string, number>();

  onState({ id, core, status }: NodeView): void {
    this.record(id, core, status);
    if (status.role !== "leader") return;
    const key = `${id}/${status.term}`;
    if (this.checked.has(key)) return;
    this.checked.add(key);
    for (let index = status.firstIndex; index < this.committed.length; index++) {
      const committed = this.committed[index];
      if (!committed || committed.inTerm >= status.term) continue;
      const entry = core.entryAt(index);
      if (entry?.term !== committed.term)
        throw new SimViolation(
          "leader completeness",
          `${id}, leader of term ${status.term}, lacks ${index} of term ${committed.term}`,
        );
    }
  }

  onCrash(id: string): void {
    this.upTo.delete(id);
  }

  private record(id: string, core: NodeView["core"], status: NodeView["status"]): void {
    const from = Math.max(this.upTo.get(id) ?? 0, status.firstIndex - 1);
    for (let index = from + 1; index <= status.commit; index++) {
      const entry = core.entryAt(index);
      if (entry && !this.committed[index])
        this.committed[index] = { term: entry.term, inTerm: status.term };
    }
    this.upTo.set(id, status.commit);
  }
}
