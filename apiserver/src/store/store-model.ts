import { type Compare, type KeyValue, MAX_TXN_CHANGES, type Operation } from "@atlasnet/core";
import type { TxnCommand } from "./commands.ts";
import { ITEM_OVERHEAD_BYTES } from "./limits.ts";
import type { TxnOutcome } from "./request-memory.ts";

/**
 * The store as a reader of the port would write it down: a list that is copied for every transaction, and
 * every answer remembered. What the state machine is compared with.
 */
export class StoreModel {
  revision = 0;
  quotaBytes: number;
  items: readonly KeyValue[] = [];
  readonly answers = new Map<string, TxnOutcome>();
  /** States of all revisions, from 0. */
  readonly states: (readonly KeyValue[])[] = [[]];

  constructor(quotaBytes: number) {
    this.quotaBytes = quotaBytes;
  }

  apply(txn: TxnCommand, term: number): TxnOutcome {
    const known = txn.id === undefined ? undefined : this.answers.get(txn.id);
    const outcome = known ?? this.decide(txn, term);
    if (txn.id !== undefined) this.answers.set(txn.id, outcome);
    return outcome;
  }

  private decide(txn: TxnCommand, term: number): TxnOutcome {
    if (txn.refused !== undefined) return { code: txn.refused };
    const succeeded = txn.compare.every((compare) => this.holds(compare, term));
    const operations = succeeded ? txn.then : (txn.otherwise ?? []);
    const before = new Map(this.items.map((item) => [item.key, item]));
    const after = new Map(before);
    for (const operation of operations) this.change(after, operation);
    const touched = [...new Set([...before.keys(), ...after.keys()])].filter(
      (key) => before.get(key) !== after.get(key),
    );
    if (touched.length > MAX_TXN_CHANGES) return { code: "too-large" };
    const items = [...after.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    if (size(items) > size(this.items) && size(items) > this.quotaBytes) return { code: "quota" };
    if (touched.length === 0) return { code: "done", succeeded, revision: this.revision };
    this.items = items;
    this.states.push(items);
    this.revision += 1;
    return { code: "done", succeeded, revision: this.revision };
  }

  private change(items: Map<string, KeyValue>, operation: Operation): void {
    if (operation.type === "put") {
      const { key, value } = operation;
      const old = items.get(key);
      const modified = this.revision + 1;
      const created = old?.created ?? modified;
      items.set(key, { key, value, created, modified, version: (old?.version ?? 0) + 1 });
    } else
      for (const key of [...items.keys()])
        if ("key" in operation ? key === operation.key : key.startsWith(operation.prefix))
          items.delete(key);
  }

  private holds(compare: Compare, term: number): boolean {
    if (compare.type === "term") return compare.term === term;
    const item = this.items.find(({ key }) => key === compare.key);
    if (compare.type === "value")
      return item !== undefined && Buffer.compare(item.value, compare.equals) === 0;
    const difference = Math.sign((item?.modified ?? 0) - compare.revision);
    return difference === { less: -1, equal: 0, greater: 1 }[compare.is];
  }
}

function size(items: readonly KeyValue[]): number {
  let bytes = 0;
  for (const { key, value } of items) bytes += key.length + value.length + ITEM_OVERHEAD_BYTES;
  return bytes;
}
