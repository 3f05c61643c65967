import type { TxnRequest } from "../control/control-store.ts";
import type { ClaimView } from "../control/ownership.ts";
import {
  firstShard,
  migrationKey,
  mirrorKey,
  nodeKey,
  ownerKey,
  shardKey,
  worldKey,
} from "../control/record-keys.ts";
import { wantParts } from "../control/world-changes.ts";
import type { TinyStore } from "./tiny-store.ts";

/** What a node's claim of the first shard of a world is decided by, as the store is now. */
export function claimView(store: TinyStore, world: string, node: string): ClaimView {
  const shard = firstShard(world);
  const owner = store.seen("owner", ownerKey(shard));
  return {
    world: store.seen("world", worldKey(world)),
    shard: store.seen("shard", shardKey(shard)),
    owner,
    ownerNode: store.seen("node", nodeKey(owner.record?.node ?? "")),
    node: store.seen("node", nodeKey(node)),
    mirror: store.seen("mirror", mirrorKey(shard)),
  };
}

/** Asks a node, or none, to own the first shard of a world, whatever state the node is in. */
export function wantShard(store: TinyStore, world: string, wanted: string | undefined): TxnRequest {
  const view = claimView(store, world, "");
  return wantParts(
    firstShard(world),
    { ...(wanted !== undefined && { wanted }), reason: "placed" },
    {
      world,
      worldModified: view.world.modified,
      shardModified: view.shard.modified,
      ownerModified: view.owner.modified,
      migrationModified: store.seen("migration", migrationKey(firstShard(world))).modified,
      nodes: [],
    },
  );
}
