import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import type { Append, Heartbeat } from "../core/messages.ts";
import { CommitNotices } from "./commit-notices.ts";

const to = (id: string) => ({ from: "a", to: id, term: 2, incarnation: 1 });
const heartbeat = (id: string, commit: number, round = 0): Heartbeat => ({
  ...to(id),
  type: "heartbeat",
  match: commit,
  commit,
  round,
});
const append = (id: string): Append => ({
  ...to(id),
  type: "append",
  prevIndex: 4,
  prevTerm: 2,
  commit: 4,
  entries: [],
});

test("a notice is sent late, the newest of each follower, unless something else says it", () => {
  const clock = new SimClock();
  const sent: Heartbeat[] = [];
  const notices = new CommitNotices(2, clock, (message) => sent.push(message));
  assert.equal(notices.passes(heartbeat("b", 3)), false);
  assert.equal(notices.passes(heartbeat("b", 4)), false);
  assert.equal(notices.passes(heartbeat("c", 4)), false);
  assert.equal(notices.passes(heartbeat("d", 4)), false);
  assert.equal(notices.passes(append("c")), true);
  assert.equal(notices.passes(heartbeat("d", 4, 7)), true);
  clock.advance(1);
  assert.deepEqual(sent, []);
  clock.advance(1);
  assert.deepEqual(sent, [heartbeat("b", 4)]);
  assert.equal(clock.pending, 0);
});
