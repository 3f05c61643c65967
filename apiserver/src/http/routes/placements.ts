import {
  ABSENT,
  type ControlStore,
  firstShard,
  type Logger,
  type MirrorRecord,
  mirroredEpoch,
  NODES,
  type NodeRecord,
  type OwnerRecord,
  parseRecordKey,
  readAll,
  type Seen,
  SHARDS,
  type ShardRecord,
  seen,
  WORLDS,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import * as v from "valibot";
import { placementStatus } from "../explain-placement.ts";
import type { PlacementPort } from "../ports.ts";
import { readRecord, recordOf } from "../record-access.ts";
import { migrationJson } from "../record-schemas.ts";
import { jsonRoute, type Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import { limitText, revisionNumber, worldName } from "../schemas.ts";
import { noWorld } from "./worlds.ts";

/** Worlds of one page. */
const MAX_WORLDS = 1000;

const placementSchema = v.strictObject({
  world: v.string(),
  shard: v.string(),
  state: v.picklist(["owned", "wanted", "unplaced", "disabled"]),
  owner: v.optional(
    v.strictObject({
      node: v.string(),
      boot: v.string(),
      state: v.picklist(["owned", "released"]),
      epoch: revisionNumber,
    }),
  ),
  wanted: v.optional(v.string()),
  reason: v.optional(v.string()),
  /** It has no players and no memory, as its owner said last; it wakes when somebody comes. */
  asleep: v.optional(v.literal(true)),
  /** It is on its way, live. */
  migration: v.optional(
    v.strictObject({ id: v.string(), from: v.string(), to: v.string(), started: v.string() }),
  ),
  /** Who mirrors what its owner runs, or is asked to. */
  mirror: v.optional(v.strictObject({ node: v.string(), state: v.picklist(["asked", "in-sync"]) })),
  why: v.array(v.string()),
});
type PlacementJson = v.InferOutput<typeof placementSchema>;

interface Shard {
  shard: Seen<ShardRecord>;
  owner: Seen<OwnerRecord>;
  mirror: Seen<MirrorRecord>;
  migration?: PlacementJson["migration"];
}

export function placementRoutes({ store, logger, placement }: RouteParts): Route[] {
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/placements",
      name: "placements.list",
      summary:
        "Where worlds run, or why they do not, page by page: `after` is the last world of the page before.",
      role: "read",
      query: v.strictObject({
        after: v.optional(worldName),
        limit: v.optional(limitText(MAX_WORLDS), "100"),
      }),
      answer: v.strictObject({
        revision: revisionNumber,
        placements: v.array(placementSchema),
        more: v.boolean(),
        /** The last world of this page. */
        last: v.optional(v.string()),
      }),
      handle: async ({ query: { after, limit } }) => {
        const { revision, items, more } = await store.range({
          prefix: WORLDS,
          limit,
          ...(after === undefined ? {} : { after: worldKey(after) }),
        });
        const nodes = await readNodes(store, logger);
        const failures = await failuresOf(placement);
        const placements: PlacementJson[] = [];
        for (const item of items) {
          const record = recordOf("world", item, logger);
          if (record === undefined) continue;
          const world = item.key.slice(WORLDS.length);
          const facts = { store, logger, placement, failures, nodes, revision };
          placements.push(...(await placementsOf(world, seen(record, item), facts)));
        }
        const last = items.at(-1)?.key.slice(WORLDS.length);
        const told = await withSleep(placements, placement);
        return { revision, placements: told, more, ...(last === undefined ? {} : { last }) };
      },
    }),
    jsonRoute({
      method: "GET",
      path: "/v1/placements/{world}",
      name: "placements.show",
      summary: "Where the shards of a world run, or why they do not.",
      role: "read",
      params: v.strictObject({ world: worldName }),
      answer: v.strictObject({ placements: v.array(placementSchema) }),
      handle: async ({ params: { world } }) => {
        const record = await readRecord(store, "world", worldKey(world));
        if (record.record === undefined) throw noWorld(world);
        const nodes = await readNodes(store, logger);
        const { revision } = await store.range({ key: worldKey(world), consistency: "local" });
        const failures = await failuresOf(placement);
        const facts = { store, logger, placement, failures, nodes, revision };
        const placements = await placementsOf(world, record, facts);
        return { placements: await withSleep(placements, placement) };
      },
    }),
  ];
}

