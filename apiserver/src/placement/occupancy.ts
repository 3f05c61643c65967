import type { NodeEntry, ShardEntry } from "./entries.ts";

/**
 * Who carries how much. A shard counts where it is meant to be, what is proposed included, where its
 * owner lives, while it moves, at both, and where it is mirrored: what a mirror needs is what an owner needs. It counts
 * once at each of these nodes.
 */
export class Occupancy {
  /** Living shards that are to leave their owner. */
  moving = 0;
  /** Mirrors that are on their way to be in sync. */
  mirroring = 0;
  /** Moves that have ended, and mirrors that came to be in sync or not. */
  moved = 0;
  /** Goes up whenever there may be room where there was none. */
  roomVersion = 0;

  /** After anything changed about the shard or the node of its owner. */
  recount(shard: ShardEntry, generation: number, now: number): void {
    const target = shard.target;
    const owned = shard.isOwned(generation);
    const other = shard.owner === target ? undefined : shard.owner;
    const weight = shard.world?.weight ?? shard.seatWeight;
    const { seat, seatWeight, secondSeat, secondWeight, mirrorSeat, mirrorWeight } = shard;
    const mirroring = shard.mirroring.length > 0;
    this.leave(shard);
    shard.seat = target;
    shard.seatWeight = weight;
    shard.secondSeat = other;
    shard.secondWeight = owned ? weight : 0;
    if (target !== undefined) {
      target.weight += weight;
      target.shards.add(shard);
    }
    if (other !== undefined) {
      other.weight += shard.secondWeight;
      other.shards.add(shard);
    }
    const mirror = shard.pending?.mirror ?? shard.mirror?.node;
    const follows = shard.pending?.mirror !== undefined || shard.mirrorOfNow !== undefined;
    const counts = follows && mirror !== target && (mirror !== other || !owned);
    shard.mirrorSeat = mirror;
    shard.mirrorWeight = counts ? weight : 0;
    if (mirror !== undefined) {
      mirror.weight += shard.mirrorWeight;
      mirror.shards.add(shard);
    }
    if (mirrorSeat !== undefined && weightAt(shard, mirrorSeat) < mirrorWeight)
      this.roomVersion += 1;
    this.noteMirroring(shard, owned && follows ? mirror : undefined, mirroring);
    if (seat !== undefined && weightAt(shard, seat) < seatWeight) this.roomVersion += 1;
    if (secondSeat !== undefined && weightAt(shard, secondSeat) < secondWeight)
      this.roomVersion += 1;
    const moving = owned && target !== undefined && other !== undefined;
    this.noteMove(shard, moving, [seat, secondSeat], now);
  }

  leave(shard: ShardEntry): void {
    const { seat, secondSeat } = shard;
    if (seat !== undefined) {
      seat.weight -= shard.seatWeight;
      seat.shards.delete(shard);
    }
    if (secondSeat !== undefined) {
      secondSeat.weight -= shard.secondWeight;
      secondSeat.shards.delete(shard);
    }
    const { mirrorSeat } = shard;
    if (mirrorSeat !== undefined) {
      mirrorSeat.weight -= shard.mirrorWeight;
      mirrorSeat.shards.delete(shard);
    }
    if (shard.mirroring.length > 0) this.mirroring -= 1;
    for (const node of shard.mirroring) node.mirroring -= 1;
    shard.mirroring = [];
    shard.mirrorSeat = undefined;
    if (shard.moving) {
      this.moving -= 1;
      step(seat, -1);
      step(secondSeat, -1);
    }
    shard.seat = undefined;
    shard.secondSeat = undefined;
  }

  private noteMirroring(
    shard: ShardEntry,
    mirror: NodeEntry | undefined,
    wasMirroring: boolean,
  ): void {
    const { state, leaving } = shard.mirror?.record ?? {};
    const isOnItsWay = shard.pending?.mirror !== undefined || state === "asked" || leaving === true;
    if (mirror !== undefined && isOnItsWay) {
      const { owner } = shard;
      shard.mirroring = owner === undefined ? [mirror] : [mirror, owner];
      this.mirroring += 1;
      for (const node of shard.mirroring) node.mirroring += 1;
    } else if (wasMirroring) this.moved += 1;
  }

  /** `before`: where it counted until now, which after a migration is not all where it counts. */
  private noteMove(
    shard: ShardEntry,
    moving: boolean,
    before: readonly (NodeEntry | undefined)[],
    now: number,
  ): void {
    if (shard.moving && !moving) {
      this.moved += 1;
      shard.movedAt = now;
      for (const node of before) if (node !== undefined) node.movedAt = now;
    }
    shard.moving = moving;
    if (!moving) return;
    this.moving += 1;
    step(shard.seat, 1);
    step(shard.secondSeat, 1);
  }
}

function weightAt(shard: ShardEntry, node: NodeEntry): number {
  if (shard.seat === node) return shard.seatWeight;
  const second = shard.secondSeat === node ? shard.secondWeight : 0;
  return shard.mirrorSeat === node ? second + shard.mirrorWeight : second;
}

function step(node: NodeEntry | undefined, by: number): void {
  if (node !== undefined) node.moves += by;
}
