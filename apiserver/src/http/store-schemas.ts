import * as v from "valibot";
import { revisionNumber } from "./schemas.ts";

/** Answers of the routes that serve the whole control store. Values are base64. */

export const storedItem = v.strictObject({
  key: v.string(),
  value: v.string(),
  created: revisionNumber,
  modified: revisionNumber,
  version: v.number(),
});
export const storedChange = v.variant("type", [
  v.strictObject({ type: v.literal("put"), item: storedItem }),
  v.strictObject({ type: v.literal("delete"), key: v.string(), modified: revisionNumber }),
]);
export const rangeAnswer = v.strictObject({
  revision: revisionNumber,
  items: v.array(storedItem),
  more: v.boolean(),
});
export const txnAnswer = v.strictObject({ succeeded: v.boolean(), revision: revisionNumber });
export const changedData = v.strictObject({
  revision: revisionNumber,
  changes: v.array(storedChange),
});
