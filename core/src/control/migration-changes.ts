import { clipText } from "../wire/text.ts";
import { type Compare, generationOf, type Operation } from "./control-store.ts";
import type { Claimant } from "./ownership.ts";
import { isAlive, isOwned, nextOwner } from "./ownership.ts";
import { encodeRecord } from "./record-codec.ts";
import {
  migrationKey,
  mirrorKey,
  movedKey,
  nodeKey,
  ownerKey,
  shardKey,
  worldKey,
  worldNameOf,
} from "./record-keys.ts";
import {
  MAX_MIGRATION_PROBLEM_BYTES,
  type MigrationRecord,
  type MirrorRecord,
  type MovedRecord,
  type NodeRecord,
  type OwnerRecord,
  type Seen,
  type ShardRecord,
  type WorldRecord,
} from "./records.ts";
import { modifiedIs, type Proposal, refused, type TxnParts, when } from "./txn-parts.ts";

/**
 * The transactions of a migration (design, section 7):
 *
 * 1. It begins for the ownership that it names; one at a time for a shard.
 * 2. It ends once: by the target's switch or by an abort. Both compare the record itself, so that one excludes
 *    the other, and both write how it ended.
 * 3. A source that has sealed goes on only after it knows that an abort has committed: its own, or the record's
 *    absence at a revision at which the owner is still the one that the record named.
 * 4. The switch writes the owner and whom the control plane wants together: nobody is asked twice. Where the migration
 *    brings another module, it writes the world's record with that, too: what runs and what is recorded never differ.
 * 5. A source that keeps the state of its seal is the mirror of the new owner from the switch on, in sync, as the switch
 *    itself records. Who proposes it lets nothing out afterwards that this mirror has not got (rule 5.5).
 */

/** What whoever asks for a migration has seen. */
export interface MigrationView {
  readonly world: Seen<Pick<WorldRecord, "enabled">>;
  readonly shard: Pick<Seen<ShardRecord>, "modified">;
  readonly owner: Pick<Seen<OwnerRecord>, "record" | "modified">;
  readonly ownerNode: Pick<Seen<NodeRecord>, "record" | "modified">;
  readonly target: Pick<Seen<NodeRecord>, "record" | "modified">;
  readonly migration: Seen<MigrationRecord>;
}

export type MigrationRefusal =
  | "no-world"
  | "disabled"
  /** Nobody owns it: there is nothing to move; it can be placed. */
  | "not-owned"
  | "no-node"
  | "not-ready"
  /** The target has it already. */
  | "own"
  /** Another one is under way. */
  | "migrating";

/** What is asked for; see MigrationRecord. */
export type MigrationWish = Pick<
  MigrationRecord,
  "id" | "to" | "reason" | "by" | "module" | "started" | "deadlineMs"
>;

/** Begins a migration of the present ownership. What the caller assumed beside it may be compared as well. */
export function beginMigration(
  shard: string,
  view: MigrationView,
  wish: MigrationWish,
  generation: number,
): { readonly ok: true; readonly txn: TxnParts } | ReturnType<typeof refused<MigrationRefusal>> {
  const { world, owner, ownerNode, target, migration } = view;
  const { to } = wish;
  if (world.record === undefined) return refused("no-world", "there is no such world");
  if (!world.record.enabled) return refused("disabled", "the world is disabled");
  if (migration.record !== undefined)
    return refused(
      "migrating",
      `it is on its way to ${migration.record.to} already (migration ${migration.record.id})`,
    );
  const from = owner.record;
  if (from === undefined || !isOwned(owner, ownerNode, generation))
    return refused("not-owned", "no node owns it at present");
  if (target.record?.role !== "gameserver") return refused("no-node", `${to} is no gameserver`);
  if (from.node === to) return refused("own", `${to} has it already`);
  if (!isAlive(target.record, target.record.boot) || target.record.state !== "ready")
    return refused("not-ready", `${to} is ${target.record.state}`);
  if (target.record.cordoned) return refused("not-ready", `${to} is cordoned`);
  const record: MigrationRecord = {
    ...wish,
    world: world.created,
    from: from.node,
    fromBoot: from.boot,
    epoch: owner.modified,
    toBoot: target.record.boot,
  };
  return {
    ok: true,
    txn: when(
      [
        modifiedIs(worldKey(worldNameOf(shard)), world.modified),
        modifiedIs(shardKey(shard), view.shard.modified),
        modifiedIs(ownerKey(shard), owner.modified),
        modifiedIs(migrationKey(shard), migration.modified),
        modifiedIs(nodeKey(to), target.modified),
        modifiedIs(nodeKey(from.node), ownerNode.modified),
      ],
      [{ type: "put", key: migrationKey(shard), value: encodeRecord("migration", record) }],
    ),
  };
}

