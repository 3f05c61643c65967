import { encodeCbor, type KeyValue, wireInteger } from "@atlasnet/core";
import type { OrderedView } from "./ordered-map.ts";
import type { Remembered } from "./request-memory.ts";
import type { FrozenState } from "./state-machine.ts";

/** Bytes at which a record ends; its last item may go beyond. */
const RECORD_BYTES = 64 * 1024;
const RECORD_ITEMS = 512;
export const CHECKPOINT_FORMAT = 1;

/**
 * A checkpoint is a row of records, each a length of 32 bits (big-endian) and a CBOR map: one "head", then
 * "items", "staged" and "remembered" in parts, then one "end" with the hash of the whole state. Where the
 * bytes are cut on the way does not matter.
 *
 * Yields one record at a time, which takes well below a millisecond: the caller may do other work in
 * between, and the machine may go on.
 */
export function* encodeCheckpoint(state: FrozenState): Generator<Uint8Array> {
  const { staged } = state;
  yield record({
    type: "head",
    format: CHECKPOINT_FORMAT,
    index: wireInteger(state.index),
    term: wireInteger(state.term),
    revision: wireInteger(state.revision),
    quotaBytes: wireInteger(state.quotaBytes),
    ...(staged && {
      staged: { restore: staged.restore, nextPart: wireInteger(staged.nextPart) },
    }),
  });
  yield* itemRecords("items", state.items);
  if (staged !== undefined) yield* itemRecords("staged", staged.items);
  let remembered: unknown[] = [];
  for (const entry of state.remembered) {
    remembered.push(rememberedFields(entry));
    if (remembered.length < RECORD_ITEMS) continue;
    yield record({ type: "remembered", remembered });
    remembered = [];
  }
  if (remembered.length > 0) yield record({ type: "remembered", remembered });
  yield record({ type: "end", hash: checkpointHash(state) });
}

/** Of everything that a checkpoint holds. */
export function checkpointHash(state: {
  readonly index: number;
  readonly term: number;
  readonly hash: string;
}): string {
  return `${state.index}-${state.term}-${state.hash}`;
}

function* itemRecords(type: string, view: OrderedView<KeyValue>): Generator<Uint8Array> {
  let from: string | undefined = "";
  while (from !== undefined) {
    const items: unknown[] = [];
    let bytes = 0;
    const begin: string = from;
    from = undefined;
    view.visit(begin, (item) => {
      if (bytes >= RECORD_BYTES || items.length >= RECORD_ITEMS) {
        from = item.key;
        return false;
      }
      items.push([
        item.key,
        item.value,
        wireInteger(item.created),
        wireInteger(item.modified),
        wireInteger(item.version),
      ]);
      bytes += item.key.length + item.value.length;
      return true;
    });
    if (items.length > 0) yield record({ type, items });
  }
}

function rememberedFields({ id, index, outcome }: Remembered): unknown {
  return outcome.code === "done"
    ? [id, wireInteger(index), outcome.code, outcome.succeeded, wireInteger(outcome.revision)]
    : [id, wireInteger(index), outcome.code];
}

function record(fields: { readonly [name: string]: unknown }): Uint8Array {
  const body = encodeCbor(fields);
  const bytes = new Uint8Array(4 + body.length);
  new DataView(bytes.buffer).setUint32(0, body.length);
  bytes.set(body, 4);
  return bytes;
}
