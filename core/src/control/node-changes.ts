import { generationOf, type TxnRequest } from "./control-store.ts";
import { encodeRecord } from "./record-codec.ts";
import { nodeKey } from "./record-keys.ts";
import type { NodeRecord, NodeState, Seen } from "./records.ts";
import { modifiedIs, type Proposal, refused, type TxnParts, termIs, when } from "./txn-parts.ts";

/** Transactions on the records of nodes. */

export interface Registration {
  /** `cordoned` is taken over from the record that is there. */
  readonly record: Omit<NodeRecord, "cordoned">;
  readonly generation: number;
  /**
   * The boot that last used the data directory which this process has locked: that one is gone for certain, so its
   * lease need not run out.
   */
  readonly previousBoot?: string | undefined;
}

/** A process enters. Another boot under the same id has to be lost or gone before. */
export function registerNode(
  node: string,
  before: Seen<NodeRecord>,
  { record, generation, previousBoot }: Registration,
): Proposal<"boot-held"> {
  const held = before.record;
  const isFree =
    held === undefined ||
    held.state === "lost" ||
    held.state === "stopped" ||
    held.boot === record.boot ||
    held.boot === previousBoot ||
    generationOf(before.modified) !== generation;
  if (!isFree)
    return refused(
      "boot-held",
      `another process is registered as ${node}, at ${held.address}; it is free once that one's lease has run out`,
    );
  return put(node, before, { ...record, cordoned: held?.cordoned ?? false });
}

/** A node says how it is. Only its own boot may, under its lease. */
export function changeNodeState(
  node: string,
  before: Seen<NodeRecord>,
  boot: string,
  state: Exclude<NodeState, "lost">,
): Proposal<"not-registered"> {
  const { record } = before;
  if (record?.boot !== boot || record.state === "lost" || record.state === "stopped")
    return refused("not-registered", `${node} is not registered with the boot ${boot}`);
  const changed = put(node, before, { ...record, state });
  return { ok: true, txn: { ...changed.txn, leases: [node] } };
}

/**
 * What operators change in a node's record, they change of a registration of this generation of the store: one
 * that a restore brought back is dead, and a change would make it look alive.
 */
export type RestoredRefusal = "no-node" | "restored";

/** An operator keeps new shards away from a node, or lets them come again. */
export function cordonNode(
  node: string,
  before: Seen<NodeRecord>,
  generation: number,
  cordoned: boolean,
): Proposal<RestoredRefusal> {
  if (before.record === undefined) return absent(node);
  if (isRestored(before, generation)) return restored(node);
  return put(node, before, { ...before.record, cordoned });
}

/** An operator empties a node. It gives its shards away one by one. */
export function drainNode(
  node: string,
  before: Seen<NodeRecord>,
  generation: number,
): Proposal<RestoredRefusal | "gone" | "not-gameserver"> {
  const { record } = before;
  if (record === undefined) return absent(node);
  // Nobody would tell another one, and it would never be ready again.
  if (record.role !== "gameserver")
    return refused("not-gameserver", `${node} is a ${record.role}: gameservers alone are drained`);
  if (record.state === "lost" || record.state === "stopped")
    return refused("gone", `${node} is ${record.state}`);
  if (isRestored(before, generation)) return restored(node);
  return put(node, before, { ...record, state: "draining" });
}

/** An operator takes a drain back: what is on the node stays there. */
export function undrainNode(
  node: string,
  before: Seen<NodeRecord>,
  generation: number,
): Proposal<RestoredRefusal | "not-draining"> {
  const { record } = before;
  if (record === undefined) return absent(node);
  if (record.state !== "draining") return refused("not-draining", `${node} is ${record.state}`);
  if (isRestored(before, generation)) return restored(node);
  return put(node, before, { ...record, state: "ready" });
}

/**
 * The leader takes everything from a node whose lease has run out. From the moment this is proposed until it
 * is decided, no renewal of that node may be answered.
 */
export function markLost(
  node: string,
  before: Seen<NodeRecord>,
  term: number,
): Proposal<"no-node" | "gone"> {
  const { record } = before;
  if (record === undefined) return refused("no-node", `there is no node ${node}`);
  if (record.state === "lost" || record.state === "stopped")
    return refused("gone", `${node} is ${record.state}`);
  const parts = lostParts(node, before.modified, record);
  return { ok: true, txn: { ...parts, compare: [termIs(term), ...parts.compare] } };
}

/** Without the term, for transactions of several parts. */
export function lostParts(node: string, modified: number, record: NodeRecord): TxnParts {
  return put(node, { record, created: 0, modified }, { ...record, state: "lost" }).txn;
}

/** An operator forgets a node. Only one that can hold nothing: its shards would be free at once. */
export function removeNode(
  node: string,
  before: Seen<NodeRecord>,
): Proposal<"no-node" | "not-gone"> {
  const { record } = before;
  if (record === undefined) return refused("no-node", `there is no node ${node}`);
  if (record.state !== "lost" && record.state !== "stopped")
    return refused("not-gone", `${node} is ${record.state}: stop it first, or wait for its lease`);
  return {
    ok: true,
    txn: when(
      [modifiedIs(nodeKey(node), before.modified)],
      [{ type: "delete", key: nodeKey(node) }],
    ),
  };
}

function isRestored(before: Seen<NodeRecord>, generation: number): boolean {
  return generationOf(before.modified) !== generation;
}

function absent(node: string): Proposal<"no-node"> {
  return refused("no-node", `there is no node ${node}`);
}

function restored(node: string): Proposal<"restored"> {
  return refused(
    "restored",
    `${node} has not registered since the control state was restored from a backup`,
  );
}

function put(
  node: string,
  before: Seen<NodeRecord>,
  record: NodeRecord,
): { readonly ok: true; readonly txn: TxnRequest } {
  const key = nodeKey(node);
  return {
    ok: true,
    txn: when(
      [modifiedIs(key, before.modified)],
      [{ type: "put", key, value: encodeRecord("node", record) }],
    ),
  };
}
