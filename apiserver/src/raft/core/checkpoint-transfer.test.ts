import assert from "node:assert/strict";
import { test } from "node:test";
import { type CheckpointChunk, type RaftMessage, withChunkData } from "./messages.ts";
import type { RaftCore } from "./raft-core.ts";
import { acknowledge, drain, elect, leader, message, node } from "./testing/kit.ts";

const chunksOf = (messages: readonly RaftMessage[]) =>
  messages.filter((sent): sent is CheckpointChunk => sent.type === "checkpoint-chunk");

/** A leader with 10 bytes of checkpoint at 4, and nothing in the log up to there. */
function compacted(): RaftCore {
  const core = leader({ settings: { chunkBytes: 4, trailingBytes: 0 } });
  core.propose([Uint8Array.of(1), Uint8Array.of(2)]);
  drain(core);
  acknowledge(core, "b", 4);
  drain(core);
  core.compact({ ...core.checkpointAt(4), size: 10 });
  return core;
}

/** Follower c has nothing but the first entry. */
function refuse(core: RaftCore): readonly CheckpointChunk[] {
  const refused = { type: "append-refused", prevIndex: 1, hintIndex: 0, hintTerm: 0 } as const;
  core.step(message("c", "a", 2, refused));
  return chunksOf(drain(core).messages);
}

test("a follower behind the log gets the checkpoint, piece by piece", () => {
  const core = compacted();
  const empty = node(
    "c",
    {},
    { hardState: { term: 0, vote: "" }, checkpoint: undefined, entries: [] },
  );
  let [chunk] = refuse(core);
  const offsets: number[] = [];
  const received: number[] = [];
  let installed: number | undefined;
  while (chunk) {
    offsets.push(chunk.offset);
    empty.step(withChunkData(chunk, new Uint8Array(chunk.length).fill(chunk.offset)));
    const ready = empty.ready();
    for (const { data } of ready.chunks) received.push(...data);
    installed = ready.checkpoint?.index;
    empty.advance(ready);
    for (const answer of ready.messagesAfterSync) core.step(answer);
    [chunk] = chunksOf(drain(core).messages);
  }
  assert.deepEqual(offsets, [0, 4, 8]);
  assert.deepEqual(received, [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]);
  assert.equal(installed, 4);
  assert.deepEqual(empty.members.voters, ["a", "b", "c"]);
  assert.equal(core.status.followers.find(({ id }) => id === "c")?.mode, "replicate");
});

test("a chunk is sent once, and again when heartbeats are answered and it is not", () => {
  const core = compacted();
  assert.equal(refuse(core).length, 1);
  const answer = message("c", "a", 2, { type: "heartbeat-answer", round: 0 });
  let sent = 0;
  for (let beat = 0; beat < 4; beat++) {
    assert.equal(sent, 0);
    core.step(answer);
    sent = chunksOf(drain(core).messages).length;
  }
  assert.equal(sent, 1);
});

test("a follower that lost its half begins again, and stale answers move nothing", () => {
  const core = compacted();
  refuse(core);
  const answer = { type: "checkpoint-answer", index: 4, offset: 8 } as const;
  core.step(message("c", "a", 2, answer));
  assert.deepEqual(
    chunksOf(drain(core).messages).map(({ offset, length }) => [offset, length]),
    [[8, 2]],
  );
  core.step(message("c", "a", 2, { ...answer, index: 3, offset: 0 }));
  assert.deepEqual(chunksOf(drain(core).messages), []);
  core.step(message("c", "a", 2, { ...answer, offset: 0 }));
  assert.equal(chunksOf(drain(core).messages)[0]?.offset, 0);
});

test("a transfer goes on with its own checkpoint, and with the newest when that is unreadable", () => {
  const core = compacted();
  refuse(core);
  core.propose([Uint8Array.of(3)]);
  drain(core);
  acknowledge(core, "b", 5);
  drain(core);
  core.compact({ ...core.checkpointAt(5), size: 3 });
  assert.deepEqual(core.checkpointsInUse(), [4]);
  core.checkpointUnreadable("c");
  assert.deepEqual(core.checkpointsInUse(), [5]);
  assert.equal(chunksOf(drain(core).messages)[0]?.checkpoint.index, 5);
});

test("a checkpoint of what a follower has moves its commit instead of replacing its log", () => {
  const core = node("c", { terms: [2, 2, 2] });
  const source = elect(node("a", { terms: [2, 2, 2] }), "b");
  const { members } = source;
  const checkpoint = { index: 3, term: 2, members, size: 0 };
  const data = new Uint8Array(0);
  const chunk = {
    type: "checkpoint-chunk",
    checkpoint,
    commit: 3,
    offset: 0,
    length: 0,
    data,
  } as const;
  core.step(message("a", "c", 3, chunk));
  const { messages, committed, checkpoint: replaced } = drain(core);
  assert.deepEqual([committed.length, replaced, core.status.lastIndex], [3, undefined, 4]);
  assert.deepEqual(messages, [
    message("c", "a", 3, { type: "append-ok", match: 3, newLog: false }),
  ]);
});