/** What the target has seen when it takes over. */
export interface SwitchView {
  readonly migration: Seen<MigrationRecord>;
  readonly owner: Seen<OwnerRecord>;
  readonly shard: Seen<ShardRecord>;
  readonly world: Seen<WorldRecord>;
  /** The target's own. */
  readonly node: Seen<NodeRecord>;
  readonly mirror: Seen<MirrorRecord>;
}

/**
 * The switch: the target makes itself owner in the source's place, which has sealed the state that the target
 * holds. Its revision is the epoch. `ended`: ms since 1970. The source's mirror ends with the ownership that it
 * followed. `keeps`: the source has said that it keeps the state of its seal, to follow; see `mirrorAfter`.
 */
export function switchShard(
  shard: string,
  view: SwitchView,
  me: Claimant,
  { ended, keeps = false }: { readonly ended: number; readonly keeps?: boolean },
): Proposal<"ended" | "not-registered" | "no-world" | "disabled" | "not-ready"> {
  const { migration, owner, node, world, mirror } = view;
  const record = migration.record;
  if (world.record === undefined) return refused("no-world", "the world was removed");
  if (!world.record.enabled) return refused("disabled", "the world is disabled");
  if (record === undefined || record.to !== me.node || record.toBoot !== me.boot)
    return refused("ended", "there is no migration of it to this node any more");
  // After a restore nobody owns anything, and what was sealed before may be of a time that did not come back.
  const isSame = owner.modified === record.epoch && world.created === record.world;
  if (!isSame || generationOf(owner.modified) !== me.generation)
    return refused("ended", "its owner is another one than the migration was begun for");
  if (node.record?.boot !== me.boot || generationOf(node.modified) !== me.generation)
    return refused("not-registered", `${me.node} is not registered with the boot ${me.boot}`);
  if (node.record.state !== "ready")
    return refused("not-ready", `${me.node} is ${node.record.state}`);
  const next = nextOwner(owner.record, { ...me, world: record.world });
  const wanted: ShardRecord = { wanted: me.node, reason: wantReasonOf(record) };
  const upgrade = upgradeParts(worldNameOf(shard), world.record, record);
  const follower = keeps ? mirrorAfter(world.record, record) : undefined;
  return {
    ok: true,
    txn: {
      ...(me.id === undefined ? {} : { id: me.id }),
      ...when(
        [
          modifiedIs(migrationKey(shard), migration.modified),
          recordIs(shard, record),
          modifiedIs(ownerKey(shard), owner.modified),
          modifiedIs(shardKey(shard), view.shard.modified),
          modifiedIs(worldKey(worldNameOf(shard)), world.modified),
          modifiedIs(nodeKey(me.node), node.modified),
          modifiedIs(mirrorKey(shard), mirror.modified),
          ...(upgrade === undefined ? [] : [upgrade.compare]),
        ],
        [
          { type: "put", key: ownerKey(shard), value: encodeRecord("owner", next) },
          { type: "put", key: shardKey(shard), value: encodeRecord("shard", wanted) },
          { type: "delete", key: migrationKey(shard) },
          { type: "put", key: movedKey(shard), value: ending(record, me.node, "", ended) },
          ...mirrorParts(shard, mirror, follower),
          ...(upgrade === undefined ? [] : [upgrade.put]),
        ],
      ),
      leases: [me.node],
    },
  };
}

/**
 * The mirror that a mirrored world has after the switch if its source keeps the state of the seal; undefined: none, for
 * what the source keeps is another module's state.
 */
