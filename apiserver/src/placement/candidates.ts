import type { NodeEntry, ShardEntry } from "./entries.ts";
import { reportedLoad } from "./node-reports.ts";
import type { PlacementSettings } from "./settings.ts";
import type { ClusterView } from "./view.ts";
import type { WorldKind } from "./world-kind.ts";

/** Visits that making the list of a kind counts for, per node: labels and modules are compared. */
const LISTING_VISITS = 8;

export interface Choice {
  readonly node: NodeEntry | undefined;
  /** Node visits that it took. */
  readonly visits: number;
}

/** What nodes are to get beside what the view shows. */
export type Planned = ReadonlyMap<NodeEntry, number>;

const NOTHING_PLANNED: Planned = new Map();

/** Whom a shard does not go to, however much room there is, and as what it is placed. */
export interface Passed {
  /** What it is to leave. */
  readonly excluded?: NodeEntry | undefined;
  /** What failed with it lately. */
  readonly avoid?: NodeEntry | undefined;
  /** The kind that its world is about to be of; absent: the one that it is. */
  readonly kind?: WorldKind | undefined;
}

/** How loaded a node would be with so much more weight; 1 is full. */
export function loadWith(node: NodeEntry, weight: number): number {
  const capacity = node.record?.capacity.weight ?? 0;
  const assigned = capacity === 0 ? 1 : (node.weight + weight) / capacity;
  return node.load === undefined ? assigned : Math.max(assigned, reportedLoad(node));
}

/**
 * The best node for a shard by the policy of its world, among those that fit, take new shards and have
 * room. Of equal ones the first by name, so that everybody chooses alike.
 */
export function choose(
  view: ClusterView,
  shard: ShardEntry,
  settings: Pick<PlacementSettings, "packUpTo">,
  { excluded, avoid, kind: next }: Passed,
  planned: Planned = NOTHING_PLANNED,
): Choice {
  const { world } = shard;
  if (world === undefined) return { node: undefined, visits: 0 };
  const { weight } = world;
  const kind = next ?? world.kind;
  let visits = listNodes(view, kind);
  const room = view.occupancy.roomVersion;
  if (kind.blockedVersion === room && weight >= kind.blockedWeight && shard.mirrorWeight === 0)
    return { node: undefined, visits: visits + 1 };
  const own = shard.owner;
  // Where it was last, its journal is, and the module is warm.
  if (own !== undefined && own !== excluded && own !== avoid && view.canTake(own, shard)) {
    const seated = shard.seat === own || shard.secondWeight > 0;
    const room = weight + (planned.get(own) ?? 0);
    if (seated || view.hasRoom(own, room)) return { node: own, visits: visits + 1 };
  }
  const pack = kind.policy === "pack";
  let best: NodeEntry | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  let passedOver = false;
  visits += kind.nodes.length;
  for (const node of kind.nodes) {
    // What mirrors it has the room already.
    const more = (planned.get(node) ?? 0) - (shard.mirrorSeat === node ? shard.mirrorWeight : 0);
    if (!view.hasRoom(node, weight + more)) {
      passedOver ||= more > 0;
      continue;
    }
    if (node === excluded || node === avoid) {
      passedOver = true;
      continue;
    }
    if (node.load !== undefined && view.reports.isOverloaded(node)) continue;
    const load = loadWith(node, weight + more);
    // Packing: the fullest below the mark comes first; nodes above it follow, the emptiest first.
    const score = pack && load <= settings.packUpTo ? -load : load;
    if (score < bestScore) {
      best = node;
      bestScore = score;
    }
  }
  if (best === undefined && !passedOver && shard.mirrorWeight === 0) {
    kind.blockedWeight =
      kind.blockedVersion === room ? Math.min(weight, kind.blockedWeight) : weight;
    kind.blockedVersion = room;
  }
  return { node: best, visits };
}

/** Brings a kind's list of nodes up to date; returns the visits that took. */
export function listNodes(view: ClusterView, kind: WorldKind): number {
  if (kind.version === view.nodesVersion) return 0;
  kind.version = view.nodesVersion;
  kind.nodes = [];
  for (const node of view.nodes.values()) {
    const { record } = node;
    if (record?.state !== "ready" || record.cordoned || !node.isRegistered(view.generation))
      continue;
    if (kind.misfit(node, view.modules) === undefined) kind.nodes.push(node);
  }
  kind.nodes.sort((a, b) => (a.id < b.id ? -1 : 1));
  return view.nodes.size * LISTING_VISITS;
}
