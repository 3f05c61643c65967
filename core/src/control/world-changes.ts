import type { Compare } from "./control-store.ts";
import { isOwned } from "./ownership.ts";
import { encodeRecord } from "./record-codec.ts";
import {
  migrationKey,
  mirrorKey,
  movedKey,
  nodeKey,
  ownerKey,
  shardKey,
  snapshotKey,
  worldKey,
} from "./record-keys.ts";
import type { NodeRecord, OwnerRecord, Seen, ShardRecord, WorldRecord } from "./records.ts";
import { modifiedIs, type Proposal, refused, type TxnParts, when } from "./txn-parts.ts";

/** Transactions on the catalogue of worlds, and what the control plane asks for their shards. */

export function createWorld(
  world: string,
  before: Seen<WorldRecord>,
  record: WorldRecord,
): Proposal<"exists"> {
  if (before.record !== undefined) return refused("exists", `there is a world ${world} already`);
  return putWorld(world, before, record);
}

export function updateWorld(
  world: string,
  before: Seen<WorldRecord>,
  record: WorldRecord,
): Proposal<"no-world"> {
  if (before.record === undefined) return refused("no-world", `there is no world ${world}`);
  return putWorld(world, before, record);
}

/** Its shards go once their owners have released them: `forgetShard`. */
export function removeWorld(world: string, before: Seen<WorldRecord>): Proposal<"no-world"> {
  if (before.record === undefined) return refused("no-world", `there is no world ${world}`);
  return {
    ok: true,
    txn: when(
      [modifiedIs(worldKey(world), before.modified)],
      [{ type: "delete", key: worldKey(world) }],
    ),
  };
}

/** What a wish assumes: revisions only, as seen. */
export interface WantAssumptions {
  readonly world: string;
  readonly worldModified: number;
  readonly shardModified: number;
  readonly ownerModified: number;
  /** Of the migration that is under way; absent: there is none. */
  readonly migrationModified?: number;
  /** Nodes whose state was a reason: the one that is wanted, one that is lost or drains. */
  readonly nodes: readonly { readonly node: string; readonly modified: number }[];
}

/** Asks a node, or none, to own a shard. Join it with the term of the proposer. */
export function wantParts(shard: string, record: ShardRecord, assumed: WantAssumptions): TxnParts {
  const value = encodeRecord("shard", record);
  return when(assumptions(shard, assumed), [{ type: "put", key: shardKey(shard), value }]);
}

/** Drops the records of a shard whose world was removed and that nobody owns. */
export function forgetParts(shard: string, assumed: WantAssumptions): TxnParts {
  return when(assumptions(shard, assumed), [
    { type: "delete", key: shardKey(shard) },
    { type: "delete", key: ownerKey(shard) },
    { type: "delete", key: snapshotKey(shard) },
    { type: "delete", key: migrationKey(shard) },
    { type: "delete", key: movedKey(shard) },
    { type: "delete", key: mirrorKey(shard) },
  ]);
}

function assumptions(shard: string, assumed: WantAssumptions): Compare[] {
  return [
    modifiedIs(worldKey(assumed.world), assumed.worldModified),
    modifiedIs(shardKey(shard), assumed.shardModified),
    modifiedIs(ownerKey(shard), assumed.ownerModified),
    modifiedIs(migrationKey(shard), assumed.migrationModified ?? 0),
    ...assumed.nodes.map(({ node, modified }) => modifiedIs(nodeKey(node), modified)),
  ];
}

/** `forgetParts` from what was seen. */
export function forgetShard(
  shard: string,
  world: string,
  view: {
    readonly world: Seen<WorldRecord>;
    readonly shard: Seen<ShardRecord>;
    readonly owner: Seen<OwnerRecord>;
    readonly ownerNode: Seen<NodeRecord>;
  },
  generation: number,
): Proposal<"exists" | "owned"> {
  if (view.world.record !== undefined) return refused("exists", `there is a world ${world}`);
  if (isOwned(view.owner, view.ownerNode, generation))
    return refused("owned", `${view.owner.record?.node} owns the shard ${shard}`);
  const owner = view.owner.record;
  return {
    ok: true,
    txn: forgetParts(shard, {
      world,
      worldModified: 0,
      shardModified: view.shard.modified,
      ownerModified: view.owner.modified,
      nodes:
        owner?.state === "owned" ? [{ node: owner.node, modified: view.ownerNode.modified }] : [],
    }),
  };
}

function putWorld(world: string, before: Seen<WorldRecord>, record: WorldRecord) {
  const key = worldKey(world);
  return {
    ok: true,
    txn: when(
      [modifiedIs(key, before.modified)],
      [{ type: "put", key, value: encodeRecord("world", record) }],
    ),
  } as const;
}
