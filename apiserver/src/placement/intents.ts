import {
  type Compare,
  forgetParts,
  lostParts,
  type NodeRecord,
  type Operation,
  type TxnParts,
  termIs,
  type WantAssumptions,
  type WantReason,
  wantParts,
  when,
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
    nodes: [...nodes].map(({ id, modified }) => ({ node: id, modified })),
  };
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
    case "lost":
      return lostParts(intent.node, intent.modified, intent.record);
  }
}
