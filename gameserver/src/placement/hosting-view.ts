import {
  type Claimant,
  type ClaimView,
  claimShard,
  generationOf,
  givenUp,
  isAlive,
  isMirrored,
  type MigrationRecord,
  type MirrorRecord,
  migrationKey,
  mirrorKey,
  NODES,
  type NodeRegistration,
  nodeKey,
  type OwnerRecord,
  ownerKey,
  type RecordKind,
  type Revision,
  type Seen,
  type SwitchView,
  shardKey,
  whyRelease,
  worldKey,
  worldOfShard,
} from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import { ClusterRecords } from "./cluster-records.ts";
import type { HostedShard } from "./hosted-shard.ts";
import { runsAs } from "./runs-as.ts";

/** What a shard that comes while it runs was before: of a promotion, also which ownership that has ended. */
export type MovedFrom = Pick<OwnerRecord, "world" | "promotedOver">;

/** What the records and this node's registration say of a shard: whose it is, and what may become of it. */
export class HostingView {
  readonly records = new ClusterRecords();
  readonly node: string;
  registration: NodeRegistration | undefined;
  draining = false;

  constructor({ node }: { node: string }) {
    this.node = node;
  }

  ownerOf(entry: HostedShard): Seen<OwnerRecord> {
    return this.records.seen("owner", ownerKey(entry.shard));
  }

  migrationOf(shard: string): Seen<MigrationRecord> {
    return this.records.seen("migration", migrationKey(shard));
  }

  mirrorOf(shard: string): Seen<MirrorRecord> {
    return this.records.seen("mirror", mirrorKey(shard));
  }

  /** A mirror of this ownership is in sync: it may have what nobody has kept here. */
  isMirrored(entry: HostedShard): boolean {
    const { generation } = this.registration ?? {};
    const mirror = this.mirrorOf(entry.shard);
    return generation !== undefined && isMirrored(mirror, this.newestOwner(entry), generation);
  }

  /**
   * Nothing of it runs here any more, and its mirror goes on with it by itself. When that one is gone as well, going
   * back takes the world's leave, or an operator's.
   */
  isLeftToMirror(entry: HostedShard): boolean {
    const { record } = this.mirrorOf(entry.shard);
    if (record === undefined || !this.isMirrored(entry)) return false;
    const { record: node } = this.records.seen("node", nodeKey(record.node));
    return isAlive(node, record.boot) || this.worldOf(entry).record?.failover !== "automatic";
  }

  /** What a switch of a migration to this node is decided by. */
  switchOf(shard: string): SwitchView {
    const { records } = this;
    return {
      migration: this.migrationOf(shard),
      owner: records.seen("owner", ownerKey(shard)),
      shard: records.seen("shard", shardKey(shard)),
      world: records.seen("world", worldKey(worldOfShard(shard) ?? shard)),
      node: records.seen("node", nodeKey(this.node)),
      mirror: this.mirrorOf(shard),
    };
  }

  /** The records show that this node takes no shards any more. */
  get isDraining(): boolean {
    const { record } = this.records.seen("node", nodeKey(this.node));
    return record?.state === "draining";
  }

  /** There is another gameserver that takes shards. */
  get hasOthers(): boolean {
    return this.records.keys(NODES).some((key) => {
      const { record } = this.records.seen("node", key);
      const takes = record?.role === "gameserver" && record.state === "ready" && !record.cordoned;
      return takes && key !== nodeKey(this.node);
    });
  }

  /** It is being moved away from this ownership: the switch or an abort decides whether it stays. */
  isLeaving(entry: HostedShard): boolean {
    const { record } = this.migrationOf(entry.shard);
    return record !== undefined && record.epoch === entry.ownership?.epoch;
  }

  /**
   * It is being moved away to run another module there, and its world names that already: the switch has said so, and
   * the view is about to show it; or somebody did in advance, and what becomes of the migration decides.
   */
  isUpgrading(entry: HostedShard): boolean {
    const { module } = this.migrationOf(entry.shard).record ?? {};
    const { record } = this.worldOf(entry);
    if (module === undefined || record === undefined || !this.isLeaving(entry)) return false;
    return runsAs(record) === runsAs({ ...record, module });
  }

  worldOf(entry: HostedShard) {
    return this.records.seen("world", worldKey(entry.world));
  }

  of(entry: HostedShard): ClaimView {
    const { records } = this;
    const owner = this.ownerOf(entry);
    return {
      world: this.worldOf(entry),
      shard: records.seen("shard", shardKey(entry.shard)),
      owner,
      ownerNode: records.seen("node", nodeKey(owner.record?.node ?? "")),
      node: records.seen("node", nodeKey(this.node)),
      mirror: this.mirrorOf(entry.shard),
    };
  }