interface Facts {
  readonly store: ControlStore;
  readonly logger: Logger;
  readonly placement: PlacementPort | undefined;
  /** By shard, as sentences. */
  readonly failures: ReadonlyMap<string, readonly string[]>;
  readonly nodes: ReadonlyMap<string, Seen<NodeRecord>>;
  readonly revision: number;
}

/** The world was read just now, so what this apiserver knows is no older. */
async function placementsOf(
  world: string,
  record: Seen<WorldRecord>,
  { store, logger, placement, failures, nodes, revision }: Facts,
): Promise<PlacementJson[]> {
  const { items } = await readAll(store, `${SHARDS}${world}/`, "local");
  const shards = new Map<string, Shard>();
  const shardOf = (name: string) => {
    const there: Shard = shards.get(name) ?? { shard: ABSENT, owner: ABSENT, mirror: ABSENT };
    shards.set(name, there);
    return there;
  };
  for (const item of items) {
    const key = parseRecordKey(item.key);
    if (key?.kind === "shard") {
      const content = recordOf("shard", item, logger);
      if (content !== undefined) shardOf(key.shard).shard = seen(content, item);
    } else if (key?.kind === "owner") {
      const content = recordOf("owner", item, logger);
      if (content !== undefined) shardOf(key.shard).owner = seen(content, item);
    } else if (key?.kind === "mirror") {
      const content = recordOf("mirror", item, logger);
      if (content !== undefined) shardOf(key.shard).mirror = seen(content, item);
    } else if (key?.kind === "migration") {
      const content = recordOf("migration", item, logger);
      if (content === undefined) continue;
      const { id, from, to, started } = migrationJson(key.shard, content, item.modified);
      shardOf(key.shard).migration = { id, from, to, started };
    }
  }
  if (shards.size === 0) shardOf(firstShard(world));
  return [...shards].map(([shard, { shard: asked, owner, mirror, migration }]) => {
    const { state, why } = placementStatus({
      world: record,
      shard: asked,
      owner,
      mirror,
      nodes,
      revision,
    });
    return {
      world,
      shard,
      state,
      ...(owner.record === undefined
        ? {}
        : {
            owner: {
              node: owner.record.node,
              boot: owner.record.boot,
              state: owner.record.state,
              epoch: owner.modified,
            },
          }),
      ...(asked.record?.wanted === undefined ? {} : { wanted: asked.record.wanted }),
      ...(asked.record === undefined ? {} : { reason: asked.record.reason }),
      ...(migration === undefined ? {} : { migration }),
      ...mirrorJson(mirror, owner),
      why: [
        ...((state === "unplaced" ? placement?.problems(world) : undefined) ?? why),
        ...(failures.get(shard) ?? []),
      ],
    };
  });
}

/** Of an earlier ownership it says nothing any more. */
function mirrorJson(
  mirror: Seen<MirrorRecord>,
  owner: Seen<OwnerRecord>,
): Pick<PlacementJson, "mirror"> {
  const { record } = mirror;
  const isOfNow = mirroredEpoch(mirror) === owner.modified && owner.record?.state === "owned";
  return record !== undefined && isOfNow
    ? { mirror: { node: record.node, state: record.state } }
    : {};
}

/** Said of those that their owner runs, and is not moving. */
async function withSleep(
  placements: readonly PlacementJson[],
  placement: PlacementPort | undefined,
): Promise<PlacementJson[]> {
  const mayBe = ({ state, migration }: PlacementJson) =>
    state === "owned" && migration === undefined;
  const asked = placements.filter(mayBe).map(({ shard }) => shard);
  const asleep = await placement?.asleep(asked);
  return placements.map((each) =>
    mayBe(each) && asleep?.has(each.shard) === true ? { ...each, asleep: true } : each,
  );
}

async function failuresOf(
  placement: PlacementPort | undefined,
): Promise<ReadonlyMap<string, readonly string[]>> {
  const sentences = new Map<string, string[]>();
  for (const { node, shard, problem } of (await placement?.failures()) ?? []) {
    const of = sentences.get(shard) ?? [];
    of.push(`Node ${node} could not run it: ${problem}`);
    sentences.set(shard, of);
  }
  return sentences;
}

async function readNodes(
  store: ControlStore,
  logger: Logger,
): Promise<ReadonlyMap<string, Seen<NodeRecord>>> {
  const { items } = await readAll(store, NODES, "local");
  const nodes = new Map<string, Seen<NodeRecord>>();
  for (const item of items) {
    const record = recordOf("node", item, logger);
    if (record !== undefined) nodes.set(item.key.slice(NODES.length), seen(record, item));
  }
  return nodes;
}
