import { choose, loadWith } from "./candidates.ts";
import type { Context } from "./decisions.ts";
import type { NodeEntry, ShardEntry } from "./entries.ts";
import { reportedLoad } from "./node-reports.ts";

export interface BalanceMove {
  readonly shard: ShardEntry;
  readonly from: NodeEntry;
  readonly to: NodeEntry;
  /** It runs, and is moved while it does; otherwise it is asked of the other node. */
  readonly isLive: boolean;
  /** Load of both now, and as it will be as far as one can tell; 1 is full. */
  readonly fromLoad: Loads;
  readonly toLoad: Loads;
}

export interface Loads {
  readonly before: number;
  readonly after: number;
}

/** Why nothing leaves a node. */
export type Stay =
  | "not-loaded"
  | "not-strained"
  /** Strained, and not for long enough. */
  | "not-yet"
  /** It takes part in a move, or has not said since the last one how loaded it is. */
  | "moving"
  /** Others move: that is enough at a time. */
  | "enough"
  /** None of its worlds may be moved, or they have been of late. */
  | "resting"
  | "nowhere"
  /** The other node would be no better off than this one is. */
  | "no-better";

/**
 * Shards that are better off elsewhere, few at a time.
 *
 * 1. A node takes part in one move at a time, and again only after it reported load since the last one
 *    arrived: what one move settles is not moved twice.
 * 2. A shard that runs leaves only a node that has stayed strained for the stated time, by its reports, since its
 *    last move; and goes only to one that will not be strained by it.
 * 3. The receiver stays below what the giver had by the hysteresis. So a move lowers the higher of both loads, and its
 *    reverse is never worth it while loads stay the same.
 * 4. A shard brings its share of what its node reports, by weight.
 *
 * It changes nothing. `why`, for people: told for each node that nothing leaves.
 */
export function planBalance(
  context: Context,
  why: (node: NodeEntry, stay: Stay) => void = () => {},
): readonly BalanceMove[] {
  const { view, settings } = context;
  const { balance: options, maxMoves } = settings;
  const nodes = [...view.nodes.values()].filter(
    (node) => node.isRegistered(view.generation) && node.record?.state === "ready",
  );
  const loads = new Map(nodes.map((node) => [node, loadWith(node, 0)]));
  const loadOf = (node: NodeEntry) => loads.get(node) ?? 0;
  const least = Math.min(...loads.values());
  nodes.sort((a, b) => loadOf(b) - loadOf(a) || (a.id < b.id ? -1 : 1));
  const moves: BalanceMove[] = [];
  const busy = new Set<NodeEntry>();
  let visits = 0;
  for (const giver of nodes) {
    if (loadOf(giver) - least <= options.threshold) why(giver, "not-loaded");
    else if (busy.has(giver) || !isAtRest(giver)) why(giver, "moving");
    else if (view.occupancy.moving + moves.length >= maxMoves || visits > settings.maxVisits)
      why(giver, "enough");
    else {
      const found = fromNode(context, giver, loadOf, busy);
      visits += found.visits;
      if ("stay" in found) why(giver, found.stay);
      else {
        moves.push(found.move);
        busy.add(giver);
        busy.add(found.move.to);
      }
    }
  }
  return moves;
}

/** How a node's strain stands: whether worlds that run may leave it. */
export function strainOf(
  { settings, now }: Context,
  { strainedSince, movedAt }: NodeEntry,
): "not-strained" | "not-yet" | "strained" {
  const { strainedAt, strainedMs } = settings.balance;
  if (strainedAt === 0) return "strained";
  if (strainedSince === undefined) return "not-strained";
  return now - Math.max(strainedSince, movedAt) < strainedMs ? "not-yet" : "strained";
}

type Found =
  | { readonly move: BalanceMove; readonly visits: number }
  | { readonly stay: Stay; readonly visits: number };

/** The first shard of a node that is better off elsewhere. */
function fromNode(
  context: Context,
  giver: NodeEntry,
  loadOf: (node: NodeEntry) => number,
  busy: ReadonlySet<NodeEntry>,
): Found {
  const { view, settings, now } = context;
  const { balance: options } = settings;
  const strain = strainOf(context, giver);
  let stay: Stay = "resting";
  let visits = 0;
  let tried = 0;
  for (const shard of giver.shards) {
    if (tried >= options.maxTried) break;
    const isOwned = shard.isOwned(view.generation);
    if (isOwned && strain !== "strained") {
      stay = strain;
      continue;
    }
    if (!(isOwned ? isMovable(context, shard, giver) : isPlaced(context, shard, giver))) continue;
    tried += 1;
    const avoid = shard.avoided(now);
    const choice = choose(view, shard, settings, { excluded: giver, avoid });
    visits += choice.visits;
    const to = choice.node;
    stay = "nowhere";
    if (to === undefined || busy.has(to) || !isAtRest(to)) continue;
    const before = loadOf(giver);
    stay = "no-better";
    if (before - loadOf(to) <= options.threshold) continue;
    const weight = shard.world?.weight ?? 0;
    const share = isOwned ? shareOf(giver, weight) : 0;
    const after = Math.max(loadWith(to, weight), reportedLoad(to) + share);
    if (after + options.hysteresis > before) continue;
    if (isOwned && options.strainedAt > 0 && after >= options.strainedAt) continue;
    const left = Math.max(assignedWith(giver, -weight), reportedLoad(giver) - share);
    const move = {
      ...{ shard, from: giver, to, isLive: isOwned && settings.liveMoves },
      fromLoad: { before, after: left },
      toLoad: { before: loadOf(to), after },
    };
    return { move, visits };
  }
  return { stay, visits };
}

/** What of a node's reported load is probably one shard's. */
function shareOf(node: NodeEntry, weight: number): number {
  return node.weight === 0 ? 0 : (reportedLoad(node) * weight) / node.weight;
}

function assignedWith(node: NodeEntry, weight: number): number {
  const capacity = node.record?.capacity.weight ?? 0;
  return capacity === 0 ? 1 : (node.weight + weight) / capacity;
}

function isAtRest(node: NodeEntry): boolean {
  return node.moves === 0 && (node.load === undefined || node.loadAt > node.movedAt);
}

/** A shard that runs there, and may be moved while it does. */
function isMovable(context: Context, shard: ShardEntry, giver: NodeEntry): boolean {
  const { settings } = context;
  const { liveMoves, balance: options } = settings;
  const { world } = shard;
  if (!isSettled(context, shard, giver) || shard.owner !== giver || world === undefined)
    return false;
  if (!liveMoves && (world.failover === "manual" || world.kind.policy !== "spread")) return false;
  const moves = options.moves ?? (liveMoves ? "all" : "unowned");
  return moves === "all" || (moves === "stateless" && world.durability === "none");
}

/** A shard that a node was asked to take, and that nobody has yet. */
function isPlaced(context: Context, shard: ShardEntry, giver: NodeEntry): boolean {
  if (shard.world?.kind.policy !== "spread") return false;
  return isSettled(context, shard, giver) && shard.owner !== giver;
}

/** Nothing else is to happen to it, and it has been where it is for a while. */
function isSettled({ settings, now }: Context, shard: ShardEntry, giver: NodeEntry): boolean {
  if (shard.world?.enabled !== true || shard.pending !== undefined) return false;
  if (shard.migration !== undefined || shard.wanted !== giver) return false;
  return now - shard.movedAt >= settings.balance.restMs;
}
