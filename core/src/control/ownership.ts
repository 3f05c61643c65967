import { generationOf, type Operation, type Revision } from "./control-store.ts";
import { encodeRecord } from "./record-codec.ts";
import { mirrorKey, nodeKey, ownerKey, shardKey, worldKey, worldNameOf } from "./record-keys.ts";
import {
  ABSENT,
  type MirrorRecord,
  type NodeRecord,
  type OwnerRecord,
  type Seen,
  type ShardRecord,
  type WorldRecord,
} from "./records.ts";
import { modifiedIs, type Proposal, type Refusal, refused, when } from "./txn-parts.ts";

/**
 * How a shard gets an owner and loses it (design, section 5). The control plane writes whom it wants; the node
 * itself makes itself owner, by one transaction that names all it assumed:
 *
 * 1. The epoch of an ownership is the revision of the transaction that wrote the owner's key. Only
 *    claims, reclaims and releases write it, so every change of the owner has an epoch, each above all earlier ones.
 * 2. An owner is so while its record says "owned" in the present generation of the store, and its node's record
 *    names the same boot and neither "lost" nor "stopped". One write to a node's record thus takes all from
 *    it, and a claim compares that record, so that the claim and the node's return exclude each other.
 * 3. Owner records outlive releases. Without that, "nobody owns it" would look the same before and after
 *    somebody else had it, and a claim could start from a copy that is no longer the newest.
 * 4. A shard of a removed world is forgotten only once nobody owns it, and an owner record names the
 *    world's `created`: a world made anew under the same name waits for the old one's owner.
 * 5. After a restore from a backup (a new generation) nobody owns anything, and every node registers anew.
 *    Whoever grants leases has to let one full lease pass before the first registration: the
 *    backup does not know the last owners.
 * 6. While a shard has a mirror in sync, nobody goes on with it from a file or a snapshot, its owner included: that
 *    would go back behind what was let out. Its mirror takes it over (mirror-changes.ts).
 */

export interface Claimant {
  readonly node: string;
  readonly boot: string;
  /** Of the store, as of what was seen: `generationOf(result.revision)`. */
  readonly generation: number;
  /** The same for every retry of this very claim. */
  readonly id?: string | undefined;
}

/** Everything a claim assumes, as its node saw it. */
export interface ClaimView {
  readonly world: Seen<WorldRecord>;
  readonly shard: Seen<ShardRecord>;
  readonly owner: Seen<OwnerRecord>;
  /** The node that `owner` names; `ABSENT` when it names none or the node was removed. */
  readonly ownerNode: Seen<NodeRecord>;
  /** The claimant's own. */
  readonly node: Seen<NodeRecord>;
  readonly mirror: Seen<MirrorRecord>;
}

export type ClaimRefusal =
  | "no-world"
  | "disabled"
  | "not-wanted"
  /** Somebody owns it; it has to release it or be lost first. */
  | "owned"
  /** This boot owns it already, at the epoch `owner.modified`. */
  | "own"
  /** It has a mirror in sync, which alone may take it over (6). */
  | "mirrored"
  /** The claimant is not registered with this boot in this generation. */
  | "not-registered"
  | "not-ready";

/** Whether an owner record gives its node the right to act, lease provided (2, 5). */
export function isOwned(
  owner: Pick<Seen<OwnerRecord>, "record" | "modified">,
  ownerNode: Pick<Seen<NodeRecord>, "record">,
  generation: number,
): boolean {
  const { record } = owner;
  if (record?.state !== "owned" || generationOf(owner.modified) !== generation) return false;
  return isAlive(ownerNode.record, record.boot);
}

/** Whether a boot of a node may hold anything. */
export function isAlive(node: NodeRecord | undefined, boot: string): boolean {
  return node?.boot === boot && node.state !== "lost" && node.state !== "stopped";
}

/**
 * Whether only its mirror may go on with a shard when its owner has gone (6). A restore from a backup ends what was
 * mirrored as it ends what was owned (5).
 */
export function isMirrored(
  mirror: Pick<Seen<MirrorRecord>, "record" | "modified">,
  owner: Pick<Seen<OwnerRecord>, "record" | "modified">,
  generation: number,
): boolean {
  if (mirror.record?.state !== "in-sync" || owner.record?.state !== "owned") return false;
  const epoch = mirroredEpoch(mirror);
  return epoch === owner.modified && generationOf(owner.modified) === generation;
}

/**
 * The ownership that a mirror is of; undefined: there is none. The switch of a migration makes an ownership and its
 * mirror at once, and does not know its own revision yet: that record says 0.
 */
export function mirroredEpoch({
  record,
  modified,
}: Pick<Seen<MirrorRecord>, "record" | "modified">): Revision | undefined {
  return record?.epoch === 0 ? modified : record?.epoch;
}

/** What a promotion gave up in a world stays given up with whoever owns the shard next. */
export function givenUp(
  last: OwnerRecord | undefined,
  world: Revision,
): Pick<OwnerRecord, "promotedOver"> {
  return last?.world === world && last.promotedOver !== undefined
    ? { promotedOver: last.promotedOver }
    : {};
}

/** The record of a new owner in the place of `last`. */
export function nextOwner(
  last: OwnerRecord | undefined,
  { world, node, boot }: Pick<OwnerRecord, "world" | "node" | "boot">,
): OwnerRecord {
  return { world, node, boot, state: "owned", ...givenUp(last, world) };
}

