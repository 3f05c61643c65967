import {
  decodeRecord,
  firstShard,
  type Operation,
  parseRecordKey,
  type RecordKind,
  type Records,
  type TxnRequest,
} from "@atlasnet/core";

/** What a transaction says by itself, for those who judge who may propose it. */

/** What a list of operations does to the records of one shard and its world, as words in order. */
export function operationsOn(shard: string, operations: readonly Operation[]): string {
  const does = operations.flatMap((operation) => {
    const key = "key" in operation ? parseRecordKey(operation.key) : undefined;
    const about =
      key?.kind === "world" ? firstShard(key.world) : key && "shard" in key && key.shard;
    return key !== undefined && about === shard ? [`${operation.type} ${key.kind}`] : [];
  });
  return does.sort().join(", ");
}

/** The record that `then` puts there, or why it cannot be read; undefined: it puts nothing there. */
export function written<K extends RecordKind>(
  kind: K,
  key: string,
  { then }: Pick<TxnRequest, "then">,
): Records[K] | string | undefined {
  for (const operation of then) {
    if (operation.type !== "put" || operation.key !== key) continue;
    const decoded = decodeRecord(kind, operation.value);
    return decoded.ok ? decoded.record : `${key}: ${decoded.problem}`;
  }
  return undefined;
}

/** The record that has to stand there as these bytes for the transaction to be carried out. */
export function comparedRecord<K extends RecordKind>(
  kind: K,
  key: string,
  { compare }: Pick<TxnRequest, "compare">,
): Records[K] | undefined {
  for (const each of compare) {
    if (each.type !== "value" || each.key !== key) continue;
    const decoded = decodeRecord(kind, each.equals);
    if (decoded.ok) return decoded.record;
  }
  return undefined;
}

export function comparesRevision(
  { compare }: Pick<TxnRequest, "compare">,
  key: string,
  revision: number,
): boolean {
  return compare.some(
    (each) =>
      each.type === "modified" &&
      each.key === key &&
      each.is === "equal" &&
      each.revision === revision,
  );
}
