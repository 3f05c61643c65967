import { SimViolation } from "../violation.ts";
import type { Checker, NodeView } from "./checker.ts";

/** At most one leader in a term. */
export class ElectionSafety implements Checker {
  private readonly leaders = new Map<number, string>();

  get elections(): number {
    return this.leaders.size;
  }

  onState({ id, status }: NodeView): void {
    if (status.role !== "leader") return;
    const other = this.leaders.get(status.term);
    if (other === undefined) this.leaders.set(status.term, id);
    else if (other !== id)
      throw new SimViolation("election safety", `${other} and ${id} lead in term ${status.term}`);
  }
}
