import {
  type Change,
  type Compare,
  type KeyValue,
  MAX_TXN_CHANGES,
  type Operation,
  type Revision,
  sameBytes,
} from "@atlasnet/core";
import { type Items, itemBytes } from "./items.ts";

/** True when all compares hold. `term` is that of the log entry. */
export function holds(compares: readonly Compare[], items: Items, term: number): boolean {
  return compares.every((compare) => {
    if (compare.type === "term") return compare.term === term;
    const item = items.get(compare.key);
    if (compare.type === "value")
      return item !== undefined && sameBytes(item.value, compare.equals);
    const modified = item?.modified ?? 0;
    if (compare.is === "equal") return modified === compare.revision;
    return compare.is === "greater" ? modified > compare.revision : modified < compare.revision;
  });
}

export type Plan =
  | { readonly ok: true; readonly changes: readonly Change[] }
  | { readonly ok: false; readonly code: "quota" | "too-large" };

/** What operations would change, in the order of their list. Changes nothing. */
export function plan(
  operations: readonly Operation[],
  items: Items,
  { revision, quotaBytes }: { readonly revision: Revision; readonly quotaBytes: number },
): Plan {
  const changes: Change[] = [];
  let growth = 0;
  const remove = (item: KeyValue): boolean => {
    changes.push({ type: "delete", key: item.key, modified: revision });
    growth -= itemBytes(item.key, item.value);
    return changes.length <= MAX_TXN_CHANGES;
  };
  for (const operation of operations) {
    if (operation.type === "put") {
      const { key, value } = operation;
      const old = items.get(key);
      growth += itemBytes(key, value) - (old === undefined ? 0 : itemBytes(key, old.value));
      const item: KeyValue = {
        key,
        // A view would keep the whole command in memory.
        value: value.slice(),
        created: old?.created ?? revision,
        modified: revision,
        version: (old?.version ?? 0) + 1,
      };
      changes.push({ type: "put", item });
    } else if ("prefix" in operation && operation.prefix !== undefined) {
      const { prefix } = operation;
      items.visit(prefix, (item) => item.key.startsWith(prefix) && remove(item));
    } else if ("key" in operation) {
      const old = items.get(operation.key);
      if (old !== undefined) remove(old);
    }
    if (changes.length > MAX_TXN_CHANGES) return { ok: false, code: "too-large" };
  }
  // A full store still takes what makes it smaller.
  if (growth > 0 && items.bytes + growth > quotaBytes) return { ok: false, code: "quota" };
  return { ok: true, changes };
}
