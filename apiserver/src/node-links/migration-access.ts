import {
  encodeRecord,
  firstShard,
  type MigrationRecord,
  type MirrorRecord,
  type MovedRecord,
  migrationKey,
  mirrorAfter,
  mirrorKey,
  movedKey,
  type Operation,
  ownerKey,
  type Peer,
  parseRecordKey,
  sameBytes,
  shardKey,
  type TxnRequest,
  worldAfterMove,
  worldKey,
  worldOfShard,
} from "@atlasnet/core";
import { comparedRecord, comparesRevision, operationsOn, written } from "./request-parts.ts";

/**
 * What a gameserver may do about migrations, as far as one request shows it. It ends those that it takes part in,
 * in a transaction that compares the migration's record as bytes, so that the request itself proves who takes part:
 *
 * - the switch, by the target: owner, wish, migration and how it ended, all four at once, for the epoch that is named;
 *   with the world's record, which is compared as bytes as well, where the migration brings another module, and that alone;
 *   with the mirror's, which is deleted, or names the source, which keeps the state of its seal;
 * - the abort, by either of both: the migration, and how it ended;
 * - what the target measured: how the last one ended, once more, with the owner's key as it was then.
 */

const KINDS: ReadonlySet<string> = new Set(["shard", "migration", "moved", "mirror"]);

/**
 * The shard that an operation says something of that belongs to a migration; undefined: it does not. Of a mirror, what is
 * no matter of mirror-access.ts.
 */
export function migratedShard(
  operation: Operation,
  { then }: Pick<TxnRequest, "then">,
): string | undefined {
  const { key } = { key: undefined, ...operation };
  const about = key === undefined ? undefined : parseRecordKey(key);
  if (about?.kind === "world") {
    const shard = firstShard(about.world);
    const moved = movedKey(shard);
    return then.some((each) => "key" in each && each.key === moved) ? shard : undefined;
  }
  return about !== undefined && KINDS.has(about.kind) && "shard" in about ? about.shard : undefined;
}

/** Why a node may not do to this shard what `then` does; undefined: it ends a migration as it may. */
export function migrationProblem(
  peer: Peer,
  shard: string,
  request: TxnRequest,
): string | undefined {
  const where = migrationKey(shard);
  if (peer.role !== "gameserver")
    return `${where}: only gameservers take part in migrations, ${peer.node} is a ${peer.role}`;
  const does = operationsOn(shard, request.then);
  const moved = written("moved", movedKey(shard), request);
  if (moved === undefined)
    return `${where}: a migration is ended by a transaction that also writes how, in ${movedKey(shard)}`;
  if (typeof moved === "string") return moved;
  if (moved.by !== peer.node)
    return `${movedKey(shard)}: ${peer.node} may name itself only, and not ${moved.by}`;
  if (does === MEASURES) return measureProblem(peer, shard, moved, request);
  const migration = comparedRecord("migration", where, request);
  if (migration === undefined)
    return `${where}: a migration is ended by a transaction that compares its record, as bytes`;
  if (moved.id !== migration.id || moved.from !== migration.from || moved.to !== migration.to)
    return `${movedKey(shard)}: it is about another migration than the one that is compared`;
  return moved.outcome === "moved"
    ? switchProblem(peer, shard, migration, request)
    : abortProblem(peer, shard, migration, does);
}

const SWITCHES = "delete migration, put moved, put owner, put shard";
/** Where the migration brings another module. */
const UPGRADES = `${SWITCHES}, put world`;
/** Where there was a mirror of the source, it ends with the ownership that it followed; the source may be the next one. */
const WITH_MIRROR = /(?:delete mirror, |, put mirror\b)/;
const ABORTS = "delete migration, put moved";
const MEASURES = "put moved";

function switchProblem(
  { node }: Peer,
  shard: string,
  migration: MigrationRecord,
  request: TxnRequest,
): string | undefined {
  const { to, epoch, module } = migration;
  if (to !== node) return `${ownerKey(shard)}: it is on its way to ${to}, and not to ${node}`;
  const due = module === undefined ? SWITCHES : UPGRADES;
  if (operationsOn(shard, request.then).replace(WITH_MIRROR, "") !== due)
    return `${ownerKey(shard)}: a switch does all of this, once: ${due}`;
  if (!comparesRevision(request, ownerKey(shard), epoch))
    return `${ownerKey(shard)}: a switch compares it with the epoch that ends, ${epoch}`;
  const wish = written("shard", shardKey(shard), request);
  if (typeof wish === "string") return wish;
  if (wish?.wanted !== node) return `${shardKey(shard)}: it has to ask for ${node}`;
  const mirror = written("mirror", mirrorKey(shard), request);
  if (mirror !== undefined && !isSource(mirror, migration))
    return `${mirrorKey(shard)}: the mirror that a switch records is its source, in sync`;
  return module === undefined ? undefined : upgradeProblem(shard, migration, request);
}

function isSource(mirror: MirrorRecord | string, migration: MigrationRecord): boolean {
  if (typeof mirror === "string") return false;
  const failover = mirror.unleased === true ? "manual" : "automatic";
  const due = mirrorAfter({ durability: "mirror", failover }, migration);
  return (
    due !== undefined && sameBytes(encodeRecord("mirror", mirror), encodeRecord("mirror", due))
  );
}

/** Of the world's record, nothing but the module changes, and that to what the migration brings. */
function upgradeProblem(
  shard: string,
  migration: MigrationRecord,
  request: TxnRequest,
): string | undefined {
  const key = worldKey(worldOfShard(shard) ?? "");
  const before = comparedRecord("world", key, request);
  if (before === undefined)
    return `${key}: a switch that brings a module compares the world's record, as bytes`;
  const after = encodeRecord("world", worldAfterMove(before, migration));
  const isAfter = request.then.some(
    (each) => each.type === "put" && each.key === key && sameBytes(each.value, after),
  );
  return isAfter
    ? undefined
    : `${key}: the switch writes the migration's module into it, and changes nothing else of it`;
}

function abortProblem(
  { node }: Peer,
  shard: string,
  { from, to }: MigrationRecord,
  does: string,
): string | undefined {
  if (node !== from && node !== to)
    return `${migrationKey(shard)}: it goes from ${from} to ${to}, ${node} has no part in it`;
  return does === ABORTS
    ? undefined
    : `${migrationKey(shard)}: an abort does this, and no more: ${ABORTS}`;
}

function measureProblem(
  { node }: Peer,
  shard: string,
  { outcome, to }: MovedRecord,
  request: TxnRequest,
): string | undefined {
  const key = movedKey(shard);
  if (outcome !== "moved" || to !== node) return `${key}: ${node} measures what moved to it`;
  const unchanged = request.compare.some(
    (each) =>
      each.type === "modified" &&
      each.key === key &&
      each.is === "equal" &&
      each.revision > 0 &&
      comparesRevision(request, ownerKey(shard), each.revision),
  );
  return unchanged
    ? undefined
    : `${key}: it is written once more by a transaction that compares it and ${ownerKey(shard)} with the switch's revision`;
}
