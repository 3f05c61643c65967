import {
  type Change,
  type Compare,
  firstRevision,
  generationOf,
  type KeyValue,
  type Operation,
  type TxnRequest,
  type TxnResult,
} from "../control/control-store.ts";
import { decodeRecord, type RecordKind, type Records } from "../control/record-codec.ts";
import { ABSENT, type Seen, seen } from "../control/records.ts";

/**
 * The least that is a control store: a map, revisions, transactions, all at once and in order. For
 * tests of what proposes transactions; it has no bounds, no watches and no ids.
 */
export class TinyStore {
  revision = 0;
  term = 1;
  /** Nodes that hold a lease. */
  readonly leases = new Set<string>();
  /** Called with what every transaction changed. */
  onChanges: ((changes: readonly Change[]) => void) | undefined;
  private items = new Map<string, KeyValue>();

  get generation(): number {
    return generationOf(this.revision);
  }

  get(key: string): KeyValue | undefined {
    return this.items.get(key);
  }

  keys(prefix = ""): readonly string[] {
    return [...this.items.keys()].filter((key) => key.startsWith(prefix)).sort();
  }

  seen<K extends RecordKind>(kind: K, key: string): Seen<Records[K]> {
    const item = this.items.get(key);
    if (item === undefined) return ABSENT;
    const decoded = decodeRecord(kind, item.value);
    if (!decoded.ok) throw new Error(`${key}: ${decoded.problem}`);
    return seen(decoded.record, item);
  }

  txn(request: TxnRequest): TxnResult {
    for (const node of request.leases ?? [])
      if (!this.leases.has(node)) return { succeeded: false, revision: this.revision };
    const succeeded = request.compare.every((compare) => this.holds(compare));
    const operations = succeeded ? request.then : (request.otherwise ?? []);
    const next = this.revision + 1;
    const changes = operations.flatMap((operation) => this.apply(operation, next));
    if (changes.length > 0) this.revision = next;
    if (changes.length > 0) this.onChanges?.(changes);
    return { succeeded, revision: this.revision };
  }

  /** Everything as it is now, for `restore`. */
  backup(): ReadonlyMap<string, KeyValue> {
    return new Map(this.items);
  }

  /** The items of a backup in a new generation. */
  restore(backup: ReadonlyMap<string, KeyValue>): void {
    this.items = new Map(backup);
    this.revision = firstRevision(this.generation + 1);
    this.leases.clear();
  }

  private holds(compare: Compare): boolean {
    if (compare.type === "term") return compare.term === this.term;
    const item = this.items.get(compare.key);
    if (compare.type === "value")
      return item !== undefined && Buffer.compare(item.value, compare.equals) === 0;
    const modified = item?.modified ?? 0;
    if (compare.is === "equal") return modified === compare.revision;
    return compare.is === "greater" ? modified > compare.revision : modified < compare.revision;
  }

  private apply(operation: Operation, revision: number): Change[] {
    if (operation.type === "put") {
      const before = this.items.get(operation.key);
      const item: KeyValue = {
        key: operation.key,
        value: operation.value,
        created: before?.created ?? revision,
        modified: revision,
        version: (before?.version ?? 0) + 1,
      };
      this.items.set(item.key, item);
      return [{ type: "put", item }];
    }
    const keys = "key" in operation ? [operation.key] : this.keys(operation.prefix);
    return keys.flatMap((key) =>
      this.items.delete(key) ? [{ type: "delete", key, modified: revision } as const] : [],
    );
  }
}
