import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attached, Hello } from "@atlasnet/core";
import { ATTACHED as ATTACHED_AS_ANN, HELLO } from "../testing/ann.ts";
import type { Identity } from "./attachment-effects.ts";
import { SessionState } from "./session-state.ts";

const ANN: Identity = { account: "ann", name: "Ann", data: { level: 2 } };

const ATTACHED: Attached = { ...ATTACHED_AS_ANN, account: "ann@example", attempt: 4 };

function greeted(hello: Partial<Hello> = {}, identity: Partial<Identity> = {}): SessionState {
  const state = new SessionState();
  state.greet({ ...HELLO, ...hello });
  state.identified({ ...ANN, ...identity });
  return state;
}

test("a first attach says what the hello and the ticket say, and nothing that they do not", () => {
  const { world: _, ...hello } = HELLO;
  assert.deepEqual(greeted().attach(), { ...ANN, ...hello });
  const more = { timeline: 2, params: Uint8Array.of(9), schema: new Uint8Array(8).fill(200) };
  const returning = greeted(more, { session: 10 });
  assert.deepEqual(returning.attach(), { ...ANN, ...hello, ...more, session: 10 });
});

test("an attach anew says what the last attachment left, and no params", () => {
  const state = greeted({ params: Uint8Array.of(9) });
  assert.equal(state.attached(ATTACHED), false);
  state.appliedSeq = 12;
  state.received.acknowledge(9, 1);
  const { stream } = HELLO;
  const anew = { ...ANN, stream, session: 11, attempt: 4, firstUnacked: 13, timeline: 1 };
  assert.deepEqual(state.attach(), { ...anew, lastReceived: 9 });
});

test("that the world went back is said, with both timelines, until the client shows that it knows", () => {
  const state = greeted();
  state.attached(ATTACHED);
  state.received.acknowledge(9, 1);
  assert.equal(state.attached({ ...ATTACHED, timeline: 2 }), true);
  assert.equal(state.received.behind, true);
  const unshown = state.attach();
  assert.deepEqual([unshown?.timeline, unshown?.welcomed, unshown?.lastReceived], [1, 2, 9]);
  assert.equal(state.attached({ ...ATTACHED, timeline: 2 }), false, "it went back once");
  state.received.acknowledge(4, 2);
  const shown = state.attach();
  assert.deepEqual([shown?.timeline, shown?.welcomed, shown?.lastReceived], [2, undefined, 4]);
});

test("there is nothing to attach before it is known who it is, and after a leave", () => {
  const state = new SessionState();
  state.greet(HELLO);
  assert.equal(state.attach(), undefined);
  state.identified(ANN);
  assert.equal(state.claims("ann"), undefined, "there is no session to return to");
  state.attached(ATTACHED);
  assert.deepEqual(state.claims("ann@example"), {
    account: "ann@example",
    world: "arena",
    session: 11,
    name: "Ann",
    data: { level: 2 },
  });
  state.clear();
  assert.equal(state.attach(), undefined);
  assert.equal(state.claims("ann"), undefined);
  assert.equal(state.world, "");
});
