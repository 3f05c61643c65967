import {
  type Logger,
  nodeKey,
  parseRecordKey,
  readAll,
  SHARDS,
  worldKey,
  worldOfShard,
} from "@atlasnet/core";
import { ApiError } from "./api-error.ts";
import { type Migrations, migrate } from "./migrations.ts";
import { readRecord, recordOf } from "./record-access.ts";

export interface AskedAway {
  readonly node: string;
  readonly deadlineMs: number;
  /** Migrations from the node at a time, those that are under way already included. */
  readonly atOnce: number;
  /** Who asks, for people. */
  readonly by: string;
  readonly request: string | undefined;
}

interface Begun {
  readonly shard: string;
  readonly id: string;
  readonly from: string;
  readonly to: string;
}

export interface Away {
  readonly begun: Begun[];
  readonly underWay: string[];
  readonly waiting: number;
  readonly refused: { shard: string; code: string; message: string }[];
}

/** Shards that one request names as refused; the others wait with those whose turn it is not. */
const MAX_REFUSED = 64;

/**
 * Begins migrations of shards that a node owns, until so many are under way. A node is emptied by asking again as they
 * end: so whoever asks bounds how much moves at a time, and stops it by asking no more.
 * @throws ApiError, ControlError
 */
export async function migrateAway(
  parts: Migrations & { readonly logger: Logger },
  { node, deadlineMs, atOnce, by, request }: AskedAway,
): Promise<Away> {
  const { store, logger } = parts;
  const { record } = await readRecord(store, "node", nodeKey(node));
  if (record?.role !== "gameserver")
    throw new ApiError(
      "not-found",
      `there is no gameserver ${node}`,
      "`atlasnet node ls` shows them.",
    );
  const underWay = new Set<string>();
  const owned: string[] = [];
  // The read of the node's record waited for the newest state: what is read here is no older.
  const { items } = await readAll(store, SHARDS, "local");
  for (const item of items) {
    const key = parseRecordKey(item.key);
    if (key?.kind === "owner") {
      const owner = recordOf("owner", item, logger);
      const isOwn = owner?.node === node && owner.boot === record.boot && owner.state === "owned";
      if (isOwn) owned.push(key.shard);
    } else if (key?.kind === "migration") {
      const migration = recordOf("migration", item, logger);
      if (migration?.from === node) underWay.add(key.shard);
    }
  }
  const planned = new Map<string, number>();
  const begun: Begun[] = [];
  const refused: Away["refused"] = [];
  for (const shard of owned) {
    if (underWay.size >= atOnce || refused.length >= MAX_REFUSED) break;
    if (underWay.has(shard)) continue;
    try {
      const { id, from, to } = await migrate(parts, { shard, deadlineMs, by, request, planned });
      begun.push({ shard, id, from, to });
      underWay.add(shard);
      const { record: world } = await readRecord(
        store,
        "world",
        worldKey(worldOfShard(shard) ?? ""),
        "local",
      );
      planned.set(to, (planned.get(to) ?? 0) + (world?.weight ?? 0));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      const { code, message } = error;
      // It waits, as those beyond `atOnce` do.
      if (code === "too-many-requests") break;
      refused.push({ shard, code, message });
    }
  }
  const settled = new Set([...underWay, ...refused.map(({ shard }) => shard)]);
  const waiting = owned.filter((shard) => !settled.has(shard)).length;
  return { begun, underWay: [...underWay], waiting, refused };
}
