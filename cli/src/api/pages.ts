import type { ApiClient } from "@atlasnet/apiserver/client";
import * as v from "valibot";
import { understood } from "./output.ts";

/** Most that one command gathers. */
const MAX_ITEMS = 200_000;

/** Every page of a list: `field` holds its items, and the next page begins behind `last` of this one. */
export async function allPages<T>(
  client: ApiClient,
  path: string,
  {
    field,
    item,
    query = {},
    last,
  }: {
    readonly field: string;
    readonly item: v.GenericSchema<unknown, T>;
    readonly query?: { readonly [name: string]: string | undefined };
    /** Default: the answer's `last`. */
    readonly last?: (item: T) => string;
  },
): Promise<T[]> {
  const items: T[] = [];
  let after: string | undefined;
  for (;;) {
    const answer = await client.request({ method: "GET", path, query: { ...query, after } });
    const parsed = understood(v.looseObject({ [field]: v.array(item) }), answer);
    const { more, last: named } = understood(pageEnd, answer);
    const found = parsed[field] ?? [];
    items.push(...found);
    const end = found.at(-1);
    after = last !== undefined && end !== undefined ? last(end) : named;
    if (!more || after === undefined || items.length >= MAX_ITEMS) return items;
  }
}

const pageEnd = v.looseObject({ more: v.boolean(), last: v.optional(v.string()) });
