import { sameBytes } from "@atlasnet/core";
import { differingSections, type StateHash } from "../shard/state-digest.ts";

/** What somebody says of a state after a tick. Without `sections` nobody can tell in what it differs from another. */
export type ToldHash = Pick<StateHash, "hash"> & Partial<StateHash>;

/** Of a message that may tell it. */
export function toldHash({ hash, sections }: Partial<StateHash>): ToldHash | undefined {
  return hash && { hash, ...(sections && { sections }) };
}

/** In words, where the state after `tick` is another one here than at the owner; undefined: it is the same. */
export function stateDifference(tick: number, here: ToldHash, owner: ToldHash): string | undefined {
  if (sameBytes(here.hash, owner.hash)) return undefined;
  const where =
    here.sections && owner.sections ? differingSections(here.sections, owner.sections) : [];
  const parts = where.length > 0 ? ` in ${where.join(", ")}` : "";
  return `the states of tick ${tick} differ${parts}: hash ${hexOf(here.hash)} here, ${hexOf(owner.hash)} at the owner`;
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
