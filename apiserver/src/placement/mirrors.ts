import { isAlive } from "@atlasnet/core";
import { type Choice, listNodes, loadWith } from "./candidates.ts";
import type { Context, Decision } from "./decisions.ts";
import type { MirrorEntry, NodeEntry, ShardEntry } from "./entries.ts";
import type { ClusterView } from "./view.ts";

/** The label of nodes whose values fail together: a mirror is better off where the owner is not. */
export const ZONE_LABEL = "zone";

/**
 * A shard whose owner is gone while its mirror was in sync. That one takes over by itself; when it is gone as well,
 * nothing is done without the world's leave, for what was let out since the last snapshot would be lost.
 */
export function leftToMirror({ view }: Context, shard: ShardEntry): Decision | undefined {
  const { generation } = view;
  const mirror = shard.mirrorOfNow;
  if (mirror === undefined || !shard.isMirrored(generation) || shard.isOwned(generation))
    return undefined;
  if (isThere(mirror) || waitsForOperator(shard, mirror)) return { type: "rest" };
  const { id } = mirror.node;
  return {
    type: "abandon",
    problem: `${shard.owner?.id}, which had it, and its mirror ${id} are gone`,
  };
}

/**
 * Ends a mirror that is unleased by its own hand: whoever acts by its word hears of it by its silence. Undefined: there is
 * none, or its node is gone.
 */
export function dismissing({ generation }: ClusterView, shard: ShardEntry): Decision | undefined {
  const mirror = shard.mirrorOfNow;
  if (mirror?.record.unleased !== true || !shard.isMirrored(generation)) return undefined;
  if (!isThere(mirror)) return undefined;
  return mirror.record.leaving === true ? { type: "rest" } : { type: "dismiss", visits: 0 };
}

/** What was mirrored, of a world that is not to be any more. */
export function notMirrored({ view }: Context, shard: ShardEntry): Decision | undefined {
  const { world, mirror } = shard;
  if (mirror === undefined || world === undefined || world.durability === "mirror")
    return undefined;
  // Its owner clears one that is gone; with both gone it is left to an operator.
  if (shard.isMirrored(view.generation) && mirror.record.unleased === true)
    return dismissing(view, shard);
  return { type: "abandon", problem: `the world's durability is ${world.durability}` };
}

/**
 * Of a shard that lives where it is wanted: a mirror that is asked for, or time to wait for; undefined when there is
 * nothing to do about it. A mirror in sync stays, whatever becomes of its node, for its owner clears it; but another
 * one is asked while its node drains, if it is unleased once it has withdrawn.
 */
export function mirroring(context: Context, shard: ShardEntry): Decision | undefined {
  const { settings, view, now } = context;
  const { world, owner } = shard;
  if (world?.durability !== "mirror" || owner === undefined) return undefined;
  if (shard.ownerWorld !== world.created) return undefined;
  const mirror = shard.mirrorOfNow;
  const drains =
    mirror !== undefined && isThere(mirror) && mirror.node.record?.state === "draining";
  if (mirror?.record.state === "in-sync" && !drains) return undefined;
  if (mirror?.record.leaving === true) return undefined;
  const due = mirror === undefined ? now : mirror.since + settings.claimMs;
  if (mirror !== undefined && isThere(mirror) && !drains && now < due)
    return { type: "rest", again: due };
  if (mirror === undefined || mirror.record.state === "in-sync") {
    if (view.occupancy.mirroring >= settings.maxMoves) return { type: "hold" };
    if (owner.mirroring >= settings.maxMovesPerNode) return { type: "hold" };
  }
  const late = drains ? undefined : mirror?.node;
  const { node, visits } = chooseMirror(context, shard, late);
  if (node === undefined) return { type: "unmirrored", visits };
  if (node !== mirror?.node && node.mirroring >= settings.maxMovesPerNode) return { type: "hold" };
  if (mirror?.record.unleased === true) return { type: "dismiss", visits };
  return { type: "mirror", node, avoid: late === node ? undefined : late, visits };
}

/** Another node than the owner's, in another zone if there is one, then the one with the least load. */
function chooseMirror(
  { view, now }: Context,
  shard: ShardEntry,
  late: NodeEntry | undefined,
): Choice {
  const { world, owner } = shard;
  if (world === undefined) return { node: undefined, visits: 0 };
  const { kind, weight } = world;
  const visits = listNodes(view, kind) + kind.nodes.length;
  const avoid = shard.avoided(now);
  let best: NodeEntry | undefined;
  let bestRank = Number.POSITIVE_INFINITY;
  let bestLoad = Number.POSITIVE_INFINITY;
  for (const node of kind.nodes) {
    if (node === owner || node === shard.wanted) continue;
    const more = weight - (shard.mirrorSeat === node ? shard.mirrorWeight : 0);
    if (!view.hasRoom(node, more) || (node.load !== undefined && view.reports.isOverloaded(node)))
      continue;
    const failed = node === late || node === avoid || wasCleared(shard, node);
    const rank = (failed ? 2 : 0) + (sharesZone(node, owner) ? 1 : 0);
    const load = loadWith(node, more);
    if (rank > bestRank || (rank === bestRank && load >= bestLoad)) continue;
    best = node;
    bestRank = rank;
    bestLoad = load;
  }
  return { node: best, visits };
}

/** The present owner did without it before: it was slow, or is dead and not yet lost. */
function wasCleared({ lastMirror, ownerModified }: ShardEntry, { id, record }: NodeEntry): boolean {
  if (lastMirror?.node !== id || lastMirror.epoch !== ownerModified) return false;
  return record?.boot === lastMirror.boot;
}

/** A node without a zone may be anywhere. */
function sharesZone(node: NodeEntry, owner: NodeEntry | undefined): boolean {
  const [one, other] = [node, owner].map((each) => each?.record?.labels[ZONE_LABEL]);
  return one === undefined || other === undefined || one === other;
}

/**
 * With owner and mirror lost. Where the mirror is unleased the two may be cut off together, and play on: that was promised,
 * whatever the failover is by now.
 */
function waitsForOperator({ world }: ShardEntry, { record }: MirrorEntry): boolean {
  return world?.failover !== "automatic" || record.unleased === true;
}

function isThere({ record, node }: MirrorEntry): boolean {
  return isAlive(node.record, record.boot);
}

/** What stands about a shard's mirror, for people. */
export function mirrorText(view: ClusterView, shard: ShardEntry): string | undefined {
  const mirror = shard.mirrorOfNow;
  if (mirror === undefined || !shard.isMirrored(view.generation)) return undefined;
  if (isThere(mirror)) return `its mirror on ${mirror.node.id} takes over`;
  const gone = `${shard.owner?.id}, which had it, and its mirror on ${mirror.node.id} are gone`;
  return waitsForOperator(shard, mirror)
    ? `${gone}: it waits for an operator (atlasnet world restore-from-snapshot)`
    : gone;
}
