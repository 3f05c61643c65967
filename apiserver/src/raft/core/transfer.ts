import type { Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";
import type { TransferResult } from "./types.ts";

/** Hands leadership to a voter: it catches up, is told to start an election, and wins it. */
export function transferLeadership(state: RaftState, to: string): TransferResult {
  const { leading, leader } = state;
  if (!leading) return { ok: false, reason: "not-leader", leader };
  if (to === state.id) return { ok: false, reason: "already-leader", leader };
  if (!state.members.voters.includes(to)) return { ok: false, reason: "not-a-voter", leader };
  if (leading.transfer) return { ok: false, reason: "transfer-pending", leader };
  leading.transfer = { to, ticksLeft: state.options.electionTicks, told: false };
  const progress = leading.followers.get(to);
  if (progress) pushTransfer(state, progress);
  return { ok: true };
}

/** Tells the target to go ahead once it has the whole log: behind, it could not win. */
export function pushTransfer(state: RaftState, progress: Progress): void {
  const transfer = state.leading?.transfer;
  if (!transfer || transfer.told || transfer.to !== progress.id) return;
  if (progress.match < state.log.lastIndex && !state.breaks("transfer-behind")) return;
  transfer.told = true;
  state.send(progress.id, { type: "timeout-now" }, "now");
}

/** A target that has not taken over in time is given up, and proposals are taken again. */
export function tickTransfer(state: RaftState): void {
  const transfer = state.leading?.transfer;
  if (!state.leading || !transfer || state.breaks("transfer-without-deadline")) return;
  transfer.ticksLeft--;
  if (transfer.ticksLeft <= 0) state.leading.transfer = undefined;
}
