import { ControlError } from "@atlasnet/core";
import { ApiError } from "../http/api-error.ts";

/** Codes after which the same thing may succeed in a moment: somebody is being elected, a change is under way. */
const AGAIN: ReadonlySet<string> = new Set([
  "not-leader",
  "not-ready",
  "change-pending",
  "transfer-pending",
  "behind",
  "busy",
  "superseded",
  "unknown",
  "unreachable",
  "timeout",
  "lost",
  "failed",
]);

export function mayComeTrue(code: string): boolean {
  return AGAIN.has(code);
}

/** Why the group did not do it, for an operator. */
export function groupError(what: "add" | "remove" | "transfer", node: string, code: string): Error {
  switch (code) {
    case "last-voter":
      return new ApiError(
        "last-voter",
        `${node} is the only apiserver that votes: without it there is no group`,
        "Add another one first (`atlasnet raft add`).",
      );
    case "behind":
      return new ApiError(
        "below-quorum",
        `without ${node} too few of the other apiservers would be up to date for a quorum`,
        "Start those that do not answer (`atlasnet raft status`), or add another one first (`atlasnet raft add`).",
      );
    case "too-many":
      return new ApiError(
        "conflict",
        "the group has as many members as it may have",
        "Remove one first (`atlasnet raft rm`). Three or five are enough for a cluster.",
      );
    case "not-a-member":
    case "not-a-voter":
      return new ApiError(
        "not-found",
        `${node} is no ${what === "transfer" ? "voter" : "member"} of the group`,
        "`atlasnet raft status` shows them.",
      );
    case "not-a-learner":
      return new ApiError("conflict", `${node} is no learner any more`, "Look at the group anew.");
    case "not-transferred":
      return new ControlError("busy", `${node} did not take over in time`, {
        hint: "Look whether it runs and has caught up (`atlasnet raft status`), then try again.",
      });
    case "nobody":
      return new ApiError(
        "conflict",
        "no other voter answers: nobody could lead instead",
        "Start the others, or add one (`atlasnet raft add`).",
      );
    case "not-leader":
    case "unreachable":
      return new ControlError("no-quorum", "no apiserver leads that could be asked", {
        hint: "Most of the apiservers have to run and reach each other; `atlasnet raft status` shows them.",
      });
    case "busy":
    case "change-pending":
    case "not-ready":
    case "transfer-pending":
    case "superseded":
      return new ControlError("busy", `another change of the group is under way (${code})`, {
        hint: "Try again in a moment.",
      });
    default:
      return new ControlError("timeout", `nobody knows whether it was done (${code})`, {
        hint: "Look at the group (`atlasnet raft status`), then try again: it does no harm.",
      });
  }
}
