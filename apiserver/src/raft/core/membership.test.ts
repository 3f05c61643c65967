import assert from "node:assert/strict";
import { test } from "node:test";
import { makeMembers } from "./members.ts";
import { encodeMembers } from "./members-codec.ts";
import { acknowledge, drain, elect, entry, leader, message, node } from "./testing/kit.ts";

test("a node comes in as a learner, is promoted, and then counts", () => {
  const core = leader();
  const added = core.changeMembers({ type: "add-learner", id: "d", incarnation: 9 });
  assert.deepEqual(added, { ok: true, index: 3, term: 2 });
  assert.deepEqual(core.members.incarnations, { d: 9 });
  drain(core);
  acknowledge(core, "b", 3);
  core.step(message("d", "a", 2, { type: "append-ok", match: 3, newLog: false }, 9));
  assert.equal(core.changeMembers({ type: "promote", id: "d" }).ok, true);
  drain(core);
  // Two of three are no majority of four.
  acknowledge(core, "b", 4);
  assert.equal(core.status.commit, 3);
  core.step(message("d", "a", 2, { type: "append-ok", match: 4, newLog: false }, 9));
  assert.equal(core.status.commit, 4);
});

test("a learner whose log is still new is not promoted", () => {
  const core = leader({ learners: ["d"] });
  core.step(message("d", "a", 2, { type: "append-ok", match: 2, newLog: true }));
  const refused = { ok: false, reason: "behind", leader: "a" };
  assert.deepEqual(core.changeMembers({ type: "promote", id: "d" }), refused);
});

test("changes that make no sense are refused", () => {
  const reasonOf = (change: Parameters<ReturnType<typeof leader>["changeMembers"]>[0]) => {
    const result = leader({ learners: ["d"] }).changeMembers(change);
    return result.ok ? "ok" : result.reason;
  };
  assert.equal(reasonOf({ type: "add-learner", id: "b" }), "already-member");
  assert.equal(reasonOf({ type: "add-learner", id: "d" }), "already-member");
  assert.equal(reasonOf({ type: "promote", id: "b" }), "not-a-learner");
  assert.equal(reasonOf({ type: "remove", id: "x" }), "not-a-member");
  assert.equal(reasonOf({ type: "remove", id: "d" }), "ok");
  // Without b nobody but a has followed.
  assert.equal(reasonOf({ type: "remove", id: "b" }), "behind");
  const alone = node("a", { voters: ["a"] });
  alone.campaign();
  drain(alone);
  const last = alone.changeMembers({ type: "remove", id: "a" });
  assert.deepEqual(last, { ok: false, reason: "last-voter", leader: "a" });
  const follower = node("b").changeMembers({ type: "remove", id: "a" });
  assert.deepEqual(follower, { ok: false, reason: "not-leader", leader: undefined });
});

test("a leader that is removed leads until that is committed, without its own vote", () => {
  const core = leader();
  acknowledge(core, "c", 2);
  assert.equal(core.changeMembers({ type: "remove", id: "a" }).ok, true);
  drain(core);
  acknowledge(core, "b", 3);
  assert.deepEqual([core.status.role, core.status.commit], ["leader", 2]);
  acknowledge(core, "c", 3);
  assert.deepEqual([core.status.role, core.status.commit], ["follower", 3]);
});

test("who alone has the entry that removes it may still stand", () => {
  const data = encodeMembers(makeMembers(["b"]));
  const core = node("a", { voters: ["a", "b"], term: 2 });
  const entries = [{ index: 2, term: 2, type: "members", data } as const];
  const append = { type: "append", prevIndex: 1, prevTerm: 1, entries, commit: 1 } as const;
  core.step(message("b", "a", 2, append));
  elect(core, "b");
  assert.equal(core.status.role, "leader");
});

test("the leader writes down whose logs stand behind the first members' ids", () => {
  const core = elect(node("a", { settings: { incarnation: 5 } }), "b");
  core.step(message("b", "a", 2, { type: "append-ok", match: 2, newLog: false }, 6));
  assert.deepEqual(core.members.incarnations, { a: 5, b: 6 });
  assert.deepEqual(core.members.voters, ["a", "b", "c"]);
  drain(core);
  core.step(message("b", "a", 2, { type: "append-ok", match: 3, newLog: false }, 6));
  core.step(message("c", "a", 2, { type: "append-ok", match: 3, newLog: false }, 7));
  assert.deepEqual(core.members.incarnations, { a: 5, b: 6, c: 7 });
});

test("a checkpoint names the members of its own index", () => {
  const core = leader({ terms: [1] });
  core.changeMembers({ type: "add-learner", id: "d" });
  drain(core);
  acknowledge(core, "b", 4);
  drain(core);
  assert.deepEqual(core.checkpointAt(3).members.learners, []);
  assert.deepEqual(core.checkpointAt(4), { index: 4, term: 2, members: core.members });
  assert.throws(() => core.checkpointAt(5), { name: "RaftInvariantError" });
});

test("a member's log may begin with entries alone", () => {
  const core = node(
    "d",
    {},
    { hardState: { term: 0, vote: "" }, checkpoint: undefined, entries: [] },
  );
  const data = encodeMembers(makeMembers(["a"], ["d"]));
  const first = { index: 1, term: 1, type: "members", data } as const;
  const append = { type: "append", prevIndex: 0, prevTerm: 0, commit: 2 } as const;
  core.step(message("a", "d", 2, { ...append, entries: [first, entry(2, 2)] }));
  assert.deepEqual(core.members.learners, ["d"]);
  assert.equal(drain(core).committed.length, 2);
});
