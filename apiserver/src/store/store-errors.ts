import { ControlError, MAX_TXN_CHANGES } from "@atlasnet/core";

/** A transaction that was decided and not applied. */
export function decidedError(
  code: "quota" | "too-large" | "no-lease",
  node?: string,
): ControlError {
  switch (code) {
    case "quota":
      return new ControlError(code, "the control store is full: the transaction was not applied", {
        hint: "Delete what is not needed, or raise the quota.",
      });
    case "too-large":
      return new ControlError(
        code,
        `the transaction would change more than ${MAX_TXN_CHANGES} keys and was not applied`,
        { hint: "Delete in smaller parts: by longer prefixes, or key by key." },
      );
    case "no-lease":
      return new ControlError(
        code,
        `${node === undefined ? "a node that the transaction names" : `node ${node}`} does not hold its lease: the transaction was not applied`,
        { hint: "The node renews its lease by itself when it reaches the apiservers." },
      );
  }
}

/** Why nothing can be decided now, and what to do, where the log knows it. */
export interface Obstacle {
  readonly problem: string;
  readonly hint: string;
}

/** Nobody knows yet, and the time is over. */
export function undecidedError(
  what: "read" | "transaction",
  leaderKnown: boolean,
  timeoutMs: number,
  obstacle?: Obstacle,
): ControlError {
  const open = what === "transaction" ? " It may yet be applied: retry with the same id." : "";
  if (obstacle !== undefined)
    return new ControlError("no-quorum", `${obstacle.problem}.${open}`, { hint: obstacle.hint });
  if (!leaderKnown)
    return new ControlError("no-quorum", `no apiserver leads: too few reach each other.${open}`, {
      hint: "Most of the apiservers have to run and to reach each other; see `atlasnet raft status`.",
    });
  const when = timeoutMs > 0 ? ` within ${timeoutMs} ms` : "";
  return new ControlError("timeout", `the leader did not decide the ${what}${when}.${open}`, {
    hint: "Try again. If it stays so, look at the disks and the load of the apiservers.",
  });
}

export function stoppedError(): ControlError {
  return new ControlError("unreachable", "this apiserver stops", {
    hint: "Ask another one.",
  });
}