export function mirrorAfter(
  { durability, failover }: Pick<WorldRecord, "durability" | "failover">,
  { id, world, from, fromBoot, module }: MigrationRecord,
): MirrorRecord | undefined {
  if (durability !== "mirror" || module !== undefined) return undefined;
  return {
    ...{ id, world, epoch: 0, node: from, boot: fromBoot, state: "in-sync" },
    ...(failover === "manual" && { unleased: true }),
  };
}

function mirrorParts(
  shard: string,
  { record }: Seen<MirrorRecord>,
  follower: MirrorRecord | undefined,
): readonly Operation[] {
  const key = mirrorKey(shard);
  if (follower !== undefined)
    return [{ type: "put", key, value: encodeRecord("mirror", follower) }];
  return record === undefined ? [] : [{ type: "delete", key }];
}

/** Ends a migration without a move; whoever has a right to end it may. `by` and `problem` are for people. */
export function abortMigration(
  shard: string,
  migration: Seen<MigrationRecord>,
  how: {
    readonly by: string;
    readonly problem: string;
    readonly ended: number;
    readonly id?: string;
  },
): Proposal<"ended"> {
  const { record } = migration;
  if (record === undefined) return refused("ended", "there is no migration of it");
  return {
    ok: true,
    txn: {
      ...(how.id === undefined ? {} : { id: how.id }),
      ...when(
        [modifiedIs(migrationKey(shard), migration.modified), recordIs(shard, record)],
        [
          { type: "delete", key: migrationKey(shard) },
          {
            type: "put",
            key: movedKey(shard),
            value: ending(record, how.by, how.problem, how.ended),
          },
        ],
      ),
    },
  };
}

/**
 * Adds what the target measured to how its switch ended. Both keys that the switch wrote have its revision, so it
 * holds for as long as nobody else owns the shard and no other migration has ended.
 */
export function measureMove(
  shard: string,
  moved: Seen<MovedRecord>,
  measured: Required<Pick<MovedRecord, "gapMs" | "bytes">>,
): Proposal<"ended"> {
  const { record, modified } = moved;
  if (record?.outcome !== "moved") return refused("ended", "its last migration did not move it");
  return {
    ok: true,
    txn: when(
      [modifiedIs(movedKey(shard), modified), modifiedIs(ownerKey(shard), modified)],
      [
        {
          type: "put",
          key: movedKey(shard),
          value: encodeRecord("moved", { ...record, ...measured }),
        },
      ],
    ),
  };
}

/** The world as a migration leaves it: with the module that the target runs, if it brings another one. */
export function worldAfterMove(
  world: WorldRecord,
  { module }: Pick<MigrationRecord, "module">,
): WorldRecord {
  return module === undefined ? world : { ...world, module };
}

/** The record that it replaces is compared as bytes: that shows an apiserver that nothing but the module changes. */
function upgradeParts(
  name: string,
  world: WorldRecord,
  migration: MigrationRecord,
): { readonly compare: Compare; readonly put: Operation } | undefined {
  if (migration.module === undefined) return undefined;
  const key = worldKey(name);
  const value = encodeRecord("world", worldAfterMove(world, migration));
  return {
    compare: { type: "value", key, equals: encodeRecord("world", world) },
    put: { type: "put", key, value },
  };
}

/** Shows an apiserver, which looks at the request alone, that its sender takes part in what it ends. */
function recordIs(shard: string, record: MigrationRecord): Compare {
  return {
    type: "value",
    key: migrationKey(shard),
    equals: encodeRecord("migration", record),
  };
}

function ending(record: MigrationRecord, by: string, problem: string, ended: number): Uint8Array {
  const { id, from, to, reason, started } = record;
  const moved: MovedRecord = {
    id,
    from,
    to,
    reason,
    outcome: problem === "" ? "moved" : "aborted",
    by,
    problem: clipText(problem, MAX_MIGRATION_PROBLEM_BYTES),
    started,
    ended,
  };
  return encodeRecord("moved", moved);
}

function wantReasonOf({ reason }: MigrationRecord): ShardRecord["reason"] {
  return reason === "upgraded" ? "operator" : reason;
}
