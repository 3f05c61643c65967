import { generationOf } from "./control-store.ts";
import {
  type Claimant,
  isAlive,
  isMirrored,
  isOwned,
  mirroredEpoch,
  nextOwner,
} from "./ownership.ts";
import { encodeRecord } from "./record-codec.ts";
import { mirrorKey, nodeKey, ownerKey, shardKey, worldKey, worldNameOf } from "./record-keys.ts";
import type {
  MirrorRecord,
  NodeRecord,
  OwnerRecord,
  Seen,
  ShardRecord,
  WorldRecord,
} from "./records.ts";
import {
  modifiedIs,
  type Proposal,
  type Refusal,
  refused,
  type TxnParts,
  when,
} from "./txn-parts.ts";

/**
 * The transactions of a mirror (design, section 5):
 *
 * 1. The control plane asks for one, for the ownership that it names. It takes the place of one in sync only while that
 *    one's node drains: then, until the new one is in sync, the shard is as safe as its disk. It does not while that
 *    node is lost: the owner may be lost as well, and what the mirror had would be given up without anybody's order.
 *    Nor does it take the place of one that is unleased: that is asked to withdraw first (5).
 * 2. **The owner gates on the mirror before `confirmMirror`, and until `clearMirror` has committed** (rule 5.5).
 * 3. `promoteMirror` is the fence: a mirror stops acknowledging before it proposes itself, so that the owner lets
 *    nothing out any more, whatever its lease says. It acts once it knows that it has committed.
 *    `withdrawMirror` ends the same silence when what it had is gone, or its node is: the record is gone before its copy
 *    is missed, so that the shard is never left to a mirror that cannot take it over.
 *    A migration's switch records its source as a mirror in sync (`switchShard`): who proposes it gates before its
 *    first tick, and the source has what was let out before, for that was its own.
 * 4. While a mirror is in sync for the newest ownership, nobody else claims the shard (`isMirrored`): from a file
 *    or a snapshot it would go back. Its owner clears it, under its lease: one that was taken for lost decides nothing
 *    any more. Otherwise only the control plane may give such a mirror up, when its node is gone as well and the world
 *    allows it, or an operator says so.
 * 5. While a mirror is in sync and unleased, its owner acts on the mirror's word alone, whatever its lease says: it may
 *    be cut off from the control plane, and see nothing of what that writes. So what ends such a mirror has to reach the
 *    owner by the mirror: it falls silent, and then withdraws or is promoted. `dismissMirror` asks it to. Else the owner
 *    itself ends it, or an operator's word, who makes sure that both are dead.
 */

export interface MirrorView {
  readonly world: Seen<Pick<WorldRecord, "enabled">>;
  readonly owner: Pick<Seen<OwnerRecord>, "record" | "modified">;
  readonly ownerNode: Pick<Seen<NodeRecord>, "record" | "modified">;
  readonly mirror: Pick<Seen<MirrorRecord>, "record" | "modified">;
  /** The one that `mirror` names. */
  readonly mirrorNode: Pick<Seen<NodeRecord>, "record" | "modified">;
  /** Of whom to ask. */
  readonly node: Pick<Seen<NodeRecord>, "record" | "modified">;
}

/** Asks a node to follow. `id` as in the record. */
export function askMirror(
  shard: string,
  view: MirrorView,
  {
    id,
    node,
    generation,
  }: { readonly id: string; readonly node: string; readonly generation: number },
):
  | { readonly ok: true; readonly txn: TxnParts }
  | ReturnType<typeof refused<"no-world" | "not-owned" | "in-sync" | "own" | "not-ready">> {
  const { world, owner, ownerNode, mirror } = view;
  const there = view.node.record;
  if (world.record?.enabled !== true)
    return refused("no-world", "there is no such world, or it is disabled");
  if (owner.record === undefined || !isOwned(owner, ownerNode, generation))
    return refused("not-owned", "no node owns it at present");
  const mayBeReplaced = isLeaving(mirror, view.mirrorNode) && mirror.record?.unleased !== true;
  if (isMirrored(mirror, owner, generation) && !mayBeReplaced)
    return refused("in-sync", `${mirror.record?.node} mirrors it`);
  if (owner.record.node === node) return refused("own", `${node} owns it`);
  if (
    there === undefined ||
    !isAlive(there, there.boot) ||
    there.state !== "ready" ||
    there.cordoned
  )
    return refused("not-ready", `${node} takes nothing new`);
  const record: MirrorRecord = {
    ...{ id, node, boot: there.boot, state: "asked" },
    ...{ world: world.created, epoch: owner.modified },
  };
  // That it drains was the reason.
  const replaced =
    mirror.record !== undefined && isMirrored(mirror, owner, generation)
      ? [modifiedIs(nodeKey(mirror.record.node), view.mirrorNode.modified)]
      : [];
  return {
    ok: true,
    txn: when(
      [
        modifiedIs(worldKey(worldNameOf(shard)), world.modified),
        modifiedIs(ownerKey(shard), owner.modified),
        modifiedIs(nodeKey(owner.record.node), ownerNode.modified),
        modifiedIs(nodeKey(node), view.node.modified),
        modifiedIs(mirrorKey(shard), mirror.modified),
        ...replaced,
      ],
      [{ type: "put", key: mirrorKey(shard), value: encodeRecord("mirror", record) }],
    ),
  };
}

