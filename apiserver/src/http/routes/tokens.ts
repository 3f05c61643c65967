import { MAX_TOKEN_SECONDS } from "@atlasnet/core";
import * as v from "valibot";
import { ApiError } from "../api-error.ts";
import { jsonRoute, ROLES, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import { changedSchema } from "../schemas.ts";
import { createToken, decodeTokenRecord, encodeTokenRecord, TOKENS } from "../tokens.ts";

/** Tokens of a cluster. */
const MAX_TOKENS = 1000;

const tokenSchema = v.strictObject({
  id: v.string(),
  name: v.string(),
  role: v.picklist(ROLES),
  created: v.string(),
  expires: v.optional(v.string()),
});

export function tokenRoutes({ store, clock, random }: RouteParts): Route[] {
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/tokens",
      name: "tokens.list",
      summary: "The tokens, without their secrets.",
      role: "admin",
      answer: v.strictObject({ tokens: v.array(tokenSchema) }),
      handle: async () => {
        const { items } = await store.range({ prefix: TOKENS });
        return {
          tokens: items.flatMap((item) => {
            const record = decodeTokenRecord(item.value);
            if (record === undefined) return [];
            const { name, role, created, expires } = record;
            const until = expires === 0 ? {} : { expires: date(expires) };
            const id = item.key.slice(TOKENS.length);
            return [{ id, name, role, created: date(created), ...until }];
          }),
        };
      },
    }),
    jsonRoute({
      method: "POST",
      path: "/v1/tokens",
      name: "tokens.create",
      summary: "Makes a token. The answer is the only place where it is ever shown.",
      role: "admin",
      changes: true,
      status: 201,
      body: v.strictObject({
        name: v.pipe(v.string(), v.regex(/^[\p{L}\p{N}][\p{L}\p{N} ._@-]{0,63}$/u)),
        role: v.picklist(ROLES),
        ttlSeconds: v.optional(
          v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(MAX_TOKEN_SECONDS)),
        ),
      }),
      answer: v.strictObject({ id: v.string(), token: v.string() }),
      handle: async ({ body: { name, role, ttlSeconds } }) => {
        if ((await store.range({ prefix: TOKENS, limit: MAX_TOKENS })).items.length >= MAX_TOKENS)
          throw new ApiError(
            "quota",
            `there are ${MAX_TOKENS} tokens; more are not allowed`,
            "Delete those that are not needed.",
          );
        const created = Math.trunc(clock.wallTime());
        const expires = ttlSeconds === undefined ? 0 : created + ttlSeconds * 1000;
        const made = createToken({ name, role, created, expires }, random);
        const key = `${TOKENS}${made.id}`;
        await store.txn({
          compare: [],
          then: [{ type: "put", key, value: encodeTokenRecord(made.record) }],
        });
        return { id: made.id, token: made.token };
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/v1/tokens/{id}",
      name: "tokens.remove",
      summary: "Revokes a token. Streams that it opened end within an hour.",
      role: "admin",
      changes: true,
      params: v.strictObject({ id: v.pipe(v.string(), v.regex(/^[0-9a-f]{16}$/)) }),
      answer: changedSchema,
      handle: async ({ params }, { id }) => {
        const key = `${TOKENS}${params.id}`;
        const { succeeded, revision } = await store.txn({
          ...(id === undefined ? {} : { id }),
          compare: [{ type: "modified", key, is: "greater", revision: 0 }],
          then: [{ type: "delete", key }],
        });
        if (!succeeded) throw new ApiError("not-found", `there is no token ${params.id}`);
        return { revision };
      },
    }),
  ];
}

function date(at: number): string {
  return new Date(at).toISOString();
}
