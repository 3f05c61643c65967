import {
  ABSENT,
  type Change,
  decodeRecord,
  type KeyValue,
  type RecordKind,
  type Records,
  type Revision,
  type Seen,
  seen,
} from "@atlasnet/core";
import { packBytes, unpackBytes } from "./packed-bytes.ts";

/** A record as it is kept: there are several of every shard of the cluster. */
interface Kept {
  readonly packed: string;
  readonly created: Revision;
  readonly modified: Revision;
  readonly version: number;
}

/**
 * The part of the control store that a gameserver goes by, as its watches showed it last. Records are read
 * when they are asked for: most are of shards that live elsewhere.
 */
export class ClusterRecords {
  private readonly items = new Map<string, Kept>();

  get size(): number {
    return this.items.size;
  }

  /** Takes in a state; false when a newer one of the key is here already. */
  apply(change: Change): boolean {
    const key = change.type === "put" ? change.item.key : change.key;
    const modified = change.type === "put" ? change.item.modified : change.modified;
    const before = this.items.get(key);
    if (before !== undefined && before.modified >= modified) return false;
    if (change.type === "put") this.items.set(key, kept(change.item));
    else this.items.delete(key);
    return true;
  }

  /**
   * Everything below a prefix, read anew: keys that differ from what was here. It counts whatever was here:
   * after a restore from a backup, revisions of keys may be lower.
   */
  replace(prefix: string, items: readonly KeyValue[]): readonly string[] {
    const changed: string[] = [];
    const found = new Set<string>();
    for (const item of items) {
      found.add(item.key);
      if (this.items.get(item.key)?.modified === item.modified) continue;
      this.items.set(item.key, kept(item));
      changed.push(item.key);
    }
    for (const key of this.items.keys()) {
      if (!key.startsWith(prefix) || found.has(key)) continue;
      this.items.delete(key);
      changed.push(key);
    }
    return changed;
  }

  /** A record that cannot be read (a newer version wrote it) is none; `problem` says so. */
  seen<K extends RecordKind>(kind: K, key: string): Seen<Records[K]> {
    const item = this.items.get(key);
    if (item === undefined) return ABSENT;
    const decoded = decodeRecord(kind, unpackBytes(item.packed));
    return decoded.ok ? seen(decoded.record, item) : { ...ABSENT, modified: item.modified };
  }

  /** `seen`, for whoever asks again and again: a state is decoded once. Keeps what it gave last. */
  reader<K extends RecordKind>(kind: K, key: string): () => Seen<Records[K]> {
    let item: Kept | undefined;
    let last: Seen<Records[K]> = ABSENT;
    return () => {
      const newest = this.items.get(key);
      if (newest !== item) {
        last = this.seen(kind, key);
        item = newest;
      }
      return last;
    };
  }

  problem(kind: RecordKind, key: string): string | undefined {
    const item = this.items.get(key);
    if (item === undefined) return undefined;
    const decoded = decodeRecord(kind, unpackBytes(item.packed));
    return decoded.ok ? undefined : decoded.problem;
  }

  /** Below a prefix. */
  keys(prefix: string): readonly string[] {
    return [...this.items.keys()].filter((key) => key.startsWith(prefix));
  }

  /** How many states the key has had since it was made; 0 when it is not there. */
  version(key: string): number {
    return this.items.get(key)?.version ?? 0;
  }
}

function kept({ value, created, modified, version }: KeyValue): Kept {
  return { packed: packBytes(value), created, modified, version };
}
