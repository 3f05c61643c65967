import type { Plain } from "@atlasnet/world";
import type { Peer } from "../link/link.ts";
import type { KeyValue, Revision } from "./control-store.ts";

/**
 * What the cluster decided, as it stands in the control store. Keys are in record-keys.ts, bytes in
 * record-codec.ts; the transactions that change who owns what, in ownership.ts.
 */

/** What a process says of itself, and what the control plane made of it. `nodes/<id>`. */
export interface NodeRecord {
  readonly role: Peer["role"];
  /** Of the operator's choice, for constraints of worlds: `zone=eu`, `gpu=yes`. */
  readonly labels: Labels;
  readonly capacity: Capacity;
  /** Modules that the node brings itself, as worlds name them, with `ANY_MODULE` and `STORED_MODULES` for many. */
  readonly modules: readonly string[];
  /** host:port where it takes links. */
  readonly address: string;
  /** A new one for each start of the process. */
  readonly boot: string;
  /** SHA-256 of its certificate, in hexadecimal digits. */
  readonly fingerprint: string;
  readonly state: NodeState;
  /** An operator's wish that outlives restarts: nothing new comes to this node. */
  readonly cordoned: boolean;
  /** How long its lease lasts from the sending of a renewal. */
  readonly leaseMs: number;
  /** When this boot registered, in ms since 1970, for people. */
  readonly registered: number;
}

/**
 * - `starting`: registered, does not take shards yet.
 * - `ready`: takes shards, unless it is cordoned.
 * - `draining`: gives its shards away and takes none.
 * - `lost`: its lease ran out; what it owned may be owned by others.
 * - `stopped`: it released all it owned and left in order.
 */
export type NodeState = "starting" | "ready" | "draining" | "lost" | "stopped";

export interface Labels {
  readonly [name: string]: string;
}

/** What a node can carry. Shards count with the weight of their world. */
export interface Capacity {
  /** Bound of the sum of weights: placement never goes beyond it. */
  readonly weight: number;
  /** For figures of load, and no bound; 0: unknown. */
  readonly sessions: number;
  /** For figures of load, and no bound; 0: unknown. */
  readonly memoryBytes: number;
}

/** A world of the catalogue. `worlds/<name>`. */
export interface WorldRecord {
  readonly module: ModuleSource;
  /** Handed to the world as `ctx.config`. */
  readonly config: Plain;
  /**
   * - `mirror`: a second gameserver follows, and nothing is let out that it has not got. On its node's disk as `journal`.
   * - `journal`: deltas on its node's disk, in groups; snapshots in between.
   * - `snapshot`: snapshots alone.
   * - `none`: nothing is kept.
   */
  readonly durability: "mirror" | "journal" | "snapshot" | "none";
  readonly graceSeconds: number;
  /** Without players for so long it sleeps on its node; absent or 0: never. */
  readonly sleepAfterSeconds?: number | undefined;
  readonly labels: Labels;
  readonly constraints: Constraints;
  /** `spread`: where there is least load; `pack`: where there is most and still room. */
  readonly policy: "spread" | "pack";
  /** How much of a node's capacity each of its shards takes; 1 is the usual. */
  readonly weight: number;
  /**
   * When its node is lost. `manual`: it waits for that node to come back, or for an operator. Of a mirrored world, whose
   * mirror takes over in either case: when that is lost as well, `automatic` lets it begin again from a snapshot,
   * without what came after; with `manual` only an operator's order does.
   */
  readonly failover: "automatic" | "manual";
  /** False: it is nowhere. */
  readonly enabled: boolean;
}

export type ModuleSource =
  /** A file or package that nodes have by themselves and list in `NodeRecord.modules`. */
  | { readonly source: "node"; readonly path: string }
  /** Pushed to the artifact store; nodes fetch it by digest. */
  | {
      readonly source: "store";
      readonly name: string;
      readonly version: string;
      /** SHA-256 of the tarball. */
      readonly digest: Uint8Array;
    };

export interface Constraints {
  /** Only nodes with all of these labels. */
  readonly nodeLabels: Labels;
  /** Only these nodes; empty: any. */
  readonly nodes: readonly string[];
}

/** What the reconcilers ask for. `shards/<world>/<index>`. */
export interface ShardRecord {
  /** The node that is asked to own it; absent: nobody shall. */
  readonly wanted?: string | undefined;
  /** Why it was asked, for people. */
  readonly reason: WantReason;
}

export type WantReason =
  | "placed"
  | "failover"
  | "drained"
  | "balanced"
  /** The one asked before did not take it in time. */
  | "not-claimed"
  /** The one asked before must not have it (constraints, state). */
  | "not-allowed"
  | "disabled"
  | "operator";

