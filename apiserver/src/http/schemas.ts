import {
  isNodeName,
  isWorldName,
  type KeyValue,
  MAX_KEY_BYTES,
  MAX_RANGE_ITEMS,
  MAX_VALUE_BYTES,
  NODE_NAME_ALLOWED,
  WORLD_NAME_ALLOWED,
} from "@atlasnet/core";
import * as v from "valibot";

/** What several routes have in common. Lengths in letters: the store checks the bytes. */

export const keyText = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_KEY_BYTES));
export const prefixText = v.pipe(v.string(), v.maxLength(MAX_KEY_BYTES));
export const revisionNumber = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
export const nodeName = v.pipe(
  v.string(),
  v.maxLength(64),
  v.check(isNodeName, `the id of a node is needed: ${NODE_NAME_ALLOWED}`),
);
export const worldName = v.pipe(
  v.string(),
  v.maxLength(64),
  v.check(isWorldName, `the name of a world is needed: ${WORLD_NAME_ALLOWED}`),
);

/** A revision in a query. */
export const revisionText = v.pipe(
  v.string(),
  v.regex(/^\d{1,16}$/, "a revision is needed"),
  v.transform(Number),
  v.safeInteger(),
);

/** Items of one answer; the default is as many as fit. */
export function limitText(most: number = MAX_RANGE_ITEMS) {
  return v.pipe(
    v.string(),
    v.regex(/^[1-9]\d{0,6}$/, `a number from 1 to ${most} is needed`),
    v.transform(Number),
    v.maxValue(most),
  );
}

export const consistencyText = v.picklist(["linearizable", "local"]);

/** Bytes in JSON: base64, with padding. */
export const base64Text = v.pipe(
  v.string(),
  v.maxLength(Math.ceil(MAX_VALUE_BYTES / 3) * 4 + 4),
  v.regex(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, "base64 is needed"),
);

/** An item whose value is text where it can be: exactly one of `text` and `base64` is there. */
export const itemSchema = v.strictObject({
  key: v.string(),
  text: v.optional(v.string()),
  base64: v.optional(v.string()),
  created: revisionNumber,
  modified: revisionNumber,
  version: v.number(),
});
export type Item = v.InferOutput<typeof itemSchema>;

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function itemOf(item: KeyValue, prefix = ""): Item {
  const { created, modified, version } = item;
  const rest = { created, modified, version };
  const key = item.key.slice(prefix.length);
  try {
    return { key, text: utf8.decode(item.value), ...rest };
  } catch {
    // Not text: that is what base64 is for.
    return { key, base64: toBase64(item.value), ...rest };
  }
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
}

/** Bytes of their own: small buffers of Node share one. */
export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, "base64"));
}

/** The result of a change: the revision of the store after it. */
export const changedSchema = v.strictObject({ revision: revisionNumber });

export const errorSchema = v.strictObject({
  code: v.string(),
  message: v.string(),
  hint: v.optional(v.string()),
});
