import { firstShard, type KeyValue, type MovedRecord, movedKey } from "@atlasnet/core";
import { movedOf } from "./records.ts";

/** How the migrations of a run ended, counted: runs in which none ends prove little about them. */
export class Moves {
  moved = 0;
  aborted = 0;
  /** Of those that were to bring another version. */
  upgradesAborted = 0;
  private readonly worlds: readonly string[];
  private readonly last = new Map<string, string>();

  constructor({ worlds }: { readonly worlds: readonly string[] }) {
    this.worlds = worlds;
  }

  /** Something was committed. */
  look(item: (key: string) => KeyValue | undefined, ended: (record: MovedRecord) => void): void {
    for (const world of this.worlds) {
      const record = movedOf(item(movedKey(firstShard(world))));
      if (record === undefined || this.last.get(world) === record.id) continue;
      this.last.set(world, record.id);
      if (record.outcome === "moved") this.moved += 1;
      else this.aborted += 1;
      if (record.outcome !== "moved" && record.reason === "upgraded") this.upgradesAborted += 1;
      ended(record);
    }
  }
}
