import {
  decodeRecord,
  type KeySelector,
  MAX_LEASE_MS,
  nodeKey,
  type Operation,
  ownerKey,
  type Peer,
  parseRecordKey,
  type TxnRequest,
} from "@atlasnet/core";
import { migratedShard, migrationProblem } from "./migration-access.ts";
import { mirroredShard, mirrorProblem } from "./mirror-access.ts";
import { comparesRevision } from "./request-parts.ts";

/**
 * What a node may do with the control store over its link, whose certificate says who it is. It reads all but
 * secrets, and writes what is its own to say:
 *
 * | key | who | what |
 * |---|---|---|
 * | `nodes/<itself>` | every node | put: a record of its role |
 * | `shards/<world>/<index>/owner` | gameservers | put in `then`: a record that names itself; to own, under its lease |
 * | `shards/<world>/<index>/snapshot` | gameservers | put: a record that names itself, compared with the epoch it names |
 * | `shards/<world>/<index>`, `…/migration`, `…/moved` | gameservers | in `then`: end a migration that it takes part in (migration-access.ts) |
 * | `worlds/<world>` | gameservers | in `then`: put the module that a migration to itself brings, with its switch (migration-access.ts) |
 * | `shards/<world>/<index>/mirror` | gameservers | in `then`: confirm, clear, promote (mirror-access.ts), and what a switch does of it |
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
    const problem = thenProblem(peer, operation, request, leased);
    if (problem !== undefined) return problem;
  }
  for (const operation of request.otherwise ?? []) {
    const problem = operationProblem(peer, operation, leased) ?? elseProblem(operation);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function thenProblem(
  peer: Peer,
  operation: Operation,
  request: TxnRequest,
  leased: boolean,
): string | undefined {
  const mirrored = mirroredShard(operation, request);
  if (mirrored !== undefined) return mirrorProblem(peer, mirrored, request);
  const migrated = migratedShard(operation, request);
  if (migrated !== undefined) return migrationProblem(peer, migrated, request);
  return operationProblem(peer, operation, leased) ?? unfenced(operation, request);
}

/** A change of an owner depends on what its node saw; in `otherwise` is what happens when that was wrong. */
function elseProblem(operation: Operation): string | undefined {
  if (operation.type !== "put") return undefined;
  const kind = parseRecordKey(operation.key)?.kind;
  if (kind !== "owner" && kind !== "snapshot") return undefined;
  return `${operation.key}: ${kind === "owner" ? "an owner" : kind} is written in "then" only, after compares that hold`;
}

/** A snapshot exists once an owner records it: who is not the owner any more must not. */
function unfenced(operation: Operation, request: TxnRequest): string | undefined {
  if (operation.type !== "put") return undefined;
  const key = parseRecordKey(operation.key);
  if (key?.kind !== "snapshot") return undefined;
  const decoded = decodeRecord("snapshot", operation.value);
  if (!decoded.ok) return `${operation.key}: ${decoded.problem}`;
  const { epoch } = decoded.record;
  return comparesRevision(request, ownerKey(key.shard), epoch)
    ? undefined
    : `${operation.key}: a snapshot is recorded by a transaction that compares ${ownerKey(key.shard)} with the epoch ${epoch}`;
}

function operationProblem(peer: Peer, operation: Operation, leased: boolean): string | undefined {
  if (operation.type === "put") {
    const { key, value } = operation;
    if (key === nodeKey(peer.node)) return nodeRecordProblem(peer, key, value);
    const kind = parseRecordKey(key)?.kind;
    if (kind === "owner") return ownerProblem(peer, key, value, leased);
    if (kind === "snapshot") return snapshotProblem(peer, key, value);
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
  const { record } = decoded;
  if (record.role !== role)
    return `${key}: the certificate says ${role}, the record ${record.role}`;
  return record.leaseMs <= MAX_LEASE_MS
    ? undefined
    : `${key}: a lease of ${record.leaseMs} ms is longer than ${MAX_LEASE_MS} ms`;
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

function snapshotProblem({ role, node }: Peer, key: string, value: Uint8Array): string | undefined {
  if (role !== "gameserver")
    return `${key}: only gameservers record snapshots, ${node} is a ${role}`;
  const decoded = decodeRecord("snapshot", value);
  if (!decoded.ok) return `${key}: ${decoded.problem}`;
  return decoded.record.node === node
    ? undefined
    : `${key}: ${node} may name itself only, and not ${decoded.record.node}`;
}

/** Below one of the two places: a key has something behind the place, a prefix may be the whole of it. */
function isOwnKv({ node }: Peer, where: string, isKey: boolean): boolean {
  return [KV_CLUSTER, `kv/node/${node}/`].some(
    (place) => where.startsWith(place) && (!isKey || where.length > place.length),
  );
}
