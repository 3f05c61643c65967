import assert from "node:assert/strict";
import { test } from "node:test";
import type { RaftMessage } from "./messages.ts";
import { acknowledge, drain, elect, entry, leader, message, node } from "./testing/kit.ts";

const appendsTo = (messages: readonly RaftMessage[], to: string) =>
  messages.flatMap((sent) =>
    sent.type === "append" && sent.to === to
      ? [[sent.prevIndex, ...sent.entries.map(({ index }) => index)]]
      : [],
  );
const command = () => Uint8Array.of(1, 2);

test("what is proposed in one turn shares messages, and more wait for answers", () => {
  const core = leader({ settings: { maxBatchEntries: 2, maxInflightMessages: 2 } });
  for (let at = 0; at < 6; at++) core.propose([command()]);
  assert.deepEqual(appendsTo(drain(core).messages, "b"), [
    [2, 3, 4],
    [4, 5, 6],
  ]);
  acknowledge(core, "b", 4);
  assert.deepEqual(appendsTo(drain(core).messages, "b"), [[6, 7, 8]]);
});

test("bytes in flight and bytes of a message have bounds", () => {
  const core = leader({ settings: { maxBatchBytes: 60, maxInflightBytes: 60 } });
  core.propose(Array.from({ length: 9 }, command));
  assert.deepEqual(appendsTo(drain(core).messages, "b"), [
    [2, 3, 4],
    [4, 5, 6],
  ]);
});

test("proposals are refused when too much waits for a quorum, or a command is too large", () => {
  const core = leader({ settings: { maxUncommittedBytes: 100, maxEntryBytes: 200 } });
  const busy = { ok: false, reason: "busy", leader: "a" };
  // More than the bound passes alone.
  assert.equal(core.propose([new Uint8Array(150)]).ok, true);
  assert.deepEqual(core.propose([command()]), busy);
  drain(core);
  acknowledge(core, "b", 3);
  assert.deepEqual(core.propose([command()]), { ok: true, firstIndex: 4, term: 2 });
  const large = core.propose([new Uint8Array(201)]);
  assert.deepEqual(large, { ok: false, reason: "too-large", leader: "a" });
  assert.equal(core.status.uncommittedBytes, 26);
});

test("a follower that refuses is asked further back, by the hint", () => {
  const core = elect(node("a", { terms: [1, 2, 2, 2] }), "b");
  const refused = { type: "append-refused", prevIndex: 5, hintIndex: 2, hintTerm: 1 } as const;
  core.step(message("b", "a", 3, refused));
  assert.deepEqual(appendsTo(drain(core).messages, "b"), [[2, 3, 4, 5, 6]]);
  // The same answer once more is about an append that nobody waits for.
  core.step(message("b", "a", 3, refused));
  assert.deepEqual(drain(core).messages, []);
});

test("a follower hints at the last entry that may agree", () => {
  const core = node("a", { terms: [1, 3, 3, 3] });
  const append = { type: "append", prevIndex: 5, prevTerm: 2, entries: [], commit: 0 } as const;
  core.step(message("b", "a", 4, append));
  const hint = { type: "append-refused", prevIndex: 5, hintIndex: 2, hintTerm: 1 } as const;
  assert.deepEqual(drain(core).messages, [message("a", "b", 4, hint)]);
});

test("a lost append shows at the next heartbeat's answer, and is sent again", () => {
  const core = leader();
  core.propose([command()]);
  drain(core);
  core.step(message("b", "a", 2, { type: "heartbeat-answer", round: 0 }));
  assert.deepEqual(appendsTo(drain(core).messages, "b"), [[3]]);
  const refused = { type: "append-refused", prevIndex: 3, hintIndex: 2, hintTerm: 2 } as const;
  core.step(message("b", "a", 2, refused));
  assert.deepEqual(appendsTo(drain(core).messages, "b"), [[2, 3]]);
});

test("an append that comes twice takes nothing away", () => {
  const core = node("a", { terms: [2] });
  const entries = [entry(2, 2)];
  const append = { type: "append", prevIndex: 1, prevTerm: 1, commit: 0 } as const;
  core.step(message("b", "a", 2, { ...append, entries: [entry(2, 2), entry(3, 2)] }));
  assert.equal(drain(core).saved.length, 1);
  core.step(message("b", "a", 2, { ...append, entries }));
  const { messages, saved, truncateFrom } = drain(core);
  assert.deepEqual([saved, truncateFrom, core.status.lastIndex], [[], undefined, 3]);
  assert.deepEqual(messages, [
    message("a", "b", 2, { type: "append-ok", match: 2, newLog: false }),
  ]);
});

test("followers learn of a commit at once, and commit no more than they have", () => {
  const core = leader();
  core.propose([command()]);
  drain(core);
  acknowledge(core, "b", 3);
  const notice = { type: "heartbeat", match: 3, commit: 3, round: 0 } as const;
  assert.deepEqual(drain(core).messages, [message("a", "b", 2, notice)]);
});

test("a group of one commits by itself, after its sync", () => {
  const core = node("a", { voters: ["a"] });
  core.campaign();
  assert.equal(core.status.role, "leader");
  const ready = core.ready();
  assert.deepEqual([ready.hardState, ready.committed], [{ term: 2, vote: "a" }, []]);
  core.advance(ready);
  assert.equal(drain(core).committed.length, 2);
  core.readIndex(5);
  assert.deepEqual(drain(core).reads, [{ context: 5, ok: true, index: 2 }]);
});

test("reads are refused by followers, by a full queue, and when leadership is lost", () => {
  const follower = node("b");
  follower.readIndex(1);
  const refused = { context: 1, ok: false, reason: "not-leader", leader: undefined };
  assert.deepEqual(drain(follower).reads, [refused]);
  const core = leader({ settings: { maxPendingReads: 1 } });
  core.readIndex(1);
  core.readIndex(2);
  assert.deepEqual(drain(core).reads, [{ context: 2, ok: false, reason: "busy", leader: "a" }]);
  core.step(message("c", "a", 9, { type: "heartbeat", match: 0, commit: 0, round: 1 }));
  assert.deepEqual(drain(core).reads, [{ ...refused, leader: "c" }]);
});