/** The transaction by which a gameserver makes itself owner; its revision is the epoch. */
export function claimShard(shard: string, view: ClaimView, me: Claimant): Proposal<ClaimRefusal> {
  const { world, owner, ownerNode, node, mirror } = view;
  if (world.record === undefined) return refused("no-world", "the world was removed");
  if (!world.record.enabled) return refused("disabled", "the world is disabled");
  const wanted = view.shard.record?.wanted;
  if (wanted !== me.node)
    return refused(
      "not-wanted",
      `the shard is meant for ${wanted ?? "no node"}, not for ${me.node}`,
    );
  const mine = node.record;
  if (mine?.boot !== me.boot || generationOf(node.modified) !== me.generation)
    return refused("not-registered", `${me.node} is not registered with the boot ${me.boot}`);
  const last = owner.record;
  if (mine.state !== "ready") return refused("not-ready", `${me.node} is ${mine.state}`);
  if (mine.cordoned && last?.node !== me.node)
    return refused("not-ready", `${me.node} is cordoned, and had not owned the shard`);
  if (isOwned(owner, ownerNode, me.generation)) {
    const own = last?.node === me.node && last.world === world.created;
    return own
      ? refused("own", `${me.node} owns the shard at epoch ${owner.modified}`)
      : refused("owned", `${last?.node} owns the shard at epoch ${owner.modified}`);
  }
  if (isMirrored(mirror, owner, me.generation)) return mirrored(mirror);
  const compare = [
    modifiedIs(worldKey(worldNameOf(shard)), world.modified),
    modifiedIs(shardKey(shard), view.shard.modified),
    modifiedIs(ownerKey(shard), owner.modified),
    modifiedIs(nodeKey(me.node), node.modified),
    modifiedIs(mirrorKey(shard), mirror.modified),
  ];
  // It is dead because of its node's record: that must still be so when the claim is applied.
  if (last?.state === "owned" && last.node !== me.node)
    compare.push(modifiedIs(nodeKey(last.node), ownerNode.modified));
  const record = nextOwner(last, { ...me, world: world.created });
  return {
    ok: true,
    txn: {
      ...(me.id === undefined ? {} : { id: me.id }),
      ...when(compare, [
        { type: "put", key: ownerKey(shard), value: encodeRecord("owner", record) },
      ]),
      leases: [me.node],
    },
  };
}

/**
 * The transaction by which an owner goes on at a new epoch, its revision: what ran the shard before is gone
 * (its thread died) or is another program (its module was changed). Nobody else owns it in between. What has a
 * mirror in sync it does not go on with: an owner that still holds the state clears the mirror first.
 */
export function reclaimShard(
  shard: string,
  { owner, node, mirror }: Pick<ClaimView, "owner" | "node" | "mirror">,
  me: Claimant,
): Proposal<"not-own" | "mirrored"> {
  const { record } = owner;
  const isOwn = record?.node === me.node && record.boot === me.boot;
  if (!isOwn || !isOwned(owner, node, me.generation))
    return refused("not-own", `${me.node} does not own the shard ${shard}`);
  if (isMirrored(mirror, owner, me.generation)) return mirrored(mirror);
  return {
    ok: true,
    txn: {
      ...(me.id === undefined ? {} : { id: me.id }),
      ...when(
        [
          modifiedIs(ownerKey(shard), owner.modified),
          modifiedIs(nodeKey(me.node), node.modified),
          modifiedIs(mirrorKey(shard), mirror.modified),
        ],
        [{ type: "put", key: ownerKey(shard), value: encodeRecord("owner", record) }],
      ),
      leases: [me.node],
    },
  };
}

/**
 * The transaction by which an owner gives a shard up, after it stopped acting for it and kept what is to be
 * kept. It needs no lease: who gives up harms nobody. A mirror that it saw goes with it: what was kept is
 * all there is from then on.
 */
export function releaseShard(
  shard: string,
  owner: Seen<OwnerRecord>,
  me: Omit<Claimant, "generation">,
  mirror: Pick<Seen<MirrorRecord>, "record"> = ABSENT,
): Proposal<"not-own"> {
  const { record } = owner;
  if (record?.state !== "owned" || record.node !== me.node || record.boot !== me.boot)
    return refused("not-own", `${me.node} does not own the shard ${shard}`);
  const released = { ...record, state: "released" } as const;
  const operations: Operation[] = [
    { type: "put", key: ownerKey(shard), value: encodeRecord("owner", released) },
  ];
  if (mirror.record !== undefined) operations.push({ type: "delete", key: mirrorKey(shard) });
  return {
    ok: true,
    txn: {
      ...(me.id === undefined ? {} : { id: me.id }),
      ...when([modifiedIs(ownerKey(shard), owner.modified)], operations),
    },
  };
}

/**
 * Why an owner has to stop and release, or undefined while it may stay. For the owner itself, at every
 * change that its watch shows.
 */
export function whyRelease(
  view: Pick<ClaimView, "world" | "shard" | "owner">,
  me: Pick<Claimant, "node" | "boot">,
): "no-world" | "disabled" | "not-wanted" | "not-own" | undefined {
  const { world, shard, owner } = view;
  const record = owner.record;
  if (record?.state !== "owned" || record.node !== me.node || record.boot !== me.boot)
    return "not-own";
  if (world.record === undefined || world.created !== record.world) return "no-world";
  if (!world.record.enabled) return "disabled";
  return shard.record?.wanted === me.node ? undefined : "not-wanted";
}

function mirrored({ record }: Pick<Seen<MirrorRecord>, "record">): Refusal<"mirrored"> {
  return refused("mirrored", `only its mirror on ${record?.node} may go on with it`);
}
