import {
  abandonMirror,
  abortMigration,
  askMirror,
  beginMigration,
  type Compare,
  dismissMirror,
  forgetParts,
  lostParts,
  type MigrationReason,
  modifiedIs,
  type NodeRecord,
  nodeKey,
  type Operation,
  ownerKey,
  type TxnParts,
  termIs,
  type WantAssumptions,
  type WantReason,
  wantParts,
  when,
  worldKey,
} from "@atlasnet/core";
import type { NodeEntry, ShardEntry } from "./entries.ts";

/** What the control plane wants to be written, with what it assumed. */
export type Intent =
  | {
      readonly type: "want";
      readonly sequence: number;
      readonly shard: string;
      readonly node: string | undefined;
      readonly reason: WantReason;
      readonly assumed: WantAssumptions;
      /** In a transaction by itself: joined with others it failed before. */
      readonly alone: boolean;
    }
  | {
      readonly type: "forget";
      readonly sequence: number;
      readonly shard: string;
      readonly assumed: WantAssumptions;
      readonly alone: boolean;
    }
  /** A living shard is to be moved while it runs. */
  | {
      readonly type: "migrate";
      readonly sequence: number;
      readonly shard: string;
      readonly node: string;
      readonly reason: MigrationReason;
      readonly txn: TxnParts;
      readonly alone: boolean;
    }
  /** A migration has no sense any more, or no end. */
  | {
      readonly type: "abort";
      readonly sequence: number;
      readonly shard: string;
      readonly migration: string;
      readonly problem: string;
      readonly txn: TxnParts;
      readonly alone: boolean;
    }
  /** A node is asked to mirror a shard. */
  | {
      readonly type: "mirror";
      readonly sequence: number;
      readonly shard: string;
      readonly node: string;
      readonly txn: TxnParts;
      readonly alone: boolean;
    }
  /** What a mirror has is given up. */
  | {
      readonly type: "abandon";
      readonly sequence: number;
      readonly shard: string;
      readonly mirror: string;
      readonly problem: string;
      readonly txn: TxnParts;
      readonly alone: boolean;
    }
  /** A mirror is asked to withdraw. */
  | {
      readonly type: "dismiss";
      readonly sequence: number;
      readonly shard: string;
      readonly mirror: string;
      readonly txn: TxnParts;
      readonly alone: boolean;
    }
  /** Its lease has run out. From now on none of its renewals is answered, until this is decided. */
  | {
      readonly type: "lost";
      readonly sequence: number;
      readonly node: string;
      readonly modified: number;
      readonly record: NodeRecord;
    };

/** A transaction and the intents that it carries out, all or none. */
export interface Proposed {
  readonly intents: readonly Intent[];
  readonly txn: TxnParts;
}

/** What a decision about a shard took for granted. */
export function assumptionsOf(
  shard: ShardEntry,
  others: readonly (NodeEntry | undefined)[],
): WantAssumptions {
  const nodes = new Set<NodeEntry>();
  for (const node of others) if (node !== undefined) nodes.add(node);
  // That its owner does not live, or drains, is a matter of its record.
  if (shard.ownerHolds && shard.owner !== undefined) nodes.add(shard.owner);
  return {
    world: shard.worldName,
    worldModified: shard.world?.modified ?? 0,
    shardModified: shard.modified,
    ownerModified: shard.ownerModified,
    migrationModified: shard.migration?.modified ?? 0,
    nodes: [...nodes].map(({ id, modified }) => ({ node: id, modified })),
  };
}

/** Undefined: the records do not allow it. `started`: ms since 1970, for people. */
export function migrateTxn(
  shard: ShardEntry,
  to: NodeEntry,
  generation: number,
  wish: {
    readonly id: string;
    readonly reason: MigrationReason;
    readonly started: number;
    readonly deadlineMs: number;
  },
): TxnParts | undefined {
  const { migration } = shard;
  const owned = ownedAs(shard);
  if (owned === undefined) return undefined;
  const { created = 0, modified = 0 } = migration ?? {};
  const view = {
    ...owned,
    shard: { modified: shard.modified },
    target: { record: to.record, modified: to.modified },
    migration: { record: migration?.record, created, modified },
  };
  const made = beginMigration(shard.name, view, { ...wish, to: to.id }, generation);
  return made.ok ? made.txn : undefined;
}

