import * as v from "valibot";
import { ApiError } from "../api-error.ts";
import { exactlyOne, fromBody, kvPrefix } from "../kv-values.ts";
import { eventsRoute, jsonRoute, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import {
  base64Text,
  changedSchema,
  consistencyText,
  itemOf,
  itemSchema,
  keyText,
  limitText,
  nodeName,
  prefixText,
  revisionNumber,
  revisionText,
} from "../schemas.ts";

/** Half of a surrogate pair is no text: it would come back as something else. */
const wholeText = v.pipe(
  v.string(),
  v.check((text) => !/\p{Cs}/u.test(text), "text without broken surrogate pairs is needed"),
);

/** The key-value store of the cluster, or with `node` the one of that node. */
const scope = { node: v.optional(nodeName) };

const changeSchema = v.variant("type", [
  v.strictObject({ type: v.literal("put"), item: itemSchema }),
  v.strictObject({ type: v.literal("delete"), key: v.string(), modified: revisionNumber }),
]);

export function kvRoutes({ store }: RouteParts): Route[] {
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/kv",
      name: "kv.list",
      summary: "Keys below a prefix, page by page: `after` is the last key of the page before.",
      role: "read",
      query: v.strictObject({
        ...scope,
        prefix: v.optional(prefixText, ""),
        after: v.optional(prefixText),
        limit: v.exactOptional(limitText()),
        consistency: v.exactOptional(consistencyText),
      }),
      answer: v.strictObject({
        revision: revisionNumber,
        items: v.array(itemSchema),
        more: v.boolean(),
      }),
      handle: async ({ query: { node, prefix, after, ...rest } }) => {
        const base = kvPrefix(node);
        const { revision, items, more } = await store.range({
          prefix: base + prefix,
          ...rest,
          ...(after === undefined ? {} : { after: base + after }),
        });
        return { revision, items: items.map((item) => itemOf(item, base)), more };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/kv/item",
      name: "kv.get",
      summary: "One key.",
      role: "read",
      query: v.strictObject({
        ...scope,
        key: keyText,
        consistency: v.exactOptional(consistencyText),
      }),
      answer: itemSchema,
      handle: async ({ query: { node, key, ...rest } }) => {
        const base = kvPrefix(node);
        const [item] = (await store.range({ key: base + key, ...rest })).items;
        if (item === undefined) throw noKey(key);
        return itemOf(item, base);
      },
    }),
    jsonRoute({
      method: "PUT",
      path: "/v1/kv/item",
      name: "kv.put",
      summary:
        "Sets a key. With `revision` only when it was last changed there; 0: only when it is not there yet.",
      role: "operate",
      changes: true,
      query: v.strictObject({ ...scope, key: keyText }),
      body: v.pipe(
        v.strictObject({
          text: v.optional(wholeText),
          base64: v.optional(base64Text),
          revision: v.optional(revisionNumber),
        }),
        v.check((body) => exactlyOne(body), "either text or base64 is needed"),
      ),
      answer: changedSchema,
      handle: async ({ query: { node, key }, body }, { id }) => {
        const full = kvPrefix(node) + key;
        const { succeeded, revision } = await store.txn({
          ...(id === undefined ? {} : { id }),
          compare: unchanged(full, body.revision),
          then: [{ type: "put", key: full, value: fromBody(body) }],
        });
        if (!succeeded) throw changedMeanwhile(key, body.revision);
        return { revision };
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/v1/kv/item",
      name: "kv.delete",
      summary: "Deletes a key. With `revision` only when it was last changed there.",
      role: "operate",
      changes: true,
      query: v.strictObject({ ...scope, key: keyText, revision: v.optional(revisionText) }),
      answer: changedSchema,
      handle: async ({ query: { node, key, revision: seen } }, { id }) => {
        const full = kvPrefix(node) + key;
        const { succeeded, revision } = await store.txn({
          ...(id === undefined ? {} : { id }),
          compare:
            seen === undefined
              ? [{ type: "modified", key: full, is: "greater", revision: 0 }]
              : unchanged(full, seen),
          then: [{ type: "delete", key: full }],
        });
        if (!succeeded) throw seen === undefined ? noKey(key) : changedMeanwhile(key, seen);
        return { revision };
      },
    }),
    eventsRoute({
      method: "GET",
      path: "/v1/kv/watch",
      name: "kv.watch",
      summary: "Changes of one key, or of all below a prefix, behind the revision `after`.",
      role: "read",
      query: v.pipe(
        v.strictObject({
          ...scope,
          key: v.optional(keyText),
          prefix: v.optional(prefixText),
          after: v.optional(revisionText),
        }),
        v.check(
          ({ key, prefix }) => (key === undefined) !== (prefix === undefined),
          "either key or prefix is needed",
        ),
      ),
      answer: v.strictObject({ revision: revisionNumber, changes: v.array(changeSchema) }),
      handle: ({ query: { node, key, prefix = "", after } }) => {
        const base = kvPrefix(node);
        const from = after === undefined ? {} : { after };
        return {
          request:
            key === undefined ? { prefix: base + prefix, ...from } : { key: base + key, ...from },
          present: (change) =>
            change.type === "put"
              ? { type: "put", item: itemOf(change.item, base) }
              : { ...change, key: change.key.slice(base.length) },
        };
      },
    }),
  ];
}

function unchanged(key: string, revision: number | undefined) {
  return revision === undefined ? [] : [{ type: "modified", key, is: "equal", revision } as const];
}

function noKey(key: string): ApiError {
  return new ApiError("not-found", `there is no key ${key}`, "`atlasnet kv ls` shows them.");
}

function changedMeanwhile(key: string, revision: number | undefined): ApiError {
  return new ApiError(
    "conflict",
    revision === 0 ? `there is a key ${key} already` : `${key} is not as it was at ${revision}`,
    "Read it again, and decide anew.",
  );
}