  get claimant(): Claimant | undefined {
    const { registration, node } = this;
    return registration && { node, boot: registration.boot, generation: registration.generation };
  }

  /** Owned by this registration, as the view shows it. */
  isMine(entry: HostedShard): boolean {
    const { registration } = this;
    const { record, modified } = this.ownerOf(entry);
    return (
      registration !== undefined &&
      record?.state === "owned" &&
      record.node === this.node &&
      record.boot === registration.boot &&
      generationOf(modified) === registration.generation
    );
  }

  /** The view is behind what this node's own transactions did. */
  isBehind(entry: HostedShard): boolean {
    if (this.ownerOf(entry).modified < entry.floor) return true;
    const { record, modified } = this.worldOf(entry);
    return record !== undefined && modified < entry.worldFloor;
  }

  /** The owner's record as this node's own transaction wrote it; the view may be behind. */
  own(entry: HostedShard): Seen<OwnerRecord> {
    const { ownership } = entry;
    const { boot = "" } = this.registration ?? {};
    const record: OwnerRecord = {
      ...{ world: ownership?.world ?? 0, node: this.node, boot, state: "owned" },
      ...(ownership?.promotedOver !== undefined && { promotedOver: ownership.promotedOver }),
    };
    return { record, created: 0, modified: entry.floor };
  }

  /** The owner's record as it was written last, as far as this node knows. */
  newestOwner(entry: HostedShard): Seen<OwnerRecord> {
    return entry.ownership === undefined ? this.ownerOf(entry) : this.own(entry);
  }

  /** A record of a newer version: nothing is decided by what it would be without it. */
  isUnreadable({ shard, world }: HostedShard): boolean {
    const keys: readonly [RecordKind, string][] = [
      ["world", worldKey(world)],
      ["shard", shardKey(shard)],
      ["owner", ownerKey(shard)],
    ];
    return keys.some(([kind, key]) => this.records.problem(kind, key) !== undefined);
  }

  isWanted({ shard }: HostedShard): boolean {
    return this.records.seen("shard", shardKey(shard)).record?.wanted === this.node;
  }

  isClaimable(entry: HostedShard): boolean {
    const { claimant } = this;
    if (claimant === undefined || this.draining) return false;
    return claimShard(entry.shard, this.of(entry), claimant).ok;
  }

  /** Why what is owned has to go at `now`, whether it runs or not. */
  whyGiveUp(entry: HostedShard, now: number): string | undefined {
    const { claimant } = this;
    if (this.draining) return "the node is stopping";
    if (entry.givenUp && now < entry.retryAt) return entry.reason;
    if (claimant === undefined) return undefined;
    const { world, shard } = this.of(entry);
    switch (whyRelease({ world, shard, owner: this.newestOwner(entry) }, claimant)) {
      case "no-world":
        return "the world was removed";
      case "disabled":
        return "the world is disabled";
      case "not-wanted": {
        // A view that has not shown the switch does not show either whom that wanted.
        const isOpen = this.isBehind(entry) || this.isLeaving(entry);
        return isOpen ? undefined : "the shard is meant for another node";
      }
      default:
        return undefined;
    }
  }

  /** As which this node owns what has moved here, by the switch or the promotion that had `epoch`. */
  movedHere(shard: string, epoch: Revision, { world, promotedOver }: MovedFrom): Ownership {
    const { record, modified } = this.records.seen("owner", ownerKey(shard));
    const version = this.records.version(ownerKey(shard));
    const turn = modified < epoch ? version + 1 : version;
    const given = promotedOver === undefined ? givenUp(record, world) : { promotedOver };
    return { epoch, world, turn, lastTurn: undefined, ...given };
  }

  /** Whose turn it would be after a claim, and whose it was. */
  nextTurn(entry: HostedShard): Omit<Ownership, "epoch"> {
    const version = this.records.version(ownerKey(entry.shard));
    const { record, modified } = this.ownerOf(entry);
    const isHere =
      record?.node === this.node && generationOf(modified) === this.registration?.generation;
    const released = record?.state === "released" && { released: true as const };
    const world = this.worldOf(entry).created;
    const turn = { world, turn: version + 1, ...released, ...givenUp(record, world) };
    if (record === undefined) return { ...turn, lastTurn: "none" };
    if (!isHere) return { ...turn, lastTurn: undefined };
    return { ...turn, ...entry.goesOn(record.state === "owned" ? version : version - 1) };
  }

  /** Another one when the world or its placement is another way. */
  signature(entry: HostedShard): string {
    const placed = this.records.seen("shard", shardKey(entry.shard)).modified;
    return `${this.worldOf(entry).modified} ${placed}`;
  }
}
