import type { CheckpointChunk } from "./messages.ts";
import type { RaftState } from "./state.ts";
import type { Checkpoint } from "./types.ts";

/** Takes the next piece of a checkpoint; with the last one the checkpoint replaces the log. */
export function onCheckpointChunk(state: RaftState, message: CheckpointChunk): void {
  const { checkpoint, offset, data } = message;
  state.outgrowNewLog(message.commit, state.log.commit);
  if (!isNews(state, checkpoint)) {
    // What it covers is here already. Tell how far this log is known to agree.
    state.receiving = undefined;
    state.acknowledge(message.from, state.log.commit);
    return;
  }
  const wanted = wantedOffset(state, checkpoint);
  const fits = offset === wanted && offset + data.length <= checkpoint.size;
  if (fits || state.breaks("any-chunk-offset")) {
    state.outbox.receiveChunk({ checkpoint, offset, data });
    state.receiving = { checkpoint, offset: offset + data.length };
    if (state.receiving.offset >= checkpoint.size) return install(state, message);
  }
  const next = wantedOffset(state, checkpoint);
  const body = { type: "checkpoint-answer", index: checkpoint.index, offset: next } as const;
  state.send(message.from, body, "after-sync");
}

function isNews(state: RaftState, checkpoint: Checkpoint): boolean {
  const { log } = state;
  if (state.breaks("install-older-checkpoint")) return true;
  if (checkpoint.index <= log.commit) return false;
  if (log.termAt(checkpoint.index) !== checkpoint.term) return true;
  // The log has that very entry: all before it agree, and the checkpoint proves them committed.
  log.commit = checkpoint.index;
  return false;
}

function wantedOffset(state: RaftState, checkpoint: Checkpoint): number {
  const { receiving } = state;
  if (receiving?.checkpoint.index !== checkpoint.index) return 0;
  if (
    receiving.checkpoint.term !== checkpoint.term ||
    receiving.checkpoint.size !== checkpoint.size
  )
    return 0;
  return receiving.offset;
}

function install(state: RaftState, message: CheckpointChunk): void {
  const { checkpoint } = message;
  state.receiving = undefined;
  state.log.install(checkpoint);
  state.history.reset(checkpoint.index, checkpoint.members);
  state.checkpoint = checkpoint;
  state.outbox.install(checkpoint);
  state.outgrowNewLog(message.commit, checkpoint.index);
  state.acknowledge(message.from, checkpoint.index);
}
