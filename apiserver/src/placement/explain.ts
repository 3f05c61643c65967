import type { NodeEntry, ShardEntry, WorldEntry } from "./entries.ts";
import { mirrorText } from "./mirrors.ts";
import { reportedLoad } from "./node-reports.ts";
import type { ClusterView } from "./view.ts";
import { type Misfit, moduleName } from "./world-kind.ts";

/** Why a node does not take a world. */
export type NodeProblem =
  | Misfit
  | { readonly code: "state"; readonly state: string }
  | { readonly code: "not-registered" }
  | { readonly code: "cordoned" }
  | { readonly code: "overloaded"; readonly load: number }
  | { readonly code: "full"; readonly weight: number; readonly capacity: number };

export type WorldState =
  | "unknown"
  | "disabled"
  | "running"
  /** Its owner is to give it up. */
  | "moving"
  /** A node was asked and has not taken it yet. */
  | "claiming"
  /** Its node is lost, and it waits for that one (failover = manual), or for its mirror to take over. */
  | "waiting"
  /** It will be placed in a moment. */
  | "pending"
  | "unplaced";

export interface Explanation {
  readonly world: string;
  readonly state: WorldState;
  /** Who owns it. */
  readonly owner: string | undefined;
  readonly epoch: number | undefined;
  /** Who is asked to own it. */
  readonly wanted: string | undefined;
  /** What stands in the way everywhere, as sentences; empty when nothing does. */
  readonly problems: readonly string[];
  /** What stands in the way at each gameserver; at most MAX_EXPLAINED_NODES. */
  readonly nodes: readonly { readonly node: string; readonly problem: NodeProblem }[];
  /** Gameservers with a problem beyond those. */
  readonly more: number;
}

export const MAX_EXPLAINED_NODES = 32;

/** Where a world is and, when it is nowhere, why. */
export function explainWorld(view: ClusterView, name: string): Explanation {
  const world = view.worlds.get(name);
  const shard = view.shards.get(`${name}/0`);
  const owner = shard?.isOwned(view.generation) ? shard.owner : undefined;
  const base = {
    world: name,
    owner: owner?.id,
    epoch: owner === undefined ? undefined : shard?.ownerModified,
    wanted: shard?.wanted?.id,
  };
  const nothing = { problems: [], nodes: [], more: 0 };
  if (world === undefined || shard === undefined) {
    const problems = [`there is no world ${name}`];
    return { ...base, state: "unknown", ...nothing, problems };
  }
  if (!world.enabled) {
    const problems = ["it is disabled"];
    return { ...base, state: "disabled", ...nothing, problems };
  }
  if (owner !== undefined) {
    if (shard.wanted === owner) return { ...base, state: "running", ...nothing };
    const problems = [`it waits for ${owner.id} to release it`];
    return { ...base, state: "moving", ...nothing, problems };
  }
  const { wanted } = shard;
  const mirrored = mirrorText(view, shard);
  if (mirrored !== undefined)
    return { ...base, state: "waiting", ...nothing, problems: [mirrored] };
  if (wanted !== undefined && view.canTake(wanted, shard)) {
    const problems = [`it waits for ${wanted.id} to take it`];
    return { ...base, state: "claiming", ...nothing, problems };
  }
  if (world.failover === "manual" && shard.owner !== undefined) {
    const problems = [
      `it waits for ${shard.owner.id} to come back: its failover is manual; \`atlasnet world update ${name} --failover automatic\` has it begin elsewhere, from its newest recorded snapshot if there is one`,
    ];
    return { ...base, state: "waiting", ...nothing, problems };
  }
  return { ...base, ...whyNowhere(view, world, shard) };
}