/**
 * The owner records that the mirror is in sync: it has let nothing out since that the mirror has not got. `unleased`: it
 * means to act on the mirror's word alone (5); not before it has seen that this is recorded.
 */
export function confirmMirror(
  shard: string,
  mirror: Seen<MirrorRecord>,
  {
    epoch,
    id,
    unleased = false,
  }: { readonly epoch: number; readonly id?: string; readonly unleased?: boolean },
): Proposal<"ended"> {
  const { record } = mirror;
  if (record?.state !== "asked" || record.epoch !== epoch)
    return refused("ended", "nobody is asked to mirror this ownership any more");
  const next: MirrorRecord = { ...record, state: "in-sync", ...(unleased && { unleased }) };
  return {
    ok: true,
    txn: {
      ...(id === undefined ? {} : { id }),
      ...when(
        [modifiedIs(ownerKey(shard), epoch), modifiedIs(mirrorKey(shard), mirror.modified)],
        [{ type: "put", key: mirrorKey(shard), value: encodeRecord("mirror", next) }],
      ),
    },
  };
}

/**
 * The owner goes on without the mirror: it must not let anything out before this has committed. Under its lease: whoever
 * was taken for lost would take the newest state there is from the world.
 */
export function clearMirror(
  shard: string,
  { mirror, owner }: Pick<PromotionView, "mirror" | "owner">,
  { epoch, id }: { readonly epoch: number; readonly id?: string },
): Proposal<"ended"> {
  if (mirror.record === undefined) return refused("ended", "it has no mirror");
  const { record } = owner;
  if (record?.state !== "owned" || owner.modified !== epoch)
    return refused("ended", "the shard is at another epoch");
  return {
    ok: true,
    txn: {
      ...(id === undefined ? {} : { id }),
      ...when(
        [
          modifiedIs(ownerKey(shard), epoch),
          // Shows an apiserver, which looks at the request alone, who the owner is.
          { type: "value", key: ownerKey(shard), equals: encodeRecord("owner", record) },
          modifiedIs(mirrorKey(shard), mirror.modified),
        ],
        [{ type: "delete", key: mirrorKey(shard) }],
      ),
      leases: [record.node],
    },
  };
}

/** A mirror. `follows`: the id of the record by which it followed: what it followed by an earlier one is of before. */
interface MirrorClaimant extends Claimant {
  readonly follows: string;
}

/**
 * The mirror ends what it cannot keep: its copy is gone, or its node goes. It has stopped acknowledging before. An owner
 * that lives goes on without it; otherwise the shard begins again by the rules for one without a mirror. It needs no
 * lease: who gives up harms nobody.
 */
export function withdrawMirror(
  shard: string,
  mirror: Seen<MirrorRecord>,
  me: Omit<MirrorClaimant, "generation">,
): Proposal<"ended"> {
  const { record } = mirror;
  if (record === undefined || !isFollowedBy(record, me))
    return refused("ended", `${me.node} is not its mirror any more`);
  return {
    ok: true,
    txn: {
      ...(me.id === undefined ? {} : { id: me.id }),
      ...when(stillMirrors(shard, mirror.modified, record), [
        { type: "delete", key: mirrorKey(shard) },
      ]),
    },
  };
}

