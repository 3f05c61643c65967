import {
  generationOf,
  isAlive,
  type MigrationProgress,
  type MigrationRecord,
  type MirrorRecord,
  type NodeLoad,
  type NodeRecord,
  type ShardProblem,
  type WantReason,
  type WorldRecord,
} from "@atlasnet/core";
import { AsleepShards } from "./asleep-shards.ts";
import type { WorldKind } from "./world-kind.ts";

/** A node of the view. It is there without a record while shards name it. */
export class NodeEntry {
  readonly id: string;
  record: NodeRecord | undefined = undefined;
  modified = 0;
  /** Of shards that are meant for it, of those it owns, and of those it mirrors. */
  weight = 0;
  /** Shards that name it, as wanted, as the last owner or as the mirror. */
  readonly shards = new Set<ShardEntry>();
  load: NodeLoad | undefined = undefined;
  /** What it said with its last renewal that it could not open. */
  problems: readonly ShardProblem[] = [];
  /** How migrations that it takes part in came along, as it said with its last renewal. */
  migrations: readonly MigrationProgress[] = [];
  /** Which of its shards sleep, as it said with its last renewals. */
  readonly asleep = new AsleepShards();
  /** When the newest load report came. */
  loadAt = Number.NEGATIVE_INFINITY;
  /** Since when its reports say, without a break, that it is strained (BalanceSettings). */
  strainedSince: number | undefined = undefined;
  /** Living shards that are on their way from here or to here. */
  moves = 0;
  /** Mirrors that are on their way to be in sync, here or of what is owned here. */
  mirroring = 0;
  /** When the last of the moves arrived. */
  movedAt = Number.NEGATIVE_INFINITY;

  constructor(id: string) {
    this.id = id;
  }

  /** What it said of itself is old. */
  forgetReports(): void {
    this.load = undefined;
    this.problems = [];
    this.migrations = [];
    this.asleep.clear();
    this.loadAt = Number.NEGATIVE_INFINITY;
    this.strainedSince = undefined;
  }

  /** A gameserver that is registered in this generation of the store. */
  isRegistered(generation: number): boolean {
    return this.record?.role === "gameserver" && generationOf(this.modified) === generation;
  }
}

export interface WorldEntry
  extends Pick<WorldRecord, "weight" | "enabled" | "failover" | "durability"> {
  readonly name: string;
  readonly created: number;
  readonly modified: number;
  readonly kind: WorldKind;
}

/** A migration that is under way, as the watch shows it. */
export interface MigrationEntry {
  readonly record: MigrationRecord;
  readonly to: NodeEntry;
  readonly created: number;
  readonly modified: number;
  /** When this process saw it first, in ms of the clock. */
  readonly since: number;
}

/** Who follows a shard, or is asked to, as the watch shows it. */
export interface MirrorEntry {
  /** With the epoch that it is of, also where the record leaves that open (`mirroredEpoch`). */
  readonly record: MirrorRecord;
  readonly node: NodeEntry;
  readonly modified: number;
  /** When this process saw first that it was asked, in ms of the clock. */
  readonly since: number;
}

export interface Pending {
  readonly sequence: number;
  /** Where the shard will be wanted; undefined: nowhere. */
  readonly node: NodeEntry | undefined;
  /** It is about the shard's mirror, which will be there; undefined: it is about something else. */
  readonly mirror?: NodeEntry | undefined;
  until: number;
}

/** A shard of the view: of a world that is there, or with records that are to be forgotten. */
export class ShardEntry {
  readonly name: string;
  readonly worldName: string;
  world: WorldEntry | undefined = undefined;
  wanted: NodeEntry | undefined = undefined;
  reason: WantReason = "placed";
  /** 0: there is no record. */
  modified = 0;
  /** The node that owns it or did so last. */
  owner: NodeEntry | undefined = undefined;
  ownerBoot = "";
  ownerHolds = false;
  /** `created` of the world's record that it was taken for. */
  ownerWorld = 0;
  ownerModified = 0;
  /** It is being moved while it runs. */
  migration: MigrationEntry | undefined = undefined;
  /** One that was under way; how it ended is yet to be seen. */
  ended: MigrationEntry | undefined = undefined;
  /** Migrations in a row, of this ownership, that were to empty its node and were aborted. */
  abortedDrains = 0;
  /** When the last of them was. */
  abortedAt = Number.NEGATIVE_INFINITY;
  mirror: MirrorEntry | undefined = undefined;
  /** One that there was, as far as it was seen. */
  lastMirror: MirrorRecord | undefined = undefined;
  pending: Pending | undefined = undefined;
  /** Since when the wanted node could have taken it. */
  since = 0;
  /** A node that did not take it, or where a migration of it failed, passed over for a while: the boot that it had then. */
  avoid: { readonly node: NodeEntry; readonly boot: string | undefined } | undefined = undefined;
  avoidUntil = 0;
  movedAt = Number.NEGATIVE_INFINITY;
  /** Proposals for it that failed in a row; it then has a transaction to itself. */
  failures = 0;
  /** Stamp of the queue that it is in. */
  queued = 0;
  /** The reign in which the planner last looked: what is older of its marks counts no more. */
  reign = 0;
  timerAt = Number.POSITIVE_INFINITY;

  /** How it is counted at nodes: see Occupancy. */
  seat: NodeEntry | undefined = undefined;
  secondSeat: NodeEntry | undefined = undefined;
  seatWeight = 0;
  secondWeight = 0;
  mirrorSeat: NodeEntry | undefined = undefined;
  mirrorWeight = 0;
  moving = false;
  /** Its mirror is on its way to be in sync: it counts at these nodes. */
  mirroring: readonly NodeEntry[] = [];

  constructor(name: string, worldName: string) {
    this.name = name;
    this.worldName = worldName;
  }

  /** Where it is wanted, or will be once what was proposed is done. */
  get target(): NodeEntry | undefined {
    if (this.pending !== undefined) return this.pending.node;
    return this.migration?.to ?? this.wanted;
  }

  /** The node that is passed over at present. One that was started anew is another. */
  avoided(now: number): NodeEntry | undefined {
    const { avoid, avoidUntil } = this;
    if (avoid === undefined || now >= avoidUntil) return undefined;
    return avoid.node.record?.boot === avoid.boot ? avoid.node : undefined;
  }

  /** Of the present ownership; what was asked for an earlier one says nothing any more. */
  get mirrorOfNow(): MirrorEntry | undefined {
    const isOfNow = this.ownerHolds && this.mirror?.record.epoch === this.ownerModified;
    return isOfNow ? this.mirror : undefined;
  }

  /** Only its mirror may go on with it: the same rule as `isMirrored`. */
  isMirrored(generation: number): boolean {
    const isOfNow = generationOf(this.ownerModified) === generation;
    return isOfNow && this.mirrorOfNow?.record.state === "in-sync";
  }

  /** Its owner may act: the same rule as `isOwned`. */
  isOwned(generation: number): boolean {
    return (
      this.ownerHolds &&
      generationOf(this.ownerModified) === generation &&
      isAlive(this.owner?.record, this.ownerBoot)
    );
  }
}