function whyNowhere(
  view: ClusterView,
  world: WorldEntry,
  shard: ShardEntry,
): Pick<Explanation, "state" | "problems" | "nodes" | "more"> {
  const found: { node: string; problem: NodeProblem }[] = [];
  let gameservers = 0;
  for (const node of view.nodes.values()) {
    if (node.record?.role !== "gameserver") continue;
    gameservers += 1;
    const problem = nodeProblem(view, world, shard, node);
    if (problem !== undefined) found.push({ node: node.id, problem });
  }
  if (found.length < gameservers) return { state: "pending", problems: [], nodes: [], more: 0 };
  found.sort((a, b) => (a.node < b.node ? -1 : 1));
  const nodes = found.slice(0, MAX_EXPLAINED_NODES);
  return {
    state: "unplaced",
    problems: sentences(found, world),
    nodes,
    more: found.length - nodes.length,
  };
}

/** What keeps a node from taking a world, the most lasting reason first. `kind`: what the world is about to be. */
export function nodeProblem(
  view: ClusterView,
  world: WorldEntry,
  shard: ShardEntry,
  node: NodeEntry,
  kind = world.kind,
): NodeProblem | undefined {
  const { record } = node;
  if (record === undefined) return { code: "not-registered" };
  const misfit = kind.misfit(node, view.modules);
  if (misfit !== undefined) return misfit;
  if (record.state !== "ready") return { code: "state", state: record.state };
  if (!node.isRegistered(view.generation)) return { code: "not-registered" };
  if (record.cordoned && shard.owner !== node) return { code: "cordoned" };
  if (view.reports.isOverloaded(node)) return { code: "overloaded", load: reportedLoad(node) };
  if (!view.hasRoom(node, world.weight))
    return { code: "full", weight: node.weight, capacity: record.capacity.weight };
  return undefined;
}

function sentences(
  found: readonly { readonly node: string; readonly problem: NodeProblem }[],
  { kind, weight }: WorldEntry,
): string[] {
  if (found.length === 0) return ["no gameserver is registered"];
  const all = (holds: (problem: NodeProblem) => boolean) =>
    found.every(({ problem }) => holds(problem));
  const texts: string[] = [];
  for (const [label, value] of Object.entries(kind.constraints.nodeLabels))
    if (all((problem) => problem.code === "label" && problem.label === label))
      texts.push(`no node has label ${label}=${value}`);
  if (texts.length > 0) return texts;
  if (all(({ code }) => code === "not-named"))
    return [`none of the nodes it may run on is registered: ${kind.constraints.nodes.join(", ")}`];
  const fitting = found.filter(({ problem: { code } }) => code !== "label" && code !== "not-named");
  if (fitting.length > 0 && fitting.every(({ problem }) => problem.code === "no-module"))
    return [`module ${moduleName(kind.module)} is not available on any node that it may run on`];
  if (fitting.length > 0 && fitting.every(({ problem }) => problem.code === "no-store"))
    return [
      `module ${moduleName(kind.module)} is in the artifact store, and no node that it may run on has artifacts.store set`,
    ];
  return found
    .filter(({ problem: { code } }) => code !== "label" && code !== "not-named")
    .slice(0, MAX_EXPLAINED_NODES)
    .map(({ node, problem }) => `${node} ${nodeProblemText(problem, weight)}`)
    .concat(fitting.length === 0 ? ["no node has all the labels it needs"] : []);
}

/** "gs-3 …": the rest of the sentence. */
export function nodeProblemText(problem: NodeProblem, weight: number): string {
  switch (problem.code) {
    case "label":
      return `has no label ${problem.label}=${problem.value}`;
    case "not-named":
      return "is not among the nodes it may run on";
    case "no-module":
      return `does not have the module ${problem.module}`;
    case "no-store":
      return `has no artifacts.store, where the module ${problem.module} is`;
    case "state":
      return `is ${problem.state}`;
    case "not-registered":
      return "has not registered";
    case "cordoned":
      return "is cordoned";
    case "overloaded":
      return `is overloaded, at ${Math.round(problem.load * 100)} %`;
    case "full":
      return `has no room for a weight of ${weight}: ${problem.weight} of ${problem.capacity} are taken`;
  }
}
