import {
  ANY_MODULE,
  generationOf,
  isAlive,
  isMirrored,
  isOwned,
  type MirrorRecord,
  type NodeRecord,
  type OwnerRecord,
  type Seen,
  type ShardRecord,
  STORED_MODULES,
  type WorldRecord,
} from "@atlasnet/core";

/**
 * Where a shard stands:
 *
 * - `owned`: a node runs it.
 * - `wanted`: a node is asked to take it.
 * - `unplaced`: nobody runs it and nobody is asked.
 * - `disabled`: the world is not to run.
 */
export type PlacementState = "owned" | "wanted" | "unplaced" | "disabled";

export interface PlacementFacts {
  readonly world: Seen<WorldRecord>;
  readonly shard: Seen<ShardRecord>;
  readonly owner: Seen<OwnerRecord>;
  readonly mirror: Seen<MirrorRecord>;
  readonly nodes: ReadonlyMap<string, Seen<NodeRecord>>;
  /** Of the store that all of it was read from. */
  readonly revision: number;
}

export interface PlacementStatus {
  readonly state: PlacementState;
  /** Why it does not run, or still runs on a node that drains, as sentences; else empty. */
  readonly why: readonly string[];
}

/** Nodes that are named with what keeps a world from them. */
const MAX_NAMED_NODES = 16;

export function placementStatus(facts: PlacementFacts): PlacementStatus {
  const { world, shard, owner, nodes } = facts;
  const { record } = world;
  const holder = owner.record?.node;
  const holderNode = (holder === undefined ? undefined : nodes.get(holder)) ?? ABSENT_NODE;
  const owned = isOwned(owner, holderNode, generationOf(facts.revision));
  if (owned) {
    const stays = record !== undefined && holderNode.record?.state === "draining";
    return { state: "owned", why: stays ? whyNowhere(record, nodes) : [] };
  }
  if (record === undefined) return { state: "disabled", why: ["The world was removed."] };
  if (!record.enabled) return { state: "disabled", why: ["The world is disabled."] };
  const mirrored = whyMirrored(facts);
  if (mirrored !== undefined) return { state: "unplaced", why: [mirrored] };
  const wanted = shard.record?.wanted;
  const asked = wanted === undefined ? undefined : nodes.get(wanted)?.record;
  // Whoever is asked and gone is not replaced: for people it is the wish of before.
  const isLeft = record.failover === "manual" && owner.record?.state === "owned";
  if (wanted !== undefined && !(isLeft && asked?.state !== "ready"))
    return { state: "wanted", why: [whyNotClaimed(wanted, nodes)] };
  if (isLeft)
    return {
      state: "unplaced",
      why: [
        `It ran on ${owner.record?.node}, which is gone, and its failover is manual: it waits for that node. With \`atlasnet world update --failover automatic\` it begins elsewhere, from its newest recorded snapshot if there is one.`,
      ],
    };
  return { state: "unplaced", why: whyNowhere(record, nodes) };
}

/** Its owner is gone, and only its mirror may go on with it. */
function whyMirrored({
  world,
  owner,
  mirror,
  nodes,
  revision,
}: PlacementFacts): string | undefined {
  const { record } = mirror;
  if (record === undefined || !isMirrored(mirror, owner, generationOf(revision))) return undefined;
  if (isAlive(nodes.get(record.node)?.record, record.boot))
    return `${owner.record?.node}, which ran it, is gone: its mirror on ${record.node} takes over.`;
  const gone = `${owner.record?.node}, which ran it, and its mirror on ${record.node} are gone`;
  const isManual = world.record?.failover === "manual";
  const why = isManual ? "its failover is manual" : "its failover was manual when they began";
  return isManual || record.unleased === true
    ? `${gone}, and ${why}: it waits for an operator, \`atlasnet world restore-from-snapshot\`.`
    : `${gone}: it begins again from its newest snapshot in a moment.`;
}

const ABSENT_NODE: Seen<NodeRecord> = { record: undefined, created: 0, modified: 0 };

function whyNotClaimed(wanted: string, nodes: PlacementFacts["nodes"]): string {
  const node = nodes.get(wanted)?.record;
  if (node === undefined) return `Node ${wanted} was asked to take it, and is not registered.`;
  if (node.state === "ready")
    return `Node ${wanted} was asked to take it, and has not done so yet.`;
  return `Node ${wanted} was asked to take it, and is ${node.state}.`;
}

function whyNowhere(world: WorldRecord, nodes: PlacementFacts["nodes"]): string[] {
  const servers = [...nodes].flatMap(([id, { record }]) =>
    record?.role === "gameserver" ? [{ id, record }] : [],
  );
  if (servers.length === 0)
    return ["No gameserver is registered. Start one: `atlasnet gameserver`."];
  const problems = servers.map(({ id, record }) => ({ id, problem: misfit(world, id, record) }));
  const fitting = problems.filter(({ problem }) => problem === undefined);
  if (fitting.length > 0) {
    const [first] = fitting;
    return [
      `${fitting.length === 1 ? `Node ${first?.id} fits` : `${fitting.length} nodes fit`}: the placement will ask one soon, unless they are full.`,
    ];
  }
  const named = problems.slice(0, MAX_NAMED_NODES).map(({ id, problem }) => `${id}: ${problem}.`);
  const rest = problems.length - named.length;
  return rest === 0 ? named : [...named, `${rest} more nodes do not fit.`];
}

/** Why a node is nothing for a world, to be read behind its name; undefined: it may be. */
export function misfit(world: WorldRecord, id: string, node: NodeRecord): string | undefined {
  const { constraints, module, weight } = world;
  if (node.state !== "ready") return `it is ${node.state}`;
  if (node.cordoned) return "it is cordoned";
  if (constraints.nodes.length > 0 && !constraints.nodes.includes(id))
    return "the world names other nodes";
  for (const [label, value] of Object.entries(constraints.nodeLabels))
    if (node.labels[label] !== value) return `it has not the label ${label}=${value}`;
  if (
    module.source === "node" &&
    !node.modules.includes(module.path) &&
    !node.modules.includes(ANY_MODULE)
  )
    return `it has not the module ${module.path}`;
  if (module.source === "store" && !node.modules.includes(STORED_MODULES))
    return `it has no artifacts.store, where the module ${module.name}@${module.version} is`;
  if (node.capacity.weight < weight)
    return `its capacity is ${node.capacity.weight}, and the world weighs ${weight}`;
  return undefined;
}
