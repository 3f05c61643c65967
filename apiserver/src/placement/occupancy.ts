import type { NodeEntry, ShardEntry } from "./entries.ts";

/**
 * Who carries how much. A shard counts where it is meant to be, what is proposed included, and where its
 * owner lives; while it moves, at both.
 */
export class Occupancy {
  /** Living shards that are to leave their owner. */
  moving = 0;
  /** Moves that have ended. */
  moved = 0;
  /** Goes up whenever there may be room where there was none. */
  roomVersion = 0;

  /** After anything changed about the shard or the node of its owner. */
  recount(shard: ShardEntry, generation: number, now: number): void {
    const target = shard.target;
    const owned = shard.isOwned(generation);
    const other = shard.owner === target ? undefined : shard.owner;
    const weight = shard.world?.weight ?? shard.seatWeight;
    const { seat, seatWeight, secondSeat, secondWeight } = shard;
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
    if (shard.moving) {
      this.moving -= 1;
      step(seat, -1);
      step(secondSeat, -1);
    }
    shard.seat = undefined;
    shard.secondSeat = undefined;
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
  return shard.secondSeat === node ? shard.secondWeight : 0;
}

function step(node: NodeEntry | undefined, by: number): void {
  if (node !== undefined) node.moves += by;
}
