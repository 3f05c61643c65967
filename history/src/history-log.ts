import type { HistoryRecord, HistorySink } from "./record.ts";

/** About 100 clients for a minute at 10 messages a second: some 100 MB. */
export const DEFAULT_MAX_RECORDS = 500_000;

/** A history in memory. What comes when it is full is counted and not kept: the checker is told of the hole. */
export class HistoryLog {
  private readonly maxRecords: number;
  private readonly kept: HistoryRecord[] = [];
  private readonly holes = new Map<string, { records: number; at: number }>();

  constructor({ maxRecords = DEFAULT_MAX_RECORDS }: { maxRecords?: number } = {}) {
    this.maxRecords = maxRecords;
  }

  /** A field, so that it can be handed on as it is. */
  readonly sink: HistorySink = (record) => {
    if (this.kept.length < this.maxRecords) {
      this.kept.push(record);
      return;
    }
    const hole = this.holes.get(record.client) ?? { records: 0, at: record.at };
    hole.records += 1;
    this.holes.set(record.client, hole);
  };

  get length(): number {
    return this.kept.length;
  }

  /** What was kept, and behind it for each client what was not. */
  *records(): Iterable<HistoryRecord> {
    yield* this.kept;
    for (const [client, { records, at }] of this.holes)
      yield { client, at, event: { type: "hole", records } };
  }
}

/** Hands each record to all of them. */
export function bothSinks(...sinks: readonly HistorySink[]): HistorySink {
  return (record) => {
    for (const sink of sinks) sink(record);
  };
}