/**
 * Who owns a shard: written by owners themselves, and by nobody else. `shards/<world>/<index>/owner`.
 *
 * Its key is apart from the shard's so that **the epoch is `modified` of this key**: only transactions
 * that change the owner write it. A released shard keeps its record: epochs then go up for each change of the
 * owner, and a claim that names a record cannot mistake a later one for it.
 */
export interface OwnerRecord {
  /** `created` of the world's record: a world that was removed and made anew is another one. */
  readonly world: Revision;
  readonly node: string;
  readonly boot: string;
  /** `released`: nobody owns it, and this node was the last. */
  readonly state: "owned" | "released";
  /**
   * The newest ownership that a mirror's promotion ended, if there was one; every later record of the shard names it as
   * well. The files of that owner may be ahead of what its mirror went on with: they, and all earlier ones, are of a
   * branch that was given up, from the promotion on.
   */
  readonly promotedOver?: Revision;
}

/**
 * The snapshots of a shard in the store that all nodes reach. `shards/<world>/<index>/snapshot`.
 *
 * A snapshot exists once it stands here; the newest is the last one that was recorded. Only a transaction that
 * compares the owner's key with `epoch` writes it (snapshot-changes.ts), so nobody records for a shard that
 * somebody else owns by now.
 */
export interface SnapshotRecord {
  /** `created` of the world's record, as in OwnerRecord. */
  readonly world: Revision;
  /** Who recorded it, for people. */
  readonly node: string;
  /** Of the ownership that recorded it: it made the snapshot, or began from it. */
  readonly epoch: Revision;
  /** How many changes of the owner there had been, that ownership included: `version` of the owner's key. */
  readonly turn: number;
  /** That owner stopped at this very state and released the shard next, if it lived long enough. */
  readonly final: boolean;
  readonly newest: SnapshotFacts;
  /** Kept as well, newest first; at most MAX_OLDER_SNAPSHOTS. */
  readonly older: readonly SnapshotFacts[];
}

/** A snapshot in the store. */
export interface SnapshotFacts {
  /** SHA-256 of the snapshot's file, and its name in the store. */
  readonly digest: Uint8Array;
  readonly bytes: number;
  readonly timeline: number;
  readonly tick: number;
  /** As its definition says. */
  readonly module: { readonly name: string; readonly version: string };
  /** SHA-256 of the definition that the state was written under, as canonical JSON. */
  readonly schema: Uint8Array;
  /** When its state was taken, in ms since 1970, by the clock of its node; for people. */
  readonly taken: number;
}

/**
 * A shard is being moved, live, from its owner to another gameserver. `shards/<world>/<index>/migration`.
 *
 * The record is the ticket: both gameservers watch it, and each believes of the other only what stands here and what
 * its certificate says. Whoever deletes it while its owner is the same has aborted the migration; the target's
 * switch deletes it together with writing the owner (migration-changes.ts).
 */
export interface MigrationRecord {
  /** 16 hexadecimal digits, by chance; new for every migration. */
  readonly id: string;
  /** `created` of the world's record, as in OwnerRecord. */
  readonly world: Revision;
  /** The owner, and the ownership that is to end. */
  readonly from: string;
  readonly fromBoot: string;
  readonly epoch: Revision;
  readonly to: string;
  readonly toBoot: string;
  readonly reason: MigrationReason;
  /** Who asked for it, for people; absent: nobody is named. At most MAX_ASKER_BYTES. */
  readonly by?: string | undefined;
  /** The module that the target is to run, which the switch writes into the world's record; absent: the one there. */
  readonly module?: ModuleSource | undefined;
  /** When it was asked for, in ms since 1970, for people. */
  readonly started: number;
  /** How long it may take, from when each of both has seen it; then either aborts. */
  readonly deadlineMs: number;
}

export type MigrationReason = "operator" | "drained" | "balanced" | "upgraded";

/**
 * Who follows a mirrored shard. `shards/<world>/<index>/mirror`.
 *
 * The control plane asks for a mirror; the owner records that it is in sync, and clears it (mirror-changes.ts). While
 * it is in sync for the ownership that stands in the owner's record, that node alone may take the shard over.
 */
