import type { Entry } from "../../core/types.ts";
import { SimViolation } from "../violation.ts";
import type { Checker, NodeView } from "./checker.ts";

/**
 * Two logs that have an entry of the same index and term are the same up to it. By induction it is
 * enough that such entries are equal and that those before them have the same term.
 */
export class LogMatching implements Checker {
  private readonly known = new Map<string, { data: string; before: number }>();

  onEntries({ id, core, status }: NodeView, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const key = `${entry.index}/${entry.term}`;
      const data = `${entry.type} ${entry.data.join()}`;
      const before = core.entryAt(entry.index - 1)?.term;
      const known = this.known.get(key);
      if (known && known.data !== data)
        throw new SimViolation("log matching", `${id} has another entry ${key} of ${status.role}`);
      // Behind the start of the log the term is not to be seen.
      if (before === undefined) continue;
      if (known && known.before !== before)
        throw new SimViolation(
          "log matching",
          `before ${key}, ${id} has an entry of term ${before}, another had ${known.before}`,
        );
      this.known.set(key, { data, before });
    }
  }
}
