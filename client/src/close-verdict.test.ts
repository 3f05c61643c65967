import assert from "node:assert/strict";
import { test } from "node:test";
import { closeVerdict, serverCloseCode } from "./close-verdict.ts";

const player = { claimed: true, everJoined: true, rejoin: true };

test("who was in the world and lost the session joins anew, unless it is not to", () => {
  for (const code of ["session-lost", "unauthorized", "ticket-expired"] as const) {
    assert.equal(closeVerdict(code, player), "rejoin");
    assert.equal(closeVerdict(code, { ...player, rejoin: false }), "end");
  }
  assert.equal(closeVerdict("stale-attempt", player), "end");
});

test("a token from before a reload that is good for nothing is given up", () => {
  const reloaded = { ...player, everJoined: false };
  for (const code of ["session-lost", "unauthorized", "ticket-expired", "stale-attempt"] as const)
    assert.equal(closeVerdict(code, reloaded), "start-over");
});

test("a refused ticket is the end; without a token there is nothing to give up", () => {
  const newcomer = { claimed: false, everJoined: false, rejoin: true };
  assert.equal(closeVerdict("unauthorized", newcomer), "end");
  assert.equal(closeVerdict("world-unavailable", newcomer), "retry");
});

test("codes that allow it are retried, unknown ones are not", () => {
  assert.equal(closeVerdict("shutting-down", player), "retry");
  assert.equal(closeVerdict("kicked", player), "end");
  assert.equal(closeVerdict(undefined, player), "end");
});

test("numbers below 4000 are the transport's", () => {
  assert.deepEqual([undefined, 1006, 4000, 4999].map(serverCloseCode), [
    ...[undefined, undefined],
    ...["left", "unknown-code"],
  ]);
});