export interface MirrorRecord {
  /** 16 hexadecimal digits, by chance; new whenever a mirror is asked for. Of a switch: the migration's. */
  readonly id: string;
  /** `created` of the world's record, as in OwnerRecord. */
  readonly world: Revision;
  /** The ownership that is followed; 0: the one of the transaction that wrote this record (see `mirroredEpoch`). */
  readonly epoch: Revision;
  readonly node: string;
  readonly boot: string;
  /**
   * - `asked`: it is to follow; what the owner lets out does not wait for it.
   * - `in-sync`: the owner lets nothing out that it has not got.
   */
  readonly state: "asked" | "in-sync";
  /**
   * Of one in sync: the owner acts without a lease, too, as long as this mirror acknowledges. In return nobody but the
   * two of them ends it, and an operator. Of worlds whose failover is `manual`.
   */
  readonly unleased?: boolean;
  /** Of one that is unleased: the control plane wants it gone, and it is to withdraw. */
  readonly leaving?: boolean;
}

/** How a shard's last migration ended. `shards/<world>/<index>/moved`. Written by the transaction that ended it. */
export interface MovedRecord {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly reason: MigrationReason;
  readonly outcome: "moved" | "aborted";
  /** Who ended it: a node, or an apiserver; for people. */
  readonly by: string;
  /** Why it was aborted, for people; at most MAX_MIGRATION_PROBLEM_BYTES. Empty when it moved. */
  readonly problem: string;
  readonly started: number;
  readonly ended: number;
  /**
   * Between the source's last tick and the target's first one, in ms, by the target's clock. The target adds it once it
   * has ticked: absent until then, and when nothing moved.
   */
  readonly gapMs?: number | undefined;
  /** Of the state that the target was sent, deltas included. Absent as `gapMs` is. */
  readonly bytes?: number | undefined;
}

/** A world module in the artifact store. `modules/<name>/<version>`. */
export interface ModuleRecord {
  /** SHA-256 of the tarball. */
  readonly digest: Uint8Array;
  /** File within the tarball that exports `world`. */
  readonly entry: string;
  /** Length of the tarball. */
  readonly bytes: number;
}

/** A key as somebody saw it. Transactions compare with it. */
export interface Seen<T> {
  /** Undefined: the key was not there. */
  readonly record: T | undefined;
  /** Revisions as in KeyValue; 0 without a record. */
  readonly created: Revision;
  readonly modified: Revision;
}

export const ABSENT: Seen<never> = { record: undefined, created: 0, modified: 0 };

export function seen<T>(record: T, item: Pick<KeyValue, "created" | "modified">): Seen<T> {
  return { record, created: item.created, modified: item.modified };
}

export const MAX_LABELS = 32;
/** Name of a label, its value. */
export const MAX_LABEL_BYTES = 128;
export const MAX_NODE_MODULES = 256;
/** In a node's modules: paths are looked up on the node when a world asks for one. */
export const ANY_MODULE = "*";
/** In a gameserver's modules: it fetches what is in the artifact store. */
export const STORED_MODULES = "store:*";
/** Name of a module, or entry within one; npm's names have at most 214. */
export const MAX_MODULE_NAME_BYTES = 256;
/** Path of a module that a node brings itself. */
export const MAX_MODULE_PATH_BYTES = 1024;
export const MAX_VERSION_BYTES = 64;
/** A host's name and a port. */
export const MAX_ADDRESS_BYTES = 262;
export const MAX_BOOT_BYTES = 64;
/** Nodes a world may name. */
export const MAX_CONSTRAINT_NODES = 64;
export const MAX_WORLD_WEIGHT = 10_000;
export const MAX_NODE_WEIGHT = 1_000_000;
export const MIN_LEASE_MS = 100;
/** That a node may ask for: after a restore nobody owns anything for the longest lease there was. */
export const MAX_LEASE_MS = 60_000;
/** In a record that is read: of a node of before, or written by an administrator. */
export const MAX_RECORD_LEASE_MS = 600_000;
export const MAX_GRACE_SECONDS = 86_400;
export const MAX_SLEEP_AFTER_SECONDS = 86_400;
/** Of a module's tarball. */
export const MAX_MODULE_BYTES = 256 * 1024 * 1024;
/** Of a snapshot's file. Larger ones stay on the node that wrote them. */
export const MAX_SNAPSHOT_BYTES = 1024 * 1024 * 1024;
/** Snapshots that are kept in the store beside the newest one. */
export const MAX_OLDER_SNAPSHOTS = 63;
/** Shards of one world, so far. */
export const MAX_SHARDS_PER_WORLD = 4096;
/** A migration takes this long at most. */
export const MAX_MIGRATION_MS = 3_600_000;
export const MIN_MIGRATION_MS = 1_000;
/** Migrations that one request may bring a node to, of those away from it. */
export const MAX_AWAY_AT_ONCE = 32;
/** How long a token may be good: ten years. */
export const MAX_TOKEN_SECONDS = 315_360_000;
export const MAX_ASKER_BYTES = 256;
export const MAX_MIGRATION_PROBLEM_BYTES = 1024;
