import assert from "node:assert/strict";
import { makeMembers } from "../raft/core/members.ts";
import { encodeMembers } from "../raft/core/members-codec.ts";
import {
  acknowledge,
  drain,
  elect,
  entry,
  type Faults,
  leader,
  message,
  newNode,
  node,
  storedState,
} from "../raft/core/testing/kit.ts";

const append = { type: "append", prevIndex: 1, prevTerm: 1, entries: [], commit: 0 } as const;

/**
 * Rules of the protocol, each as one situation: it passes, and fails with the fault that breaks the
 * rule. Random runs do not meet these situations, or not soon. Run by `planted-faults.test.ts`.
 */
export const RULES = {
  /** Figure 8 of the paper: an old entry on a majority may still be replaced, so it is not committed. */
  "an entry of an older term is not committed by counting"(faults?: Faults) {
    // a led term 2, was replaced, and comes back in term 4 with its old entry 2.
    const core = node("a", { faults, terms: [2], term: 3, voters: ["a", "b", "c", "d", "e"] });
    elect(core, "b", "c");
    assert.equal(core.status.term, 4);
    acknowledge(core, "b", 2);
    acknowledge(core, "c", 2);
    assert.equal(core.status.commit, 0);
    // With an entry of its own term both are.
    acknowledge(core, "b", 3);
    acknowledge(core, "c", 3);
    assert.equal(core.status.commit, 3);
  },

  "a vote survives a restart"(faults?: Faults) {
    const core = node("a", { faults });
    const ask = { type: "vote", lastIndex: 1, lastTerm: 1, transfer: false } as const;
    core.step(message("b", "a", 2, ask));
    const { hardState } = drain(core);
    assert(hardState);
    const again = node("a", { faults }, { ...storedState({}), hardState });
    again.step(message("c", "a", 2, ask));
    assert.deepEqual(drain(again).messages, [
      message("a", "c", 2, { type: "vote-answer", granted: false }),
    ]);
  },

  "a follower commits only what it has in common with the leader"(faults?: Faults) {
    const core = node("a", { faults, terms: [2, 2] });
    core.step(message("b", "a", 3, { ...append, commit: 3 }));
    assert.deepEqual(
      drain(core).committed.map(({ index }) => index),
      [1],
    );
  },

  "a follower acknowledges only what it has in common with the leader"(faults?: Faults) {
    const core = node("a", { faults, terms: [2, 2] });
    core.step(message("b", "a", 3, append));
    assert.deepEqual(drain(core).messages, [
      message("a", "b", 3, { type: "append-ok", match: 1, newLog: false }),
    ]);
  },

  "an acknowledgement that comes late takes nothing back"(faults?: Faults) {
    const core = leader({ faults, terms: [1, 1] });
    const before = core.status.followers[0]?.match;
    acknowledge(core, "b", 2);
    assert.equal(core.status.followers[0]?.match, before);
  },

  "a leader without a quorum steps down"(faults?: Faults) {
    const core = leader({ faults });
    for (let tick = 0; tick < 20; tick++) core.tick();
    assert.equal(core.status.role, "follower");
  },

  "followers of a live leader refuse elections"(faults?: Faults) {
    const core = node("a", { faults });
    core.step(message("b", "a", 2, { type: "heartbeat", match: 1, commit: 0, round: 1 }));
    drain(core);
    const ask = { type: "vote", lastIndex: 9, lastTerm: 2, transfer: false } as const;
    core.step(message("c", "a", 7, ask));
    assert.deepEqual(drain(core).messages, []);
    assert.equal(core.status.term, 2);
    // Unless that leader asked for it.
    core.step(message("c", "a", 7, { ...ask, transfer: true }));
    assert.deepEqual(drain(core).messages, [
      message("a", "c", 7, { type: "vote-answer", granted: true }),
    ]);
  },

  "a read waits for a quorum's answer"(faults?: Faults) {
    const core = leader({ faults });
    core.readIndex(1);
    const { reads, messages } = drain(core);
    assert.deepEqual(reads, []);
    const rounds = messages.flatMap((sent) => (sent.type === "heartbeat" ? [sent.round] : []));
    const [round = 0] = rounds;
    assert(round > 0);
    core.step(message("b", "a", 2, { type: "heartbeat-answer", round }));
    assert.deepEqual(drain(core).reads, [{ context: 1, ok: true, index: 2 }]);
  },

  "a read that comes during a round waits for the next"(faults?: Faults) {
    const core = leader({ faults });
    core.readIndex(1);
    drain(core);
    core.readIndex(2);
    drain(core);
    core.step(message("b", "a", 2, { type: "heartbeat-answer", round: 1 }));
    assert.deepEqual(drain(core).reads, [{ context: 1, ok: true, index: 2 }]);
    core.step(message("b", "a", 2, { type: "heartbeat-answer", round: 2 }));
    assert.deepEqual(drain(core).reads, [{ context: 2, ok: true, index: 2 }]);
  },

  "members do not change before the term's no-op is committed"(faults?: Faults) {
    const core = elect(node("a", { faults }), "b");
    const change = { type: "remove", id: "c" } as const;
    assert.deepEqual(core.changeMembers(change), {
      ok: false,
      reason: "not-ready",
      leader: "a",
    });
    acknowledge(core, "b", 2);
    assert.equal(core.changeMembers(change).ok, true);
  },

  "one change of members at a time"(faults?: Faults) {
    const core = leader({ faults });
    assert.equal(core.changeMembers({ type: "add-learner", id: "d" }).ok, true);
    const second = { type: "add-learner", id: "e" } as const;
    assert.deepEqual(core.changeMembers(second), {
      ok: false,
      reason: "change-pending",
      leader: "a",
    });
    drain(core);
    acknowledge(core, "b", 3);
    assert.equal(core.changeMembers(second).ok, true);
  },

  "a learner does not count"(faults?: Faults) {
    const core = leader({ faults, voters: ["a", "b", "c"], learners: ["d", "e"] });
    core.propose([Uint8Array.of(1)]);
    drain(core);
    acknowledge(core, "d", 3);
    acknowledge(core, "e", 3);
    assert.equal(core.status.commit, 2);
    acknowledge(core, "c", 3);
    assert.equal(core.status.commit, 3);
  },

  "a learner is promoted when it has caught up"(faults?: Faults) {
    const core = leader({ faults, learners: ["d"] });
    const promote = { type: "promote", id: "d" } as const;
    assert.deepEqual(core.changeMembers(promote), { ok: false, reason: "behind", leader: "a" });
    acknowledge(core, "d", 2);
    assert.equal(core.changeMembers(promote).ok, true);
    assert.deepEqual(core.members.voters, ["a", "b", "c", "d"]);
  },

  "a change of members that is truncated never was"(faults?: Faults) {
    const core = node("a", { faults });
    const data = encodeMembers(makeMembers(["a", "b"]));
    const entries = [{ index: 2, term: 2, type: "members", data } as const];
    core.step(message("b", "a", 2, { ...append, entries }));
    assert.deepEqual(core.members.voters, ["a", "b"]);
    core.step(message("c", "a", 3, { ...append, entries: [entry(2, 3)] }));
    assert.deepEqual(core.members.voters, ["a", "b", "c"]);
  },

  "a removed node starts no elections"(faults?: Faults) {
    const core = node("a", { faults });
    const data = encodeMembers(makeMembers(["b", "c"]));
    const entries = [{ index: 2, term: 2, type: "members", data } as const];
    core.step(message("b", "a", 2, { ...append, entries, commit: 2 }));
    drain(core);
    for (let tick = 0; tick < 50; tick++) core.tick();
    assert.deepEqual(drain(core).messages, []);
  },

  "leadership goes to one that has the whole log"(faults?: Faults) {
    const core = leader({ faults });
    core.propose([Uint8Array.of(1)]);
    drain(core);
    assert.equal(core.transferLeadership("b").ok, true);
    assert.deepEqual(drain(core).messages, []);
    acknowledge(core, "b", 3);
    const [told] = drain(core).messages.filter(({ type }) => type === "timeout-now");
    assert.deepEqual(told, message("a", "b", 2, { type: "timeout-now" }));
  },

  "a transfer that does not work is given up"(faults?: Faults) {
    const core = leader({ faults });
    assert.equal(core.transferLeadership("c").ok, true);
    const command = [Uint8Array.of(1)];
    assert.deepEqual(core.propose(command), { ok: false, reason: "busy", leader: "a" });
    for (let tick = 0; tick < 10; tick++) {
      core.step(message("b", "a", 2, { type: "heartbeat-answer", round: 0 }));
      core.tick();
    }
    assert.equal(core.propose(command).ok, true);
  },

  "a node with a new log does not help those whose logs are not"(faults?: Faults) {
    const core = newNode("a", faults);
    const ask = { type: "vote", lastIndex: 2, lastTerm: 2, transfer: false } as const;
    core.step(message("b", "a", 3, ask));
    assert.deepEqual(drain(core).messages, []);
    assert.equal(core.status.term, 1);
    // It may have lost a log that had more than b's. Nobody lost anything if b is as new.
    core.step(message("b", "a", 3, { ...ask, lastIndex: 1, lastTerm: 1 }));
    assert.deepEqual(drain(core).messages, [
      message("a", "b", 3, { type: "vote-answer", granted: true }),
    ]);
  },

  "another log under a known id is not believed"(faults?: Faults) {
    const core = leader({ faults, incarnations: { c: 7 } });
    core.propose([Uint8Array.of(1)]);
    drain(core);
    core.step(message("c", "a", 2, { type: "append-ok", match: 3, newLog: false }, 8));
    assert.equal(core.status.commit, 2);
    assert.deepEqual(drain(core).messages, [message("a", "c", 2, { type: "retire", retired: 8 })]);
    const other = node("c", { settings: { incarnation: 8 } });
    other.step(message("a", "c", 2, { type: "retire", retired: 8 }));
    assert.equal(other.status.retired, "another-incarnation");
  },

  "a node that has less than it acknowledged retires"(faults?: Faults) {
    const core = node("a", { faults, terms: [2] });
    core.step(message("b", "a", 2, { type: "heartbeat", match: 5, commit: 5, round: 1 }));
    assert.equal(core.status.retired, "lost-entries");
    assert.deepEqual(drain(core).messages, []);
  },

  "answers of an older term do not count"(faults?: Faults) {
    const core = node("a", { faults, term: 4, voters: ["a", "b", "c"] });
    core.campaign();
    core.step(message("b", "a", 4, { type: "pre-vote-answer", forTerm: 5, granted: true }));
    assert.equal(core.status.role, "candidate");
    core.step(message("c", "a", 3, { type: "vote-answer", granted: true }));
    assert.equal(core.status.role, "candidate");
    core.step(message("c", "a", 5, { type: "vote-answer", granted: true }));
    assert.equal(core.status.role, "leader");
  },

  "nothing that depends on the disk leaves before the sync"(faults?: Faults) {
    const core = node("a", { faults });
    core.step(message("b", "a", 2, { ...append, entries: [entry(2, 2)] }));
    assert.deepEqual(core.takeMessagesNow(), []);
    const ready = core.ready();
    assert.deepEqual(ready.messagesNow, []);
    assert.equal(ready.messagesAfterSync.length, 1);
  },

  "a leader counts its own copy after its sync"(faults?: Faults) {
    const core = leader({ faults });
    core.propose([Uint8Array.of(1)]);
    const ready = core.ready();
    // The append is out before the leader's own disk has the entry.
    assert.equal(ready.messagesNow.filter(({ type }) => type === "append").length, 1);
    acknowledge(core, "b", 3);
    assert.equal(core.status.commit, 2);
    core.advance(ready);
    assert.equal(core.status.commit, 3);
  },
} as const satisfies Readonly<Record<string, (faults?: Faults) => void>>;

export type Rule = keyof typeof RULES;
