import {
  ABSENT,
  type ControlStore,
  decodeRecord,
  generationOf,
  type KeyValue,
  type Logger,
  type Proposal,
  type RecordKind,
  type Records,
  type Seen,
  seen,
} from "@atlasnet/core";
import { ApiError } from "./api-error.ts";

/** A record, and the generation of the store when it was read. */
export type Read<T> = Seen<T> & { readonly generation: number };

/** A record as it is now. @throws ApiError when its bytes are of another version, or damaged */
export async function readRecord<K extends RecordKind>(
  store: ControlStore,
  kind: K,
  key: string,
  consistency: "linearizable" | "local" = "linearizable",
): Promise<Read<Records[K]>> {
  const { items, revision } = await store.range({ key, consistency });
  const [item] = items;
  const generation = generationOf(revision);
  if (item === undefined) return { ...ABSENT, generation };
  const decoded = decodeRecord(kind, item.value);
  if (!decoded.ok) throw new ApiError("internal", `${key} cannot be read: ${decoded.problem}`);
  return { ...seen(decoded.record, item), generation };
}

/** The record of an item, or undefined: then it is in the log. */
export function recordOf<K extends RecordKind>(
  kind: K,
  item: KeyValue,
  logger: Logger,
): Records[K] | undefined {
  const decoded = decodeRecord(kind, item.value);
  if (decoded.ok) return decoded.record;
  logger.warn("A record cannot be read.", { key: item.key, problem: decoded.problem });
  return undefined;
}

/** Others may change a record between reading and writing; after so many times somebody is told. */
const MAX_TRIES = 8;

/** Proposes from what is there, again when that has changed meanwhile. */
export async function propose<T, Code extends string>(
  store: ControlStore,
  read: () => Promise<T>,
  proposal: (before: T) => Proposal<Code>,
  refuse: (code: Code, problem: string) => ApiError,
): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const proposed = proposal(await read());
    if (!proposed.ok) throw refuse(proposed.code, proposed.problem);
    const { succeeded, revision } = await store.txn(proposed.txn);
    if (succeeded) return revision;
  }
  throw new ApiError("conflict", "others change it all the time", "Try again.");
}
