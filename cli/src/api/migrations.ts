import type { ApiClient } from "@atlasnet/apiserver/client";
import * as v from "valibot";
import { understood } from "./output.ts";

export const migrationSchema = v.looseObject({
  shard: v.string(),
  world: v.string(),
  id: v.string(),
  from: v.string(),
  to: v.string(),
  reason: v.string(),
  by: v.optional(v.string()),
  started: v.string(),
  progress: v.optional(
    v.looseObject({
      phase: v.string(),
      bytes: v.number(),
      totalBytes: v.number(),
      lagTicks: v.number(),
    }),
  ),
});
export type Migration = v.InferOutput<typeof migrationSchema>;

/** How one ended. */
export const movedSchema = v.looseObject({
  shard: v.string(),
  world: v.string(),
  id: v.string(),
  from: v.string(),
  to: v.string(),
  reason: v.string(),
  outcome: v.string(),
  by: v.string(),
  problem: v.string(),
  started: v.string(),
  ended: v.string(),
  gapMs: v.optional(v.number()),
  bytes: v.optional(v.number()),
});
export type Moved = v.InferOutput<typeof movedSchema>;

export const begunSchema = v.looseObject({
  shard: v.string(),
  id: v.string(),
  from: v.string(),
  to: v.string(),
});
export type Begun = v.InferOutput<typeof begunSchema>;

const shownSchema = v.looseObject({
  migration: v.optional(migrationSchema),
  moved: v.optional(movedSchema),
});

export function migrationPath(shard: string): string {
  return `/v1/migrations/${shard.split("/").map(encodeURIComponent).join("/")}`;
}

export async function shownMigration(client: ApiClient, shard: string) {
  const answer = await client.request({ method: "GET", path: migrationPath(shard) });
  return understood(shownSchema, answer);
}

/** How often an apiserver is asked while a migration is under way: it knows as much no more often. */
const ASK_MS = 250;
/** The new owner measures after its first tick, and says so a moment later; then the move counts without. */
const MEASURED_WITHIN_MS = 3_000;

/**
 * Looks at a migration until it has ended; `under` is told how it comes along. Undefined: another one has ended since,
 * and this one's end is not known any more, or `stop` came first.
 */
export async function awaitMigration(
  client: ApiClient,
  { shard, id }: Pick<Begun, "shard" | "id">,
  { stop, under }: { readonly stop: AbortSignal; under(migration: Migration): void },
): Promise<Moved | undefined> {
  let endedAt: number | undefined;
  while (!stop.aborted) {
    const { migration, moved } = await shownMigration(client, shard);
    if (migration?.id === id) under(migration);
    else if (moved?.id !== id) return undefined;
    else {
      endedAt ??= client.clock.now();
      const isMeasured = moved.outcome !== "moved" || moved.gapMs !== undefined;
      if (isMeasured || client.clock.now() - endedAt >= MEASURED_WITHIN_MS) return moved;
    }
    await client.pause(ASK_MS);
  }
  return undefined;
}