/** The control plane asks one that is unleased to withdraw (5). */
export function dismissMirror(
  shard: string,
  mirror: Pick<Seen<MirrorRecord>, "record" | "modified">,
): { readonly ok: true; readonly txn: TxnParts } | Refusal<"ended"> {
  const { record } = mirror;
  const epoch = mirroredEpoch(mirror);
  if (record?.unleased !== true || record.leaving === true || epoch === undefined)
    return refused("ended", "there is no unleased mirror, or it was asked already");
  // A record of a switch is of the revision at which it was written: this is another one.
  const next: MirrorRecord = { ...record, epoch, leaving: true };
  return {
    ok: true,
    txn: when(
      [modifiedIs(mirrorKey(shard), mirror.modified)],
      [{ type: "put", key: mirrorKey(shard), value: encodeRecord("mirror", next) }],
    ),
  };
}

export interface PromotionView {
  readonly world: Seen<WorldRecord>;
  readonly shard: Seen<ShardRecord>;
  readonly owner: Seen<OwnerRecord>;
  readonly mirror: Seen<MirrorRecord>;
  /** The mirror's own. */
  readonly node: Seen<NodeRecord>;
}

/** The mirror makes itself owner; it has stopped acknowledging before. The revision is the epoch. */
export function promoteMirror(
  shard: string,
  view: PromotionView,
  me: MirrorClaimant,
): Proposal<"ended" | "no-world" | "not-registered" | "not-ready"> {
  const { world, owner, mirror, node } = view;
  const { record } = mirror;
  if (world.record?.enabled !== true)
    return refused("no-world", "there is no such world, or it is disabled");
  if (
    record === undefined ||
    !isFollowedBy(record, me) ||
    !isMirrored(mirror, owner, me.generation)
  )
    return refused("ended", `${me.node} is not its mirror in sync any more`);
  if (world.created !== record.world) return refused("no-world", "the world was made anew");
  if (node.record?.boot !== me.boot || generationOf(node.modified) !== me.generation)
    return refused("not-registered", `${me.node} is not registered with the boot ${me.boot}`);
  if (node.record.state !== "ready" && node.record.state !== "draining")
    return refused("not-ready", `${me.node} is ${node.record.state}`);
  // What the owner's disk has beyond this mirror's state never was let out: it must not come back after what follows.
  const next: OwnerRecord = {
    ...nextOwner(owner.record, { ...me, world: record.world }),
    promotedOver: owner.modified,
  };
  const wanted: ShardRecord = { wanted: me.node, reason: "failover" };
  return {
    ok: true,
    txn: {
      ...(me.id === undefined ? {} : { id: me.id }),
      ...when(
        [
          ...stillMirrors(shard, mirror.modified, record),
          modifiedIs(ownerKey(shard), owner.modified),
          modifiedIs(shardKey(shard), view.shard.modified),
          modifiedIs(worldKey(worldNameOf(shard)), world.modified),
          modifiedIs(nodeKey(me.node), node.modified),
        ],
        [
          { type: "put", key: ownerKey(shard), value: encodeRecord("owner", next) },
          { type: "put", key: shardKey(shard), value: encodeRecord("shard", wanted) },
          { type: "delete", key: mirrorKey(shard) },
        ],
      ),
      leases: [me.node],
    },
  };
}

/** The control plane gives a mirror up, in sync or not; for whoever may decide that. */
export function abandonMirror(
  shard: string,
  mirror: Pick<Seen<MirrorRecord>, "modified">,
): TxnParts {
  return when(
    [modifiedIs(mirrorKey(shard), mirror.modified)],
    [{ type: "delete", key: mirrorKey(shard) }],
  );
}

function isFollowedBy(record: MirrorRecord, me: Omit<MirrorClaimant, "generation">): boolean {
  return record.node === me.node && record.boot === me.boot && record.id === me.follows;
}

/** As bytes, too: an apiserver, which looks at the request alone, is shown who the mirror is. */
function stillMirrors(shard: string, modified: number, record: MirrorRecord) {
  return [
    modifiedIs(mirrorKey(shard), modified),
    { type: "value", key: mirrorKey(shard), equals: encodeRecord("mirror", record) },
  ] as const;
}

/** Its node drains: it is asked to go, and lives. */
function isLeaving(
  { record }: Pick<Seen<MirrorRecord>, "record">,
  node: Pick<Seen<NodeRecord>, "record">,
): boolean {
  return node.record?.state === "draining" && node.record.boot === record?.boot;
}
