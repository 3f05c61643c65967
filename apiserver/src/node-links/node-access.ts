import {
  decodeRecord,
  type KeySelector,
  nodeKey,
  type Operation,
  type Peer,
  parseRecordKey,
  type TxnRequest,
} from "@atlasnet/core";

/**
 * What a node may do with the control store over its link, whose certificate says who it is. It reads all but
 * secrets, and writes what is its own to say:
 *
 * | key | who | what |
 * |---|---|---|
 * | `nodes/<itself>` | every node | put: a record of its role |
 * | `shards/<world>/<index>/owner` | gameservers | put in `then`: a record that names itself; to own, under its lease |
 * | `kv/cluster/…`, `kv/node/<itself>/…` | gameservers | put, delete, also by prefix |
 *
 * A transaction may compare any key but secrets: that is how a claim names what it assumes.
 */

/** Keys that nodes do not see: the hashes of the tokens of the HTTP API. */
const SECRETS: readonly string[] = ["tokens/"];
const KV_CLUSTER = "kv/cluster/";

/** Why a node may not read or watch these keys; undefined: it may. */
export function readProblem(selector: KeySelector): string | undefined {
  const { key, prefix } = { key: undefined, prefix: undefined, ...selector };
  for (const secret of SECRETS) {
    if (key?.startsWith(secret) || prefix?.startsWith(secret))
      return `nodes may not read below ${secret}`;
    if (prefix !== undefined && secret.startsWith(prefix))
      return `the prefix "${prefix}" covers ${secret}, which nodes may not read: name a longer one`;
  }
  return undefined;
}

/** Why a node may not propose this transaction; undefined: it may. The request has been checked. */
export function txnProblem(peer: Peer, request: TxnRequest): string | undefined {
  for (const compare of request.compare) {
    if (compare.type === "term") continue;
    const problem = readProblem({ key: compare.key });
    if (problem !== undefined) return problem;
  }
  const leased = request.leases?.includes(peer.node) === true;
  for (const operation of request.then) {
    const problem = operationProblem(peer, operation, leased);
    if (problem !== undefined) return problem;
  }
  for (const operation of request.otherwise ?? []) {
    const problem = operationProblem(peer, operation, leased) ?? elseProblem(operation);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** A change of an owner depends on what its node saw; in `otherwise` is what happens when that was wrong. */
function elseProblem(operation: Operation): string | undefined {
  if (operation.type !== "put" || parseRecordKey(operation.key)?.kind !== "owner") return undefined;
  return `${operation.key}: an owner is written in "then" only, after compares that hold`;
}

function operationProblem(peer: Peer, operation: Operation, leased: boolean): string | undefined {
  if (operation.type === "put") {
    const { key, value } = operation;
    if (key === nodeKey(peer.node)) return nodeRecordProblem(peer, key, value);
    if (parseRecordKey(key)?.kind === "owner") return ownerProblem(peer, key, value, leased);
  }
  const { key, prefix } = { key: undefined, prefix: undefined, ...operation };
  const where = key ?? prefix ?? "";
  if (peer.role === "gameserver" && isOwnKv(peer, where, key !== undefined)) return undefined;
  const what = operation.type === "put" ? "write" : "delete";
  return `${peer.role} ${peer.node} may not ${what} ${where}${key === undefined ? "…" : ""}`;
}

function nodeRecordProblem({ role }: Peer, key: string, value: Uint8Array): string | undefined {
  const decoded = decodeRecord("node", value);
  if (!decoded.ok) return `${key}: ${decoded.problem}`;
  return decoded.record.role === role
    ? undefined
    : `${key}: the certificate says ${role}, the record ${decoded.record.role}`;
}

function ownerProblem(
  { role, node }: Peer,
  key: string,
  value: Uint8Array,
  leased: boolean,
): string | undefined {
  if (role !== "gameserver") return `${key}: only gameservers own shards, ${node} is a ${role}`;
  const decoded = decodeRecord("owner", value);
  if (!decoded.ok) return `${key}: ${decoded.problem}`;
  const { record } = decoded;
  if (record.node !== node) return `${key}: ${node} may name itself only, and not ${record.node}`;
  // Whoever gives up may do so without a lease; to own is to be able to lose it.
  return record.state === "owned" && !leased
    ? `${key}: ${node} becomes an owner under its own lease only, which "leases" has to name`
    : undefined;
}

/** Below one of the two places: a key has something behind the place, a prefix may be the whole of it. */
function isOwnKv({ node }: Peer, where: string, isKey: boolean): boolean {
  return [KV_CLUSTER, `kv/node/${node}/`].some(
    (place) => where.startsWith(place) && (!isKey || where.length > place.length),
  );
}
