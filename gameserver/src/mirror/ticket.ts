import {
  type MirrorRecord,
  mirroredEpoch,
  type OwnerRecord,
  type ReplicaOpen,
  type Revision,
  type Seen,
} from "@atlasnet/core";
import type { TicketProblem } from "../migration/ticket.ts";

/**
 * Why the record does not allow `peer` (as its certificate says) to mirror the shard, which this node owns at `epoch`.
 * Undefined: it does. A record that is not here may be one that this node's watch has yet to show.
 */
export function mirrorTicketProblem(
  { id, boot, epoch: asked }: Pick<ReplicaOpen, "id" | "boot" | "epoch">,
  peer: string,
  { mirror, owner }: { readonly mirror: Seen<MirrorRecord>; readonly owner: Seen<OwnerRecord> },
  epoch: Revision,
): TicketProblem | undefined {
  const { record } = mirror;
  if (record === undefined || record.id !== id)
    return { code: "unknown-ticket", reason: `there is no mirror ${id} of this shard` };
  if (record.node !== peer || record.boot !== boot)
    return {
      code: "unknown-ticket",
      reason: `the mirror ${id} is ${record.node} with the boot ${record.boot}, not ${peer} with ${boot}`,
    };
  const followed = mirroredEpoch(mirror);
  if (followed !== epoch || asked !== epoch || owner.modified !== epoch)
    return {
      code: "wrong-epoch",
      reason: `the mirror ${id} is of the epoch ${followed}, the shard is at ${owner.modified}, asked for was ${asked}`,
    };
  return undefined;
}
