import { type Change, type KeyValue, NODES, SHARDS, WORLDS } from "@atlasnet/core";
import { RecordWatch, type RecordWatchDependencies } from "./record-watch.ts";

const PREFIXES = [NODES, WORLDS, SHARDS] as const;

export interface CatalogueWatchEvents {
  /** Everything below one of the prefixes, read anew. */
  view(prefix: string, items: readonly KeyValue[]): void;
  changes(changes: readonly Change[]): void;
  /** Everything was read, or a part of it once more. */
  complete(): void;
}

/** Follows all records that a node goes by: nodes, worlds and shards. */
export class CatalogueWatch {
  private readonly watches: readonly RecordWatch[];
  private readonly viewed = new Set<string>();

  constructor(dependencies: RecordWatchDependencies, events: CatalogueWatchEvents) {
    this.watches = PREFIXES.map(
      (prefix) =>
        new RecordWatch(prefix, dependencies, {
          view: (of, items) => {
            events.view(of, items);
            this.viewed.add(of);
            if (this.isComplete) events.complete();
          },
          changes: (changes) => events.changes(changes),
        }),
    );
  }

  /** Everything was read since the last `start`. */
  get isComplete(): boolean {
    return this.viewed.size === PREFIXES.length;
  }

  /** Reads everything, from the beginning if it runs already. */
  start(): void {
    this.viewed.clear();
    for (const watch of this.watches) watch.start();
  }

  /** Idempotent; `start` begins again. */
  stop(): void {
    for (const watch of this.watches) watch.stop();
  }
}
