import { choose, loadWith } from "./candidates.ts";
import type { Context } from "./decisions.ts";
import type { NodeEntry, ShardEntry } from "./entries.ts";

export interface Move {
  readonly shard: ShardEntry;
  readonly to: NodeEntry;
}

/**
 * Shards that are better off elsewhere, few at a time.
 *
 * 1. A node takes part in one move at a time, and again only after it reported load since the last one
 *    arrived: what one move settles is not moved twice.
 * 2. The receiver stays below what the giver had by the hysteresis. So a move lowers the higher of both loads, and its
 *    reverse is never worth it while loads stay the same.
 */
export function balance(context: Context): readonly Move[] {
  const { view, settings, now } = context;
  const { balance: options, maxMoves } = settings;
  const nodes = [...view.nodes.values()].filter(
    (node) => node.isRegistered(view.generation) && node.record?.state === "ready",
  );
  const loads = new Map(nodes.map((node) => [node, loadWith(view, node, 0)]));
  const loadOf = (node: NodeEntry) => loads.get(node) ?? 0;
  const least = Math.min(...loads.values());
  const giving = nodes
    .filter((node) => loadOf(node) - least > options.threshold && isAtRest(node))
    .sort((a, b) => loadOf(b) - loadOf(a) || (a.id < b.id ? -1 : 1));
  const moves: Move[] = [];
  const busy = new Set<NodeEntry>();
  let visits = 0;
  for (const giver of giving) {
    if (view.occupancy.moving + moves.length >= maxMoves || visits > settings.maxVisits) break;
    if (busy.has(giver)) continue;
    let tried = 0;
    for (const shard of giver.shards) {
      if (tried >= options.maxTried) break;
      if (!isMovable(context, shard, giver)) continue;
      tried += 1;
      const choice = choose(view, shard, settings, now, giver);
      visits += choice.visits;
      const to = choice.node;
      const weight = shard.world?.weight ?? 0;
      if (to === undefined || busy.has(to) || !isAtRest(to)) continue;
      if (loadOf(giver) - loadOf(to) <= options.threshold) continue;
      if (loadWith(view, to, weight) + options.hysteresis > loadOf(giver)) continue;
      moves.push({ shard, to });
      busy.add(giver);
      busy.add(to);
      break;
    }
  }
  return moves;
}

function isAtRest(node: NodeEntry): boolean {
  return node.moves === 0 && (node.load === undefined || node.loadAt > node.movedAt);
}

function isMovable({ view, settings, now }: Context, shard: ShardEntry, giver: NodeEntry): boolean {
  const { world } = shard;
  const { moves, restMs } = settings.balance;
  if (world === undefined || !world.enabled || world.kind.policy !== "spread") return false;
  if (shard.pending !== undefined || shard.wanted !== giver) return false;
  if (now - shard.movedAt < restMs) return false;
  if (!shard.isOwned(view.generation)) return shard.owner !== giver;
  if (shard.owner !== giver || world.failover === "manual") return false;
  return moves === "all" || (moves === "stateless" && world.durability === "none");
}
