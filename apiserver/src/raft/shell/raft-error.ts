import { OperatingError } from "@atlasnet/core";
import type { ChangeResult, TransferResult } from "../core/types.ts";

type RefusalOf<R> = R extends { readonly ok: false; readonly reason: infer C } ? C : never;

export type RaftErrorCode =
  | RefusalOf<ChangeResult>
  | RefusalOf<TransferResult>
  /** Too much waits already; it was not taken in. */
  | "busy"
  | "too-large"
  /** Another leader's entry took its place: it will never be applied. */
  | "superseded"
  /** No answer in time, or the answer was lost: it may be applied, now or later. */
  | "unknown"
  /** Leadership stays where it is: the other node did not get ready in time. */
  | "not-transferred"
  | "stopped";

const HINTS: { readonly [C in RaftErrorCode]?: string } = {
  "not-leader": "Ask the leader.",
  "not-ready": "Try again in a moment: a leader was just elected.",
  "change-pending": "Wait until the change before it is committed, then try again.",
  behind: "Wait until the learner has caught up, then promote it.",
  busy: "Try again in a moment.",
  unknown: "Look whether it was applied before trying again, or use a request id.",
  "not-transferred": "Look whether the other node runs and has caught up, then try again.",
};

/** What a group answers to a request that it did not carry out. */
export class RaftError extends OperatingError {
  declare readonly code: RaftErrorCode;
  /** Who leads, as far as this node knows. */
  readonly leader: string | undefined;

  constructor(code: RaftErrorCode, message: string, leader?: string) {
    const hint = HINTS[code];
    super(code, `raft: ${message}`, {
      ...(hint !== undefined && { hint }),
      ...(leader !== undefined && { facts: { leader } }),
    });
    this.leader = leader;
  }
}
