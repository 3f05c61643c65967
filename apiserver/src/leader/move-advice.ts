import type { ModuleSource } from "@atlasnet/core";
import { choose } from "../placement/candidates.ts";
import type { NodeEntry, ShardEntry } from "../placement/entries.ts";
import { nodeProblem, nodeProblemText } from "../placement/explain.ts";
import type { PlacementSettings } from "../placement/settings.ts";
import type { ClusterView } from "../placement/view.ts";

/** Weights that nodes are to get beside what the view shows, by node. */
export type PlannedWeights = ReadonlyMap<string, number>;

export type Target =
  | { readonly ok: true; readonly node: string }
  /** Sentences: what stands in the way everywhere. */
  | { readonly ok: false; readonly problems: readonly string[] };

export interface MoveAdviceDependencies {
  readonly view: ClusterView;
  readonly leases: { holds(node: string): boolean };
  /** Whether this apiserver leads: only then it knows loads and leases. */
  readonly leads: () => boolean;
}

/** Nodes that are named with what keeps a shard from them. */
const MAX_NAMED_NODES = 16;

/**
 * Where a shard that an operator moves may go, as placement sees it here. It decides nothing: what it says may be
 * a moment old, and the transaction that begins a migration compares the records again. On an apiserver that does
 * not lead, the loads that nodes report are not known, and weights decide.
 */
export class MoveAdvice {
  private readonly settings: PlacementSettings;
  private readonly dependencies: MoveAdviceDependencies;

  constructor(settings: PlacementSettings, dependencies: MoveAdviceDependencies) {
    this.settings = settings;
    this.dependencies = dependencies;
  }

  /** The best node besides its owner. `module`: what it is to run there, if that is another one than its world names. */
  target(name: string, planned: PlannedWeights, module?: ModuleSource): Target {
    const { view } = this.dependencies;
    const shard = view.shards.get(name);
    if (shard?.world === undefined) return { ok: false, problems: [notSeen(name)] };
    const excluded = shard.owner;
    const others = [...view.nodes.values()].filter(
      (node) => node !== excluded && node.record?.role === "gameserver",
    );
    const weights = new Map(
      others.flatMap((node) => {
        const weight = planned.get(node.id);
        return weight === undefined ? [] : [[node, weight] as const];
      }),
    );
    const kind = module && shard.world.kind.withModule(module);
    let avoid: NodeEntry | undefined;
    for (const _ of others) {
      const { node } = choose(view, shard, this.settings, { excluded, avoid, kind }, weights);
      if (node === undefined) break;
      if (this.isHeard(node)) return { ok: true, node: node.id };
      avoid = node;
    }
    if (others.length === 0)
      return { ok: false, problems: ["there is no other gameserver to move it to"] };
    const named = others.slice(0, MAX_NAMED_NODES).map(({ id }) => {
      const problem = this.refusal(name, id, planned, module) ?? "is as loaded as it may be";
      return `${id} ${problem}`;
    });
    const more = others.length - named.length;
    return {
      ok: false,
      problems: more === 0 ? named : [...named, `${more} more nodes do not fit`],
    };
  }

  /** Why a shard cannot go to a node, as in "gs-2 …"; undefined: it can. */
  refusal(
    name: string,
    to: string,
    planned: PlannedWeights,
    module?: ModuleSource,
  ): string | undefined {
    const { view } = this.dependencies;
    const shard = view.shards.get(name);
    const node = view.nodes.get(to);
    if (shard?.world === undefined) return `cannot be judged: ${notSeen(name)}`;
    if (node === undefined) return "has not registered";
    const { world } = shard;
    const kind = module && world.kind.withModule(module);
    const problem = nodeProblem(view, world, shard, node, kind);
    // Where it is wanted already, its weight counts already.
    if (problem !== undefined && !(problem.code === "full" && isCounted(shard, node)))
      return nodeProblemText(problem, world.weight);
    const weight = world.weight + (planned.get(to) ?? 0);
    if (!view.hasRoom(node, weight) && !isCounted(shard, node))
      return `has no room for a weight of ${weight}, with what is on its way there`;
    return this.isHeard(node)
      ? undefined
      : "does not renew its lease at present: look at its clock, its network and its log";
  }

  /**
   * Why no more migrations may begin, as a sentence; undefined: they may. Those that were begun a moment ago may not be
   * seen here yet: requests at the same time can go beyond the bound by as many as there are.
   */
  crowded(): string | undefined {
    const { migrating } = this.dependencies.view;
    const { maxMoves } = this.settings;
    if (migrating.size < maxMoves) return undefined;
    return `${migrating.size} worlds are on their way already, of ${maxMoves} at a time`;
  }

  /** A node whose lease runs out is not yet declared lost, and takes nothing over any more. */
  private isHeard(node: NodeEntry): boolean {
    const { leads, leases } = this.dependencies;
    return !leads() || leases.holds(node.id);
  }
}

function isCounted(shard: ShardEntry, node: NodeEntry): boolean {
  return shard.seat === node || shard.wanted === node;
}

function notSeen(shard: string): string {
  return `this apiserver has not heard of ${shard} yet`;
}
