import { NO_MEMBERS } from "../../core/members.ts";
import { decodeMembers, encodeMembers } from "../../core/members-codec.ts";
import type { Checkpoint, Entry, Members } from "../../core/types.ts";
import { decodeCommand } from "../command.ts";
import { SimViolation } from "../violation.ts";
import type { Checker } from "./checker.ts";

const RULE = "state machine safety";

/** All nodes apply the same entries in the same order, without a gap; checkpoints are what they say. */
export class StateMachineSafety implements Checker {
  private readonly applied: (Entry | undefined)[] = [];
  private readonly last = new Map<string, number>();

  onApply(id: string, entry: Entry): void {
    const before = this.last.get(id) ?? 0;
    if (entry.index !== before + 1)
      throw new SimViolation(RULE, `${id} applies ${entry.index} after ${before}`);
    this.last.set(id, entry.index);
    const known = this.applied[entry.index];
    if (known === undefined) this.applied[entry.index] = entry;
    else if (known.term !== entry.term || known.data.join() !== entry.data.join())
      throw new SimViolation(
        RULE,
        `${id} applies another entry ${entry.index}: of term ${entry.term}, not ${known.term}`,
      );
  }

  onInstall(id: string, checkpoint: Checkpoint, values: readonly number[]): void {
    const before = this.last.get(id) ?? 0;
    if (checkpoint.index <= before)
      throw new SimViolation(RULE, `${id} installs ${checkpoint.index}, but has applied ${before}`);
    this.begin(id, checkpoint, values);
  }

  /** A node starts with what its disk holds. */
  begin(id: string, checkpoint: Checkpoint | undefined, values: readonly number[]): void {
    this.last.set(id, checkpoint?.index ?? 0);
    if (!checkpoint) return;
    const { index } = checkpoint;
    if (this.valuesUpTo(index).join() !== values.join())
      throw new SimViolation(RULE, `${id} has a checkpoint ${index} with another content`);
    const members = encodeMembers(this.membersAt(index)).join();
    if (encodeMembers(checkpoint.members).join() !== members)
      throw new SimViolation(RULE, `${id} has a checkpoint ${index} with other members`);
  }

  /** Commands in the order in which they took effect. */
  valuesUpTo(index: number): number[] {
    return this.applied
      .slice(0, index + 1)
      .flatMap((entry) => (entry?.type === "command" ? [decodeCommand(entry.data)] : []));
  }

  appliedBy(id: string): number {
    return this.last.get(id) ?? 0;
  }

  get highest(): number {
    return this.applied.length - 1;
  }

  private membersAt(index: number): Members {
    const change = this.applied.slice(0, index + 1).findLast((entry) => entry?.type === "members");
    return change ? decodeMembers(change.data) : NO_MEMBERS;
  }
}
