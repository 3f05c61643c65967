import type { Entry, RaftStatus } from "../../raft/core/types.ts";
import type { Checker, NodeView } from "../../raft/sim/checkers/checker.ts";
import { ElectionSafety } from "../../raft/sim/checkers/election-safety.ts";
import { LeaderAppendOnly } from "../../raft/sim/checkers/leader-append-only.ts";
import { LeaderCompleteness } from "../../raft/sim/checkers/leader-completeness.ts";
import { LogMatching } from "../../raft/sim/checkers/log-matching.ts";
import type { Save, Stored } from "../../wal/wal-options.ts";
import type { Violations } from "./violations.ts";

/** A member's log as it was handed to its disk. */
class LogMirror {
  private entries = new Map<number, Entry>();
  first = 1;
  last = 0;
  lastTerm = 0;

  constructor({ checkpoint, entries }: Pick<Stored, "checkpoint" | "entries">) {
    if (checkpoint) this.replace(checkpoint);
    for (const entry of entries) this.put(entry);
  }

  entryAt(index: number): Entry | undefined {
    return this.entries.get(index);
  }

  take({ truncateFrom, checkpoint, entries = [] }: Save): void {
    if (truncateFrom !== undefined) this.truncate(truncateFrom);
    // The leader's, in place of entries that are not those of the group.
    if (checkpoint && !this.has(checkpoint)) this.replace(checkpoint);
    for (const entry of entries) this.put(entry);
  }

  private has({ index, term }: { readonly index: number; readonly term: number }): boolean {
    return index < this.first || this.entries.get(index)?.term === term;
  }

  private truncate(from: number): void {
    for (let index = from; index <= this.last; index++) this.entries.delete(index);
    this.last = Math.min(this.last, from - 1);
    this.lastTerm = this.entries.get(this.last)?.term ?? 0;
  }

  private replace({ index, term }: { readonly index: number; readonly term: number }): void {
    this.entries = new Map();
    this.first = index + 1;
    this.last = index;
    this.lastTerm = term;
  }

  private put(entry: Entry): void {
    this.entries.set(entry.index, entry);
    this.last = entry.index;
    this.lastTerm = entry.term;
  }
}

/** Four of Raft's five rules, watched from outside of real runners; the fifth is the business of `History`. */
export class RaftWatch {
  private readonly mirrors = new Map<string, LogMirror>();
  private readonly elections = new ElectionSafety();
  private readonly checkers: readonly Checker[] = [
    this.elections,
    new LeaderAppendOnly(),
    new LogMatching(),
    new LeaderCompleteness(),
  ];
  private readonly violations: Violations;

  constructor(violations: Violations) {
    this.violations = violations;
  }

  get leaders(): number {
    return this.elections.elections;
  }

  started(id: string, stored: Pick<Stored, "checkpoint" | "entries">): void {
    this.mirrors.set(id, new LogMirror(stored));
  }

  crashed(id: string): void {
    this.mirrors.delete(id);
    for (const checker of this.checkers) checker.onCrash?.(id);
  }

  saved(id: string, save: Save, status: RaftStatus): void {
    const mirror = this.mirrors.get(id);
    if (mirror === undefined) return;
    mirror.take(save);
    const { entries = [] } = save;
    if (entries.length > 0)
      this.tell((checker) => checker.onEntries?.(view(id, mirror, status), entries));
  }

  changed(id: string, status: RaftStatus): void {
    const mirror = this.mirrors.get(id);
    if (mirror !== undefined) this.tell((checker) => checker.onState?.(view(id, mirror, status)));
  }

  private tell(call: (checker: Checker) => void): void {
    this.violations.collect(() => {
      for (const checker of this.checkers) call(checker);
    });
  }
}

/** As of what was handed to the disk: the core may be ahead of it. */
function view(id: string, mirror: LogMirror, status: RaftStatus): NodeView {
  const { first, last, lastTerm } = mirror;
  return {
    id,
    core: mirror,
    status: {
      ...status,
      firstIndex: Math.max(first, status.firstIndex),
      lastIndex: last,
      lastTerm,
      commit: status.applied,
    },
  };
}
