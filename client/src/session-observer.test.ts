import assert from "node:assert/strict";
import { test } from "node:test";
import type { SessionStep } from "./session-observer.ts";
import { definition, FakeServer } from "./testing/fake-server.ts";

/** A step without its bytes: their number instead. */
function plain(step: SessionStep): unknown[] {
  return Object.entries(step).flatMap(([name, value]) => {
    if (name === "reason" || value === undefined) return [];
    return value instanceof Uint8Array ? [`${value.length} bytes`] : [value];
  });
}

test("every step of a session is shown before the client acts on it", async () => {
  const server = new FakeServer();
  const steps: unknown[][] = [];
  const joining = server.connect().join(definition, {
    world: "arena",
    observe: (step) => steps.push(plain(step)),
  });
  server.peer.accept().welcome({ appliedSeq: 0 });
  const world = await joining;
  server.clock.pass(0);
  world.onMessage("chat", ({ text }) => steps.push(["the game hears", text]));
  world.onRollback(() => steps.push(["the game hears of a rollback"]));
  world.send("chat", { text: "hello" });
  const { peer } = server;
  peer.state(101, [{ id: 7, x: 1, y: 2 }]);
  peer.send([3, 1, 101]);
  peer.send([2, 1, 0, Uint8Array.of(7, 2, 104, 105)]);
  peer.send([2, 1, 0, Uint8Array.of(7, 2, 104, 105)]);
  peer.send([7, 1]);
  peer.welcome({ timeline: 2, epoch: 2, appliedSeq: 0, outSeq: 1, tick: 90 });
  peer.send([6, 4013, "as it wished"]);
  assert.deepEqual(steps, [
    ["hello", "8 bytes", 0, false, 1, 0],
    ["welcome", 5, 1, 1, 1, 100, 0, 0],
    ["queued", 0, "6 bytes"],
    ["sent", 1, 0, "6 bytes"],
    ["tick", 101],
    ["acknowledged", 1, 101],
    ["received", 1, 0, "4 bytes"],
    ["delivered", 0, "4 bytes", 1],
    ["the game hears", "hi"],
    ["received", 1, 0, "4 bytes"],
    ["asked", 1],
    ["welcome", 5, 1, 2, 2, 90, 0, 1],
    ["rolled-back"],
    ["the game hears of a rollback"],
    ["confirmed", 1, 2],
    ["close", 4013],
    ["ended", "kicked"],
  ]);
});

test("a lost connection is shown, also when a socket's code says why", async () => {
  const server = new FakeServer();
  const steps: string[] = [];
  const joining = server.connect().join(definition, {
    world: "arena",
    resume: "never",
    observe: ({ type }) => steps.push(type),
  });
  server.peer.accept().welcome();
  await joining;
  server.peer.cut(4020);
  assert.deepEqual(steps, ["hello", "welcome", "close", "disconnected", "dropped"]);
});
