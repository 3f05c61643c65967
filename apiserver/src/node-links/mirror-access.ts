import {
  type MirrorRecord,
  mirrorKey,
  type Operation,
  ownerKey,
  type Peer,
  parseRecordKey,
  shardKey,
  type TxnRequest,
} from "@atlasnet/core";
import { comparedRecord, comparesRevision, operationsOn, written } from "./request-parts.ts";

/**
 * What a gameserver may do about mirrors, as far as one request shows it:
 *
 * - confirm that one is in sync, as the owner: by a transaction that compares the ownership, and the record;
 * - clear it, as the owner and under its lease: the ownership is compared as bytes, so that the request itself proves it;
 * - withdraw it, as the mirror: the record is compared as bytes;
 * - release a shard together with its mirror;
 * - promote, as the mirror: owner, wish and mirror at once, in a transaction that compares the record as bytes, so that
 *   the request itself proves who the mirror is, and the ownership that this record names.
 *
 * Whom a shard's mirror is to be, the control plane alone says. A switch, which ends the mirror of its source, is a matter
 * of migration-access.ts.
 */

const CONFIRMS = "put mirror";
const CLEARS_OR_WITHDRAWS = "delete mirror";
const RELEASES = "delete mirror, put owner";
const PROMOTES = "delete mirror, put owner, put shard";
const KINDS: ReadonlySet<string> = new Set(["mirror", "shard"]);

/** The shard whose mirror `then` is about, of an operation on it; undefined: it is about something else. */
export function mirroredShard(operation: Operation, request: TxnRequest): string | undefined {
  const about = "key" in operation ? parseRecordKey(operation.key) : undefined;
  if (about === undefined || !KINDS.has(about.kind) || !("shard" in about)) return undefined;
  const does = operationsOn(about.shard, request.then);
  return does.includes("mirror") && !does.includes("moved") ? about.shard : undefined;
}

/** Why a node may not do to this shard what `then` does; undefined: it may. */
export function mirrorProblem(peer: Peer, shard: string, request: TxnRequest): string | undefined {
  const where = mirrorKey(shard);
  if (peer.role !== "gameserver")
    return `${where}: only gameservers mirror shards, ${peer.node} is a ${peer.role}`;
  switch (operationsOn(shard, request.then)) {
    case CONFIRMS:
      return confirmProblem(shard, request);
    case CLEARS_OR_WITHDRAWS:
      return comparedRecord("mirror", where, request)?.node === peer.node
        ? undefined
        : clearProblem(peer, shard, request);
    case RELEASES:
      return releaseProblem(shard, request);
    case PROMOTES:
      return promoteProblem(peer, shard, request);
    default:
      return `${where}: a gameserver does one of this, and no more: ${[CONFIRMS, CLEARS_OR_WITHDRAWS, RELEASES, PROMOTES].join("; ")}`;
  }
}

function confirmProblem(shard: string, request: TxnRequest): string | undefined {
  const where = mirrorKey(shard);
  const record = written("mirror", where, request);
  if (typeof record === "string") return record;
  if (record?.state !== "in-sync")
    return `${where}: a gameserver confirms who is asked, and asks nobody`;
  if (!compares(request, where))
    return `${where}: a mirror is confirmed by a transaction that compares who was asked`;
  return comparesRevision(request, ownerKey(shard), record.epoch)
    ? undefined
    : `${where}: a mirror is confirmed by a transaction that compares ${ownerKey(shard)} with the epoch ${record.epoch}`;
}

function clearProblem({ node }: Peer, shard: string, request: TxnRequest): string | undefined {
  const where = mirrorKey(shard);
  const owner = comparedRecord("owner", ownerKey(shard), request);
  if (owner === undefined || !compares(request, where) || !compares(request, ownerKey(shard)))
    return `${where}: a mirror is cleared by a transaction that compares it, and ${ownerKey(shard)} as bytes as well`;
  if (owner.node !== node)
    return `${where}: ${owner.node} owns it, and neither that one nor the mirror is ${node}`;
  return request.leases?.includes(node) === true
    ? undefined
    : `${where}: ${node} clears a mirror under its own lease only, which "leases" has to name`;
}

function releaseProblem(shard: string, request: TxnRequest): string | undefined {
  const where = ownerKey(shard);
  const record = written("owner", where, request);
  if (typeof record === "string") return record;
  if (record?.state !== "released")
    return `${where}: who takes over from a mirror or ends it says whom the shard is wanted at as well`;
  return compares(request, where)
    ? undefined
    : `${where}: a mirrored shard is released by a transaction that compares it`;
}

function promoteProblem({ node }: Peer, shard: string, request: TxnRequest): string | undefined {
  const where = mirrorKey(shard);
  const mirror = comparedRecord("mirror", where, request);
  if (mirror === undefined)
    return `${where}: a mirror takes over by a transaction that compares its record, as bytes`;
  if (mirror.node !== node) return `${where}: ${mirror.node} mirrors it, and not ${node}`;
  if (mirror.state !== "in-sync") return `${where}: ${node} is not in sync`;
  if (!comparesFollowed(shard, mirror, request))
    return `${ownerKey(shard)}: a mirror takes over from the epoch that it follows, ${mirror.epoch}`;
  const owner = written("owner", ownerKey(shard), request);
  if (typeof owner === "string") return owner;
  if (owner?.state !== "owned" || owner.boot !== mirror.boot)
    return `${ownerKey(shard)}: it has to name ${node} as the owner, with the boot that mirrors`;
  const wish = written("shard", shardKey(shard), request);
  if (typeof wish === "string") return wish;
  return wish?.wanted === node ? undefined : `${shardKey(shard)}: it has to ask for ${node}`;
}

/** A record of a switch, which names no epoch, is of the ownership that has its own revision. */
function comparesFollowed(shard: string, { epoch }: MirrorRecord, request: TxnRequest): boolean {
  const key = ownerKey(shard);
  if (epoch !== 0) return comparesRevision(request, key, epoch);
  return request.compare.some(
    (each) =>
      each.type === "modified" &&
      each.key === mirrorKey(shard) &&
      each.is === "equal" &&
      each.revision > 0 &&
      comparesRevision(request, key, each.revision),
  );
}

/** With a revision at which it was there. */
function compares({ compare }: TxnRequest, key: string): boolean {
  return compare.some(
    (each) =>
      each.type === "modified" && each.key === key && each.is === "equal" && each.revision > 0,
  );
}
