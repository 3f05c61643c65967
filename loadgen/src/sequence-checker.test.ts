import assert from "node:assert/strict";
import { test } from "node:test";
import { SequenceChecker } from "./sequence-checker.ts";

function checker() {
  const told: string[] = [];
  const events = {
    sent: (due: number) => told.push(`sent ${due}`),
    acknowledged: (due: number) => told.push(`acknowledged ${due}`),
    lost: (due: number) => told.push(`lost ${due}`),
    failed: (kind: string) => told.push(kind),
  };
  const made = new SequenceChecker(events);
  /** What was told since the last time. */
  const heard = () => told.splice(0);
  return { made, heard };
}

const WELCOME = { timeline: 1, appliedSeq: 0, outSeq: 0 };

/** A client that is in, with messages due at 100, 200, … sent as 1, 2, …. */
function joined(sent: number) {
  const { made, heard } = checker();
  made.greeted("a");
  made.welcomed(WELCOME);
  for (let seq = 1; seq <= sent; seq++) {
    made.queue(seq * 100);
    made.sent(seq);
  }
  heard();
  return { made, heard };
}

test("each message is sent once and acknowledged once, by acks for one or many", () => {
  const { made, heard } = checker();
  made.greeted("a");
  made.queue(100);
  made.welcomed(WELCOME);
  made.sent(1);
  made.queue(200);
  made.sent(2);
  made.queue(300);
  made.sent(3);
  assert.deepEqual(heard(), ["sent 100", "sent 200", "sent 300"]);
  made.acknowledged(1, 10);
  made.acknowledged(3, 10);
  assert.deepEqual(heard(), ["acknowledged 100", "acknowledged 200", "acknowledged 300"]);
  assert.equal(made.unacknowledged, 0);
});

test("an ack that goes back, or is of what was never sent, is found", () => {
  const { made, heard } = joined(3);
  made.acknowledged(2, 10);
  heard();
  made.acknowledged(1, 11);
  made.acknowledged(4, 11);
  assert.deepEqual(heard(), ["ack-went-back", "ack-of-unsent"]);
  made.acknowledged(2, 11);
  assert.deepEqual(heard(), [], "the same ack may come again");
  made.acknowledged(3, 9);
  assert.deepEqual(heard(), ["acknowledged 300", "ack-tick-went-back"]);
});

test("a client that leaves out a number, repeats a done one or makes one up is found", () => {
  const { made, heard } = joined(2);
  made.queue(300);
  made.sent(4);
  assert.deepEqual(heard(), ["sent-out-of-order"]);
  made.acknowledged(2, 1);
  heard();
  made.sent(2);
  assert.deepEqual(heard(), ["sent-out-of-order"]);
  made.sent(3);
  made.sent(4);
  assert.deepEqual(heard(), ["sent 300", "sent-out-of-order"]);
});

test("messages of the server come in a row; a gap is one fault however long it lasts", () => {
  const { made, heard } = joined(0);
  for (const seq of [1, 2, 3]) made.delivered(seq);
  assert.deepEqual(heard(), []);
  for (const seq of [5, 6, 7]) made.delivered(seq);
  assert.deepEqual(heard(), ["message-missing"]);
  made.resynced();
  for (const seq of [3, 4, 5]) made.delivered(seq);
  assert.deepEqual(heard(), [], "after a resync old ones come again");
  made.delivered(5);
  assert.deepEqual(heard(), ["message-repeated"]);
});

test("new messages may cross a resync before the old ones come again", () => {
  const { made, heard } = joined(0);
  for (const seq of [1, 2, 3]) made.delivered(seq);
  made.resynced();
  // 4 was on its way; then the answer, and what is new behind it.
  for (const seq of [4, 2, 3, 4, 5]) made.delivered(seq);
  assert.deepEqual(heard(), []);
  for (const seq of [4, 5, 6]) made.delivered(seq);
  assert.deepEqual(heard(), ["message-repeated"], "one resync, one answer");
  made.resynced();
  made.resynced();
  for (const seq of [7, 5, 6, 7, 8, 6, 7, 8, 9]) made.delivered(seq);
  assert.deepEqual(heard(), [], "two of them may get two answers");
});

test("what is wrong is found although a resync was sent", () => {
  const { made, heard } = joined(0);
  for (const seq of [1, 2, 3, 4]) made.delivered(seq);
  made.resynced();
  for (const seq of [3, 4, 4]) made.delivered(seq);
  assert.deepEqual(heard(), ["message-repeated"], "twice in the answer");
  made.resynced();
  for (const seq of [5, 3, 4, 5, 7]) made.delivered(seq);
  assert.deepEqual(heard(), ["message-missing"], "lost behind the answer");
  for (const seq of [6, 7, 8, 10, 9, 11]) made.delivered(seq);
  assert.deepEqual(heard(), ["message-missing", "message-missing"], "in another order");
});

