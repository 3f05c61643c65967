import { generationOf, isAlive, type MigrationReason, type WantReason } from "@atlasnet/core";
import { type Choice, choose } from "./candidates.ts";
import type { MigrationEntry, NodeEntry, ShardEntry } from "./entries.ts";
import { dismissing, leftToMirror, mirroring, notMirrored } from "./mirrors.ts";
import type { PlacementSettings } from "./settings.ts";
import type { ClusterView } from "./view.ts";

/** What is to be done about one shard. */
export type Decision =
  /** Nothing until something changes; `again` in ms of the clock, if time alone may change it. */
  | { readonly type: "rest"; readonly again?: number | undefined; readonly visits?: number }
  | {
      readonly type: "want";
      readonly node: NodeEntry | undefined;
      readonly reason: WantReason;
      /** Passed over for a while. */
      readonly avoid?: NodeEntry | undefined;
      readonly visits: number;
    }
  /** It lives, and is to be moved while it runs. */
  | {
      readonly type: "migrate";
      readonly node: NodeEntry;
      readonly reason: MigrationReason;
      readonly visits: number;
    }
  /** The migration that is under way shall end. */
  | { readonly type: "abort"; readonly problem: string }
  /** Its world was removed, and nobody owns it. */
  | { readonly type: "forget" }
  /** No node can take it: looked at again when there is room somewhere. */
  | { readonly type: "blocked"; readonly visits: number }
  /** A node is asked to mirror it. */
  | {
      readonly type: "mirror";
      readonly node: NodeEntry;
      /** Was asked before, and passed over for a while. */
      readonly avoid?: NodeEntry | undefined;
      readonly visits: number;
    }
  /** It lives without a mirror that it should have, and no node can be one: as with `blocked`. */
  | { readonly type: "unmirrored"; readonly visits: number }
  /** Its mirror is given up, and what it had with it. */
  | { readonly type: "abandon"; readonly problem: string }
  /** Its mirror, which nobody else may end, is asked to withdraw. */
  | { readonly type: "dismiss"; readonly visits: number }
  /** It is to move or to have a mirror, and enough others do. */
  | { readonly type: "hold" };

export interface Context {
  readonly view: ClusterView;
  readonly settings: PlacementSettings;
  readonly now: number;
}

const REST: Decision = { type: "rest" };

/** Looks at a shard; undefined when it has nothing to say. The first that has, decides. */
type Reconciler = (context: Context, shard: ShardEntry) => Decision | undefined;

/**
 * Shards that are on their way, whoever began it: its two nodes bring that to an end, and nobody else touches them.
 * What has no sense any more is ended at once; what does not end in time, a little later than those two should.
 */
const migrating: Reconciler = ({ view, settings, now }, shard) => {
  const { migration } = shard;
  if (migration === undefined) return undefined;
  const problem = whyAbort(view, shard, migration);
  if (problem !== undefined) return { type: "abort", problem };
  const { deadlineMs } = migration.record;
  const due = migration.since + deadlineMs + settings.migrationMarginMs;
  if (now < due) return { type: "rest", again: due };
  return { type: "abort", problem: `it did not end within ${deadlineMs} ms` };
};

function whyAbort(
  view: ClusterView,
  { world, owner, ownerModified }: ShardEntry,
  { record, to }: MigrationEntry,
): string | undefined {
  const { generation } = view;
  if (world?.created !== record.world) return "the world was removed";
  if (!world.enabled) return "the world was disabled";
  if (generationOf(ownerModified) !== generation || ownerModified !== record.epoch)
    return `${record.from} does not own it as it did any more`;
  if (!owner?.isRegistered(generation) || !isAlive(owner.record, record.fromBoot))
    return `${record.from}, which has it, is ${stateText(owner)}`;
  if (!to.isRegistered(generation) || to.record?.boot !== record.toBoot)
    return `${record.to}, where it was to go, is gone or was started anew`;
  if (to.record.state !== "ready") return `${record.to}, where it was to go, is ${stateText(to)}`;
  return undefined;
}

function stateText(node: NodeEntry | undefined): string {
  return node?.record?.state ?? "gone";
}

const removed: Reconciler = ({ view }, shard) => {
  if (shard.world !== undefined) return undefined;
  // Its owner sees that the world is gone, and releases.
  if (shard.isOwned(view.generation)) return REST;
  // One that is cut off, and does not, may act as long as its mirror says so. With both gone, the removal is an operator's word.
  return dismissing(view, shard) ?? { type: "forget" };
};

const disabled: Reconciler = (_, shard) => {
  if (shard.world?.enabled !== false) return undefined;
  if (shard.wanted === undefined) return REST;
  return { type: "want", node: undefined, reason: "disabled", visits: 1 };
};

