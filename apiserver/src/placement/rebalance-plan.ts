import { type BalanceMove, planBalance, type Stay } from "./balance.ts";
import { loadWith } from "./candidates.ts";
import type { Context } from "./decisions.ts";
import type { NodeEntry } from "./entries.ts";
import { reportedLoad } from "./node-reports.ts";

/** What the leader would move for balance at this moment, for people. Loads: 1 is full. */
export interface RebalancePlan {
  /** It does so by itself. */
  readonly enabled: boolean;
  /** Running worlds are moved while they run; otherwise not at all, but for those that may pause. */
  readonly liveMoves: boolean;
  readonly moves: readonly PlannedMove[];
  /** Gameservers that nothing leaves, the most loaded first; at most MAX_STAYING. */
  readonly stay: readonly Staying[];
  /** Of these, beyond that. */
  readonly more: number;
}

export interface PlannedMove {
  readonly shard: string;
  readonly world: string;
  readonly from: string;
  readonly to: string;
  readonly live: boolean;
  readonly fromLoad: BalanceMove["fromLoad"];
  readonly toLoad: BalanceMove["toLoad"];
  readonly reason: string;
}

export interface Staying {
  readonly node: string;
  readonly load: number;
  readonly why: string;
}

export const MAX_STAYING = 64;

/** It changes nothing: called twice at the same moment it says the same. */
export function rebalancePlan(context: Context): RebalancePlan {
  const { view, settings, now } = context;
  const stay: Staying[] = [];
  let staying = 0;
  const moves = planBalance(context, (node, why) => {
    staying += 1;
    if (stay.length >= MAX_STAYING) return;
    stay.push({ node: node.id, load: loadWith(node, 0), why: stayText(context, node, why) });
  });
  return {
    enabled: settings.balance.enabled,
    liveMoves: settings.liveMoves,
    moves: moves.map(({ shard, from, to, isLive, fromLoad, toLoad }) => ({
      ...{ shard: shard.name, world: shard.worldName, from: from.id, to: to.id, live: isLive },
      ...{ fromLoad, toLoad },
      reason: shard.isOwned(view.generation)
        ? `${from.id} has stayed at ${percent(settings.balance.strainedAt)} or more for ${seconds(now - strainedFrom(from, now))}`
        : "it does not run yet",
    })),
    stay,
    more: staying - stay.length,
  };
}

function stayText({ settings, now }: Context, node: NodeEntry, stay: Stay): string {
  const { strainedAt, strainedMs, threshold, restMs, hysteresis } = settings.balance;
  switch (stay) {
    case "not-loaded":
      return `no other node is less loaded by more than ${percent(threshold)}`;
    case "not-strained":
      return `it reports ${percent(reportedLoad(node))}; worlds leave from ${percent(strainedAt)} on`;
    case "not-yet":
      return `overloaded for ${seconds(now - strainedFrom(node, now))} since its last move; worlds leave after ${seconds(strainedMs)}`;
    case "moving":
      return "it takes part in a move, or has not said since the last one how loaded it is";
    case "enough":
      return `as many worlds move as may at a time (${settings.maxMoves})`;
    case "resting":
      return `none of its worlds may be moved, or they were within ${seconds(restMs)}`;
    case "nowhere":
      return "no other node fits its worlds, has room and takes part in no move";
    case "no-better":
      return `no move would leave both nodes below what it has by ${percent(hysteresis)}, and the other below ${percent(strainedAt)}`;
  }
}

function strainedFrom({ strainedSince, movedAt }: NodeEntry, now: number): number {
  return Math.max(strainedSince ?? now, movedAt);
}

function percent(load: number): string {
  return `${Math.round(load * 100)} %`;
}

function seconds(ms: number): string {
  return `${Math.round(ms / 1000)} s`;
}
