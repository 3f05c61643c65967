import type { CheckpointAnswer } from "./messages.ts";
import { CHUNK_RETRY_HEARTBEATS } from "./options.ts";
import type { Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";

const NO_BYTES = new Uint8Array(0);

/** Sends the chunk the follower waits for, once, and again when heartbeats pass and no answer comes. */
export function sendChunk(state: RaftState, progress: Progress): void {
  const { sending } = progress;
  if (!sending) return;
  const { checkpoint, offset, heartbeatsSince } = sending;
  if (heartbeatsSince !== undefined && heartbeatsSince < CHUNK_RETRY_HEARTBEATS) return;
  sending.heartbeatsSince = 0;
  const length = Math.min(state.options.chunkBytes, checkpoint.size - offset);
  const { commit } = state.log;
  const body = { checkpoint, commit, offset, length, data: NO_BYTES };
  state.send(progress.id, { type: "checkpoint-chunk", ...body }, "now");
}

/** The follower names the offset it wants next: further on, or back at 0 when it began anew. */
export function onCheckpointAnswer(progress: Progress, message: CheckpointAnswer): void {
  const { sending } = progress;
  if (!sending || sending.checkpoint.index !== message.index) return;
  if (message.offset === sending.offset || message.offset > sending.checkpoint.size) return;
  sending.offset = message.offset;
  sending.heartbeatsSince = undefined;
}
