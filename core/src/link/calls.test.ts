import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "../sim/sim-clock.ts";
import type { Answer, Call } from "../wire/group-messages.ts";
import type { LinkMessage } from "../wire/link-messages.ts";
import { AskedCalls, callCode, TakenCalls } from "./calls.ts";

const body = Uint8Array.of(1);

class Line {
  readonly sent: LinkMessage[] = [];
  isFull = false;
  send(message: LinkMessage): boolean {
    this.sent.push(message);
    return !this.isFull;
  }
}

function answer(id: number, code = "ok"): Answer {
  return { type: "answer", group: "g", id, code, body };
}

function scene(maxPending = 10) {
  const clock = new SimClock();
  const calls = new AskedCalls({ group: "g", maxPending }, { clock });
  const line = new Line();
  const ask = (method: string) => calls.ask(line, { method, body, timeoutMs: 100 }, () => {});
  return { clock, calls, line, ask };
}

test("an answer comes to its question, once, and only from where that went", async () => {
  const { calls, line, ask, clock } = scene();
  const [first, second] = [ask("a"), ask("b")];
  assert.deepEqual(
    line.sent.map((message) => message.type === "call" && [message.id, message.method]),
    [
      [1, "a"],
      [2, "b"],
    ],
  );
  calls.answered(new Line(), answer(1, "forged"));
  calls.answered(line, answer(2, "second"));
  calls.answered(line, answer(1));
  calls.answered(line, answer(1, "again"));
  assert.equal((await first).code, "ok");
  assert.equal((await second).code, "second");
  assert.equal(clock.pending, 0);
});

test("time-outs, lost lines, the end, and too many", async () => {
  const { calls, line, ask, clock } = scene(2);
  const late = ask("late");
  clock.advance(100);
  assert.equal((await late).code, "timeout");
  const waiting = [ask("a"), ask("b")];
  assert.equal((await ask("c")).code, "busy");
  calls.lost(new Line());
  assert.equal(calls.pending, 2);
  calls.lost(line);
  assert.deepEqual(
    (await Promise.all(waiting)).map(({ code }) => code),
    ["lost", "lost"],
  );
  const last = ask("d");
  calls.stop();
  assert.equal((await last).code, "lost");
  assert.equal(clock.pending, 0);
});

test("a line that is full says so, and the question is on its way", async () => {
  const { calls, line } = scene();
  line.isFull = true;
  let told = 0;
  const asked = calls.ask(line, { method: "a", body, timeoutMs: 100 }, () => told++);
  assert.equal(told, 1);
  calls.answered(line, answer(1));
  assert.equal((await asked).code, "ok");
});

test("every question that is taken is answered: also unknown, failing and too many ones", async () => {
  const line = new Line();
  const taken = new TakenCalls({ group: "g", maxRunning: 1 });
  const call = (id: number): Call => ({ type: "call", group: "g", id, method: "m", body });
  const codes = () =>
    line.sent.map((message) => message.type === "answer" && [message.id, message.code]);
  taken.take(line, call(1), undefined);
  let finish = () => {};
  taken.take(
    line,
    call(2),
    () =>
      new Promise((resolve) => {
        finish = () => resolve(callCode("ok"));
      }),
  );
  taken.take(line, call(3), async () => callCode("never"));
  assert.equal(taken.running, 1);
  finish();
  await new Promise(setImmediate);
  assert.equal(taken.running, 0);
  const faults: unknown[] = [];
  taken.take(line, call(4), () => Promise.reject(new Error("fault")), {
    failed: (error) => faults.push(error),
  });
  await new Promise(setImmediate);
  assert.deepEqual(codes(), [
    [1, "unknown-method"],
    [3, "busy"],
    [2, "ok"],
    [4, "failed"],
  ]);
  assert.equal(faults.length, 1);
});