test("a resync is answered when what was sent after it is acknowledged", () => {
  const { made, heard } = joined(2);
  for (const seq of [1, 2]) made.delivered(seq);
  made.resynced();
  made.queue(300);
  made.sent(3);
  made.acknowledged(2, 10);
  for (const seq of [1, 2]) made.delivered(seq);
  made.resynced();
  made.queue(400);
  made.sent(4);
  made.acknowledged(4, 11);
  heard();
  for (const seq of [1, 2]) made.delivered(seq);
  assert.deepEqual(heard(), ["message-repeated"]);
});

test("after a welcome messages come again, before any new one", () => {
  const { made, heard } = joined(0);
  for (const seq of [1, 2, 3]) made.delivered(seq);
  made.resynced();
  made.greeted("a");
  made.welcomed({ ...WELCOME, outSeq: 3 });
  for (const seq of [2, 3, 4]) made.delivered(seq);
  assert.deepEqual(heard(), []);
  for (const seq of [3, 4, 5]) made.delivered(seq);
  assert.deepEqual(heard(), ["message-repeated"], "the resync went with its connection");
  made.welcomed({ ...WELCOME, outSeq: 5 });
  for (const seq of [6, 5]) made.delivered(seq);
  assert.deepEqual(heard(), ["message-repeated"], "the new one was first");
});

test("a new connection sends again what is kept, which was sent before", () => {
  const { made, heard } = joined(3);
  made.acknowledged(1, 5);
  made.delivered(1);
  heard();
  made.greeted("a");
  made.welcomed({ timeline: 1, appliedSeq: 2, outSeq: 1 });
  assert.deepEqual(heard(), ["acknowledged 200"], "a welcome acknowledges, too");
  made.delivered(1);
  made.sent(3);
  made.queue(400);
  made.sent(4);
  made.delivered(2);
  assert.deepEqual(heard(), ["sent 400"]);
  made.acknowledged(4, 6);
  assert.deepEqual(heard(), ["acknowledged 300", "acknowledged 400"]);
});

test("a welcome that knows less than was acknowledged, or more than was sent, is found", () => {
  const { made, heard } = joined(3);
  made.acknowledged(2, 5);
  heard();
  made.welcomed({ ...WELCOME, appliedSeq: 1 });
  made.welcomed({ ...WELCOME, appliedSeq: 9 });
  assert.deepEqual(heard(), ["ack-went-back", "ack-of-unsent"]);
});

test("after a rollback what is left has new numbers, and earlier ticks are fine", () => {
  const { made, heard } = joined(5);
  made.acknowledged(4, 50);
  for (const seq of [1, 2, 3]) made.delivered(seq);
  heard();
  made.welcomed({ timeline: 2, appliedSeq: 2, outSeq: 1 });
  made.sent(3);
  made.queue(600);
  made.sent(4);
  made.delivered(2);
  made.acknowledged(3, 20);
  made.acknowledged(4, 21);
  assert.deepEqual(heard(), ["sent 600", "acknowledged 500", "acknowledged 600"]);
  assert.equal(made.unacknowledged, 0);
});

test("with a lost session what was sent is lost, and the rest goes on from 1", () => {
  const { made, heard } = joined(3);
  made.acknowledged(1, 5);
  made.queue(400);
  heard();
  made.greeted("b");
  made.welcomed({ timeline: 7, appliedSeq: 0, outSeq: 0 });
  made.sent(1);
  made.delivered(1);
  made.acknowledged(1, 1);
  assert.deepEqual(heard(), ["lost 200", "lost 300", "sent 400", "acknowledged 400"]);
});

test("what waits is counted, sent and unsent", () => {
  const { made } = joined(3);
  made.queue(400);
  made.queue(500);
  made.unqueue();
  assert.deepEqual([made.unacknowledged, made.unsent], [3, 1]);
  assert.deepEqual(
    made.waitingDue((due) => due > 200),
    { sent: 1, unsent: 1 },
  );
});

test("a server that asks again has the numbers below", () => {
  const { made, heard } = joined(3);
  made.asked(1);
  made.sent(2);
  made.sent(3);
  assert.deepEqual(heard(), ["acknowledged 100"]);
});

test("thousands of messages, with the front cut off on the way", () => {
  const { made, heard } = joined(0);
  let acknowledged = 0;
  for (let seq = 1; seq <= 5_000; seq++) {
    made.queue(seq);
    made.sent(seq);
    if (seq % 7 === 0) made.acknowledged(seq - 3, seq);
    for (const line of heard()) {
      if (!line.startsWith("acknowledged")) continue;
      acknowledged += 1;
      assert.equal(line, `acknowledged ${acknowledged}`);
    }
  }
  assert.equal(acknowledged, 4_995);
  assert.equal(made.unacknowledged, 5);
});
