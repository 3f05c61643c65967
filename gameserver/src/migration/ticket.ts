import type {
  MigrationRecord,
  OwnerRecord,
  ReplicaCloseCode,
  ReplicaOpen,
  Seen,
} from "@atlasnet/core";

/** What the watch shows of a shard that is to move. */
export interface MovingView {
  readonly migration: Seen<MigrationRecord>;
  readonly owner: Seen<OwnerRecord>;
}

/** A node, and the boot under which it is registered. */
export interface Registered {
  readonly node: string;
  readonly boot: string;
}

/** Why a follower is sent away. */
export interface TicketProblem {
  readonly code: ReplicaCloseCode;
  readonly reason: string;
}

/**
 * Whether the record allows `peer` (as its certificate says) to follow the shard, which is owned by `me`. Undefined: it
 * does. A record that is not here may be one that this node's watch has yet to show: whoever asked tries again.
 */
export function ticketProblem(
  { id, boot, epoch }: Pick<ReplicaOpen, "id" | "boot" | "epoch">,
  peer: string,
  { migration, owner }: MovingView,
  me: Registered,
): TicketProblem | undefined {
  const { record } = migration;
  if (record === undefined || record.id !== id)
    return { code: "unknown-ticket", reason: `there is no migration ${id} of this shard` };
  if (record.to !== peer || record.toBoot !== boot)
    return {
      code: "unknown-ticket",
      reason: `the migration ${id} is to ${record.to} with the boot ${record.toBoot}, not to ${peer} with ${boot}`,
    };
  if (record.from !== me.node || record.fromBoot !== me.boot)
    return {
      code: "wrong-epoch",
      reason: `the migration ${id} is from ${record.from} with the boot ${record.fromBoot}`,
    };
  if (record.epoch !== epoch || owner.modified !== epoch)
    return {
      code: "wrong-epoch",
      reason: `the migration ${id} is of the epoch ${record.epoch}, the shard is at ${owner.modified}, asked for was ${epoch}`,
    };
  return undefined;
}

/** How a migration stands, by what the watch shows of it. */
export type Standing =
  /** Nobody has ended it. */
  | "open"
  /** The switch has committed: the owner is the record's `to`, or was. */
  | "switched"
  /** It was ended, and its owner is the one that it was begun for: the switch cannot commit any more. */
  | "aborted"
  /** The ownership that it was begun for is over, and the record is still there: it can only be aborted. */
  | "stale";

/** All that a gameserver knows of an end that was not its own doing; the record of it says more. */
export const ENDED_ELSEWHERE =
  "it was ended by somebody else: `atlasnet migration ls --ended` says who and why";

/** How the migration `was`, seen before, stands now. Views show the record's key never later than the owner's. */
export function standingOf(was: Seen<MigrationRecord>, { migration, owner }: MovingView): Standing {
  const epoch = was.record?.epoch;
  const isThere = migration.record !== undefined && migration.record.id === was.record?.id;
  if (isThere) return owner.modified === epoch ? "open" : "stale";
  return owner.modified === epoch ? "aborted" : "switched";
}
