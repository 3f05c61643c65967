import { generationOf, type SnapshotRecord } from "@atlasnet/core";
import type { Ownership } from "../durability/plan-run.ts";
import type { Position } from "../durability/position.ts";
import type { RunOwner } from "../durability/run-file.ts";

/** What the newest recorded snapshot of a shard says about itself. */
export interface RecordedState {
  /** Of the ownership that recorded it. */
  readonly epoch: number;
  readonly tick: number;
  /** The newest ownership that a promotion ended, as the shard's owner record says. */
  readonly promotedOver?: number | undefined;
}

/** What a node's own files of a shard hold. */
export interface LocalState {
  /** Under which it ran here last. */
  readonly owner: RunOwner | undefined;
  /** The state that they give; undefined when there is none. */
  readonly tip: Position | undefined;
  /** What of them could not be read. */
  readonly damaged: readonly unknown[];
}

/**
 * Whether a node's own files are at least as new as the newest recorded snapshot. Pure.
 *
 * Whoever begins to run a shard from somebody else's state records that under its own epoch, before the shard runs,
 * and so does whoever makes a snapshot. So of two states the one of the later epoch counts: files of an earlier one are of a
 * branch that was given up, whatever their ticks are. At the same epoch they are that snapshot's own run.
 *
 * A mirror that takes over runs before it can record that. Its promotion itself says which epoch it has ended: files of
 * that one may be ahead of what the mirror went on with, and do not count either.
 *
 * @param local undefined: none, or those of another world of the same name
 */
export function localCounts(local: LocalState | undefined, recorded: RecordedState): boolean {
  if (local?.owner === undefined || local.tip === undefined) return false;
  if (local.owner.epoch < recorded.epoch) return false;
  if (local.owner.epoch <= (recorded.promotedOver ?? 0)) return false;
  if (local.owner.epoch > recorded.epoch && local.damaged.length === 0) return true;
  return local.tip.tick >= recorded.tick;
}

/**
 * Whether the recorded snapshot is the state that the shard was last seen in, by anybody: its owner stopped at it and
 * gave the shard back, and the next claim was this one. Pure.
 */
export function isExact(
  record: Pick<SnapshotRecord, "world" | "epoch" | "turn" | "final">,
  ownership: Ownership,
): boolean {
  return (
    record.final &&
    ownership.released === true &&
    record.world === ownership.world &&
    // One turn to give it back, one to claim it.
    ownership.turn === record.turn + 2 &&
    // After a restore from a backup, turns and records of before tell nothing of what came after it.
    generationOf(record.epoch) === generationOf(ownership.epoch)
  );
}