/** Shards that live where they are wanted: drained, or left alone. */
const settled: Reconciler = (context, shard) => {
  const { owner, wanted } = shard;
  if (owner === undefined || owner !== wanted || !shard.isOwned(context.view.generation))
    return undefined;
  const decision = owner.record?.state === "draining" ? drained(context, shard, owner) : REST;
  const stays = ["rest", "blocked", "hold"].includes(decision.type);
  return (stays ? mirroring(context, shard) : undefined) ?? decision;
};

function drained(context: Context, shard: ShardEntry, owner: NodeEntry): Decision {
  const { view, settings } = context;
  const isLive = settings.liveMoves && shard.abortedDrains < settings.maxAbortedDrains;
  // Released and opened elsewhere it might begin without its state; moved while it runs it loses nothing.
  if (shard.world?.failover === "manual" && !isLive) return REST;
  if (view.occupancy.moving >= settings.maxMoves || owner.moves >= settings.maxMovesPerNode)
    return { type: "hold" };
  return isLive ? migrateAway(context, shard, owner) : place(context, shard, "drained", owner);
}

function migrateAway(context: Context, shard: ShardEntry, owner: NodeEntry) {
  const { settings, now } = context;
  const again = shard.abortedAt + settings.migrateAgainMs;
  if (now < again) return { type: "rest", again } as const;
  const { node, visits } = chooseAny(context, shard, owner);
  if (node === undefined) return { type: "blocked", visits } as const;
  if (node.moves >= settings.maxMovesPerNode) return { type: "hold" } as const;
  return { type: "migrate", node, reason: "drained", visits } as const;
}

/** Shards that live elsewhere than they are wanted: somebody has to take them in the end. */
const moving: Reconciler = (context, shard) => {
  const { view } = context;
  const { owner, wanted } = shard;
  if (owner === undefined || !shard.isOwned(view.generation)) return undefined;
  if (wanted !== undefined && view.canTake(wanted, shard)) return REST;
  // Nobody is there for it: it may as well stay, where its owner stays.
  if (owner.record?.state === "ready")
    return {
      type: "want",
      node: owner,
      reason: wanted === undefined ? "placed" : "not-allowed",
      visits: 1,
    };
  if (shard.world?.failover === "manual") return REST;
  return place(context, shard, "drained", owner);
};

/** Shards that nobody owns, with a node that was asked. */
const claiming: Reconciler = (context, shard) => {
  const { view, settings, now } = context;
  const { wanted, owner, world } = shard;
  if (wanted === undefined) return undefined;
  const due = shard.since + settings.claimMs;
  if (view.canTake(wanted, shard)) {
    if (now < due) return { type: "rest", again: due };
    const avoid = shard.avoided(now);
    const { node, visits } = choose(view, shard, settings, { excluded: wanted, avoid });
    if (node !== undefined)
      return { type: "want", node, reason: "not-claimed", avoid: wanted, visits };
    return { type: "rest", again: now + settings.claimMs, visits };
  }
  const isOwn = owner === wanted;
  if (isOwn && world?.failover === "manual") return REST;
  const starts = wanted.record?.state === "starting" && wanted.isRegistered(view.generation);
  const isAway = wanted.record !== undefined && !wanted.isRegistered(view.generation);
  // A node on its way back: it has the journal. One of before a restore has yet to say that it lives.
  if ((starts || isAway) && now < due && wanted.record?.role === "gameserver")
    return { type: "rest", again: due };
  const isLost = wanted.record === undefined || wanted.record.state === "lost";
  return place(context, shard, isOwn && isLost ? "failover" : "not-allowed", wanted);
};

const unplaced: Reconciler = (context, shard) => {
  const { owner, world } = shard;
  if (world?.failover === "manual" && owner !== undefined && !context.view.canTake(owner, shard))
    return REST;
  return place(context, shard, "placed", undefined);
};

const reconcilers: readonly Reconciler[] = [
  migrating,
  removed,
  disabled,
  notMirrored,
  leftToMirror,
  settled,
  moving,
  claiming,
  unplaced,
];

/** What the state asks for about a shard without a pending proposal. */
export function decide(context: Context, shard: ShardEntry): Decision {
  for (const reconciler of reconcilers) {
    const decision = reconciler(context, shard);
    if (decision !== undefined) return decision;
  }
  return REST;
}

function place(
  context: Context,
  shard: ShardEntry,
  reason: WantReason,
  excluded: NodeEntry | undefined,
): Decision {
  const { node, visits } = chooseAny(context, shard, excluded);
  if (node === undefined) return { type: "blocked", visits };
  return { type: "want", node, reason, visits };
}

/** Another node than the one that failed with it lately is better; that one is better than none. */
function chooseAny(
  { view, settings, now }: Context,
  shard: ShardEntry,
  excluded: NodeEntry | undefined,
): Choice {
  const avoid = shard.avoided(now);
  const choice = choose(view, shard, settings, { excluded, avoid });
  if (choice.node !== undefined || avoid === undefined) return choice;
  const { node, visits } = choose(view, shard, settings, { excluded });
  return { node, visits: visits + choice.visits };
}