/** Undefined: the records do not allow it. `id`: of the record. */
export function mirrorTxn(
  shard: ShardEntry,
  to: NodeEntry,
  generation: number,
  id: string,
): TxnParts | undefined {
  const { mirror } = shard;
  const owned = ownedAs(shard);
  if (owned === undefined) return undefined;
  const view = {
    ...owned,
    mirror: { record: mirror?.record, modified: mirror?.modified ?? 0 },
    mirrorNode: { record: mirror?.node.record, modified: mirror?.node.modified ?? 0 },
    node: { record: to.record, modified: to.modified },
  };
  const made = askMirror(shard.name, view, { id, node: to.id, generation });
  return made.ok ? made.txn : undefined;
}

/** What is given up with it was decided by its owner's state and its own. Undefined: there is none. */
export function abandonTxn(shard: ShardEntry): TxnParts | undefined {
  const { mirror } = shard;
  if (mirror === undefined) return undefined;
  const { compare, then } = abandonMirror(shard.name, mirror);
  const { nodes, worldModified, ownerModified } = assumptionsOf(shard, [mirror.node]);
  return when(
    [
      ...compare,
      modifiedIs(worldKey(shard.worldName), worldModified),
      modifiedIs(ownerKey(shard.name), ownerModified),
      ...nodes.map(({ node, modified }) => modifiedIs(nodeKey(node), modified)),
    ],
    then,
  );
}

/** Undefined: there is nobody to ask. */
export function dismissTxn({ name, mirror }: ShardEntry): TxnParts | undefined {
  if (mirror === undefined) return undefined;
  const made = dismissMirror(name, mirror);
  return made.ok ? made.txn : undefined;
}

/** Undefined: it is no shard of the world that is there now. */
function ownedAs({ world, owner, ownerBoot, ownerWorld, ownerModified, ownerHolds }: ShardEntry) {
  if (world === undefined || owner === undefined || ownerWorld !== world.created) return undefined;
  const state = ownerHolds ? "owned" : "released";
  const record = { world: ownerWorld, node: owner.id, boot: ownerBoot, state } as const;
  return {
    world: { record: world, created: world.created, modified: world.modified },
    owner: { record, modified: ownerModified },
    ownerNode: { record: owner.record, modified: owner.modified },
  };
}

/** Undefined: there is no migration. `ended`: ms since 1970, for people. */
export function abortTxn(
  { name, migration }: ShardEntry,
  how: { readonly by: string; readonly problem: string; readonly ended: number },
): TxnParts | undefined {
  if (migration === undefined) return undefined;
  const made = abortMigration(name, migration, how);
  return made.ok ? made.txn : undefined;
}

/**
 * Transactions for intents, in their order, each of at most `most` intents. They compare what the intents
 * assumed, each key once, and the term of the proposer.
 */
export function transactionsOf(
  intents: readonly Intent[],
  term: number,
  most: number,
): readonly Proposed[] {
  const proposed: Proposed[] = [];
  let joined: Intent[] = [];
  const flush = () => {
    if (joined.length > 0) proposed.push(join(joined, term));
    joined = [];
  };
  for (const intent of intents) {
    if (intent.type === "lost" || intent.alone) {
      proposed.push(join([intent], term));
      continue;
    }
    joined.push(intent);
    if (joined.length >= most) flush();
  }
  flush();
  return proposed;
}

function join(intents: readonly Intent[], term: number): Proposed {
  const compares = new Map<string, Compare>();
  const operations: Operation[] = [];
  for (const intent of intents) {
    const parts = partsOf(intent);
    for (const compare of parts.compare)
      if (compare.type !== "term") compares.set(compare.key, compare);
    operations.push(...parts.then);
  }
  return { intents, txn: when([termIs(term), ...compares.values()], operations) };
}

function partsOf(intent: Intent): TxnParts {
  switch (intent.type) {
    case "want": {
      const { node, reason } = intent;
      const record = node === undefined ? { reason } : { wanted: node, reason };
      return wantParts(intent.shard, record, intent.assumed);
    }
    case "forget":
      return forgetParts(intent.shard, intent.assumed);
    case "migrate":
    case "abort":
    case "mirror":
    case "abandon":
    case "dismiss":
      return intent.txn;
    case "lost":
      return lostParts(intent.node, intent.modified, intent.record);
  }
}
