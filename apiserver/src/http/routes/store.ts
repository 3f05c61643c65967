import {
  type Compare,
  type KeySelector,
  MAX_REQUEST_ID_LENGTH,
  MAX_TXN_PARTS,
  type Operation,
} from "@atlasnet/core";
import * as v from "valibot";
import { eventsRoute, jsonRoute, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import {
  base64Text,
  consistencyText,
  fromBase64,
  keyText,
  prefixText,
  revisionNumber,
  revisionText,
  toBase64,
} from "../schemas.ts";
import { changedData, rangeAnswer, type storedItem, txnAnswer } from "../store-schemas.ts";

/** The whole control store, as the port has it: for programs (`ControlClient`), with an administrator's token. */

const selector = { key: v.optional(keyText), prefix: v.optional(prefixText) };
interface Selecting {
  readonly key?: string | undefined;
  readonly prefix?: string | undefined;
}
const oneOf = ({ key, prefix }: Selecting) => (key === undefined) !== (prefix === undefined);
const ONE_OF = "either key or prefix is needed";

const compare = v.variant("type", [
  v.strictObject({
    type: v.literal("modified"),
    key: keyText,
    is: v.picklist(["equal", "greater", "less"]),
    revision: revisionNumber,
  }),
  v.strictObject({ type: v.literal("value"), key: keyText, equals: base64Text }),
  v.strictObject({ type: v.literal("term"), term: revisionNumber }),
]);
const operation = v.variant("type", [
  v.strictObject({ type: v.literal("put"), key: keyText, value: base64Text }),
  v.pipe(
    v.strictObject({ type: v.literal("delete"), ...selector }),
    v.check((given) => oneOf(given), ONE_OF),
  ),
]);
const operations = v.pipe(v.array(operation), v.maxLength(MAX_TXN_PARTS));

export function storeRoutes({ store }: RouteParts): Route[] {
  return [
    jsonRoute({
      method: "POST",
      path: "/v1/store/range",
      name: "store.range",
      summary: "Reads keys of the whole control store. Values are base64.",
      role: "admin",
      body: v.pipe(
        v.strictObject({
          ...selector,
          limit: v.exactOptional(v.number()),
          after: v.exactOptional(prefixText),
          consistency: v.exactOptional(consistencyText),
        }),
        v.check((given) => oneOf(given), ONE_OF),
      ),
      answer: rangeAnswer,
      handle: async ({ body: { key, prefix, ...rest } }) => {
        const { revision, items, more } = await store.range({
          ...selectorOf({ key, prefix }),
          ...rest,
        });
        return { revision, items: items.map(storedItemOf), more };
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/store/txn",
      name: "store.txn",
      summary: "One transaction on the control store: all or nothing, and once for each id.",
      role: "admin",
      changes: true,
      body: v.strictObject({
        id: v.optional(v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_REQUEST_ID_LENGTH))),
        compare: v.pipe(v.array(compare), v.maxLength(MAX_TXN_PARTS)),
        then: operations,
        otherwise: v.optional(operations),
        leases: v.optional(v.pipe(v.array(keyText), v.maxLength(16))),
      }),
      answer: txnAnswer,
      handle: async ({ body }, call) => {
        const id = body.id ?? call.id;
        return store.txn({
          ...(id === undefined ? {} : { id }),
          compare: body.compare.map(compareOf),
          then: body.then.map(operationOf),
          ...(body.otherwise === undefined ? {} : { otherwise: body.otherwise.map(operationOf) }),
          ...(body.leases === undefined ? {} : { leases: body.leases }),
        });
      },
    }),
    eventsRoute({
      method: "GET",
      path: "/v1/store/watch",
      name: "store.watch",
      summary: "Changes of the control store behind the revision `after`.",
      role: "admin",
      query: v.pipe(
        v.strictObject({ ...selector, after: v.optional(revisionText) }),
        v.check((given) => oneOf(given), ONE_OF),
      ),
      answer: changedData,
      handle: ({ query: { key, prefix, after } }) => ({
        request: { ...selectorOf({ key, prefix }), ...(after === undefined ? {} : { after }) },
        present: (change) =>
          change.type === "put" ? { type: "put", item: storedItemOf(change.item) } : change,
      }),
    }),
  ];
}

function selectorOf({ key, prefix = "" }: Selecting): KeySelector {
  return key === undefined ? { prefix } : { key };
}

function storedItemOf(item: {
  readonly key: string;
  readonly value: Uint8Array;
  readonly created: number;
  readonly modified: number;
  readonly version: number;
}): v.InferOutput<typeof storedItem> {
  return { ...item, value: toBase64(item.value) };
}

function compareOf(given: v.InferOutput<typeof compare>): Compare {
  return given.type === "value" ? { ...given, equals: fromBase64(given.equals) } : given;
}

function operationOf(given: v.InferOutput<typeof operation>): Operation {
  if (given.type === "put") return { ...given, value: fromBase64(given.value) };
  return { type: "delete", ...selectorOf(given) };
}
