import assert from "node:assert/strict";
import { test } from "node:test";
import type { RaftMessage } from "./messages.ts";
import { drain, elect, message, node } from "./testing/kit.ts";

const sent = (messages: readonly RaftMessage[]) =>
  messages.map(({ to, type, term }) => `${type} to ${to} in ${term}`);
const heartbeat = { type: "heartbeat", match: 0, commit: 0, round: 1 } as const;

test("a follower asks before it stands, and leads with a majority", () => {
  const core = node("a");
  let ticks = 0;
  for (; core.status.role === "follower"; ticks++) core.tick();
  assert.ok(ticks >= 10 && ticks < 20, `${ticks} ticks`);
  assert.deepEqual(sent(drain(core).messages), ["pre-vote to b in 1", "pre-vote to c in 1"]);
  assert.equal(core.status.term, 1);
  core.step(message("b", "a", 1, { type: "pre-vote-answer", forTerm: 2, granted: true }));
  const ready = core.ready();
  // The vote for itself is on disk before anybody is asked for theirs.
  assert.deepEqual(ready.hardState, { term: 2, vote: "a" });
  assert.deepEqual(ready.messagesNow, []);
  assert.deepEqual(sent(ready.messagesAfterSync), ["vote to b in 2", "vote to c in 2"]);
  core.advance(ready);
  core.step(message("c", "a", 2, { type: "vote-answer", granted: true }));
  assert.equal(core.status.role, "leader");
  const { saved, messages } = drain(core);
  assert.deepEqual(
    saved.map(({ index, term, type }) => [index, term, type]),
    [[2, 2, "no-op"]],
  );
  assert.deepEqual(sent(messages), ["append to b in 2", "append to c in 2"]);
});

test("a node that was cut off raises no term, and learns the one of the others", () => {
  const core = node("a");
  for (let tick = 0; tick < 200; tick++) core.tick();
  assert.equal(core.status.term, 1);
  core.step(message("b", "a", 8, { type: "pre-vote-answer", forTerm: 2, granted: false }));
  assert.deepEqual([core.status.term, core.status.role], [8, "follower"]);
});

test("a pre-vote is answered without a change of term, by term and log", () => {
  const core = node("a", { terms: [3, 3], term: 4 });
  const ask = (forTerm: number, lastIndex: number, lastTerm: number) => {
    core.step(message("b", "a", 4, { type: "pre-vote", forTerm, lastIndex, lastTerm }));
    const [answer] = drain(core).messages;
    assert(answer?.type === "pre-vote-answer" && answer.term === 4);
    return answer.granted;
  };
  assert.deepEqual(
    [ask(5, 3, 3), ask(4, 3, 3), ask(5, 2, 3), ask(5, 9, 2), ask(9, 2, 4)],
    [true, false, false, false, true],
  );
});

test("of two that ask at the same time the first by name goes on, and only it", () => {
  const asking = (id: string) => {
    const core = node(id);
    while (core.status.role === "follower") core.tick();
    drain(core);
    return core;
  };
  const [a, b] = [asking("a"), asking("b")];
  const preVote = { type: "pre-vote", forTerm: 2, lastIndex: 1, lastTerm: 1 } as const;
  a.step(message("b", "a", 1, preVote));
  b.step(message("a", "b", 1, preVote));
  assert.deepEqual([a.status.role, b.status.role], ["pre-candidate", "follower"]);
  for (const answer of [...drain(a).messages, ...drain(b).messages]) {
    assert(answer.type === "pre-vote-answer" && answer.granted);
    (answer.to === "a" ? a : b).step(answer);
  }
  assert.deepEqual([a.status.role, b.status.role], ["candidate", "follower"]);
});

test("the first by name asks no longer once it has said yes to one with more", () => {
  const core = node("a");
  while (core.status.role === "follower") core.tick();
  drain(core);
  core.step(message("b", "a", 1, { type: "pre-vote", forTerm: 2, lastIndex: 2, lastTerm: 1 }));
  const [answer] = drain(core).messages;
  assert(answer?.type === "pre-vote-answer" && answer.granted);
  assert.equal(core.status.role, "follower");
});

test("who hears nothing asks again before the next time-out, and not those that said yes", () => {
  const core = node("a");
  while (core.status.role === "follower") core.tick();
  drain(core);
  core.tick();
  assert.deepEqual(sent(drain(core).messages), []);
  core.tick();
  assert.deepEqual(sent(drain(core).messages), ["pre-vote to b in 1", "pre-vote to c in 1"]);
  const five = node("a", { voters: ["a", "b", "c", "d", "e"] });
  while (five.status.role === "follower") five.tick();
  five.step(message("b", "a", 1, { type: "pre-vote-answer", forTerm: 2, granted: true }));
  drain(five);
  five.tick();
  five.tick();
  assert.deepEqual(sent(drain(five).messages), [
    "pre-vote to c in 1",
    "pre-vote to d in 1",
    "pre-vote to e in 1",
  ]);
});

test("a candidate gives way to a leader of its term", () => {
  const core = node("a", { settings: { preVote: false } });
  core.campaign();
  assert.equal(core.status.role, "candidate");
  core.step(message("b", "a", 2, heartbeat));
  assert.deepEqual([core.status.role, core.status.leader], ["follower", "b"]);
});

test("a majority that refuses ends an election", () => {
  const core = node("a", { settings: { preVote: false } });
  core.campaign();
  core.step(message("b", "a", 2, { type: "vote-answer", granted: false }));
  assert.equal(core.status.role, "candidate");
  core.step(message("c", "a", 2, { type: "vote-answer", granted: false }));
  assert.equal(core.status.role, "follower");
});

test("a leader of an old term is told, and steps down", () => {
  const core = node("a", { term: 5 });
  core.step(message("b", "a", 3, heartbeat));
  const [told] = drain(core).messages;
  assert.deepEqual(told, message("a", "b", 5, { type: "stale-term" }));
  const old = elect(node("b", { term: 2 }), "c");
  assert(told);
  old.step(told);
  assert.deepEqual([old.status.role, old.status.term], ["follower", 5]);
});

test("strangers and messages for others change nothing", () => {
  const core = elect(node("a"), "b");
  core.step(message("x", "a", 9, { type: "stale-term" }));
  core.step(message("x", "a", 9, { type: "append-ok", match: 2, newLog: false }));
  core.step(message("b", "c", 9, { type: "stale-term" }));
  assert.deepEqual([core.status.role, core.status.term], ["leader", 2]);
});

test("a node that may not vote does not stand", () => {
  const learner = node("d", { learners: ["d"] });
  const stranger = node("x");
  for (const core of [learner, stranger]) {
    for (let tick = 0; tick < 50; tick++) core.tick();
    core.campaign();
    core.step(message("a", core.status.id, 1, { type: "timeout-now" }));
    assert.deepEqual(drain(core).messages, []);
  }
});

test("who is told to takes over at once, whoever the others follow", () => {
  const core = node("b");
  core.step(message("a", "b", 1, { ...heartbeat, match: 1 }));
  drain(core);
  core.step(message("a", "b", 1, { type: "timeout-now" }));
  const votes = drain(core).messages;
  assert.deepEqual(sent(votes), ["vote to a in 2", "vote to c in 2"]);
  assert.ok(votes.every((vote) => vote.type === "vote" && vote.transfer));
});

test("settings that cannot work are refused", () => {
  assert.throws(() => node("a", { settings: { electionTicks: 2 } }), /heartbeatTicks/);
  assert.throws(() => node("a", { settings: { chunkBytes: 0 } }), /raft chunkBytes/);
  assert.throws(() => node(""), /needs a name/);
});
