import assert from "node:assert/strict";
import { test } from "node:test";
import { defineWorld, uint } from "@atlasnet/world";
import { planLoad } from "./load-options.ts";
import { loadResult } from "./load-result.ts";
import { progressLine, resultTable } from "./report.ts";
import { chosen } from "./scout.ts";
import { Tally } from "./tally.ts";
import { MeasuredWindow } from "./window.ts";

const { data } = defineWorld({
  name: "meadow",
  components: {},
  inputs: { move: { x: uint(9) } },
  clientMessages: { shout: { n: uint(9) }, whisper: { n: uint(9) } },
});
const PLAN = planLoad({ world: "meadow", clients: 10, rate: 10, seconds: 2 }, 2);
const WORKER = { cpuMs: 500, rssBytes: 1e8, joinsBeganAt: 1_000, joinsEndedAt: 2_000 };

function result(tally: Tally, more: { windowMs?: number; messagesPerSecond?: number } = {}) {
  const { windowMs = 2_000, messagesPerSecond = 100 } = more;
  return loadResult({
    plan: PLAN,
    scouted: {
      definition: data,
      tickRate: 20,
      messagesPerSecond,
      message: "shout",
      input: undefined,
    },
    tally,
    workers: [{ ...WORKER, tally: tally.data(), windowMs }],
    stopped: false,
  });
}

test("a message counts by when it was due, and its round trip from then on", () => {
  const clock = { now: 0 };
  const tally = new Tally();
  const trips: number[] = [];
  const window = new MeasuredWindow({
    tally,
    now: () => clock.now,
    onRoundTrip: (ms) => trips.push(ms),
  });
  window.startAt = 1_000;
  window.endAt = 2_000;
  const at = (now: number, event: "sent" | "acknowledged" | "lost", due: number) => {
    clock.now = now;
    window[event](due);
  };
  at(990, "sent", 990);
  at(1_010, "acknowledged", 990);
  at(1_900, "sent", 1_500);
  at(1_950, "acknowledged", 1_500);
  at(2_500, "sent", 1_999);
  at(2_600, "acknowledged", 1_999);
  at(2_600, "sent", 2_000);
  at(2_600, "lost", 1_700);
  const { counts, roundTrip, sendLate } = tally;
  assert.deepEqual(
    [counts.sent, counts.acknowledged, counts.acknowledgedMeanwhile, counts.lost],
    [2, 2, 2, 1],
  );
  assert.deepEqual([counts.sentEver, counts.acknowledgedEver], [4, 3]);
  assert.deepEqual(trips, [20, 450, 601]);
  assert.deepEqual([roundTrip.count, sendLate.count], [2, 2]);
  assert.ok(roundTrip.percentile(1) > 600 && sendLate.percentile(1) > 500);
});

test("no rate is claimed that was not held", () => {
  const tally = new Tally();
  Object.assign(tally.counts, { joined: 10, due: 200, sent: 150, acknowledgedMeanwhile: 120 });
  Object.assign(tally.counts, { missed: 50, unacknowledged: 5, acknowledged: 145 });
  const { messages } = result(tally);
  assert.deepEqual([messages?.askedRate, messages?.achievedRate, messages?.share], [100, 60, 0.6]);
  // What was left over from the warm-up does not make up for it.
  tally.counts.acknowledgedMeanwhile = 500;
  assert.equal(result(tally).messages?.achievedRate, 100);
  assert.equal(result(tally, { windowMs: 0 }).messages?.achievedRate, 0);
});

test("a generator that was late says so, and so does a server that allows less", () => {
  const tally = new Tally();
  assert.deepEqual(result(tally).generator.limited, []);
  assert.deepEqual(result(tally).notes, []);
  for (let i = 0; i < 98; i++) tally.sendLate.add(1);
  for (let i = 0; i < 2; i++) tally.sendLate.add(80);
  assert.match(result(tally).generator.limited.join(), /sent 80\S* ms after they were due/);
  for (let i = 0; i < 5; i++) tally.loopLag.add(50);
  assert.equal(result(tally).generator.limited.length, 2);
  assert.match(result(tally, { windowMs: 510 }).generator.limited.join(), /98 % of a core/);
  assert.match(result(tally, { messagesPerSecond: 10 }).notes.join(), /holds clients to 9/);
});

test("tallies of several processes add up", () => {
  const parts = [new Tally(), new Tally()];
  for (const [i, part] of parts.entries()) {
    part.counts.joined = 5;
    part.roundTrip.add(10 * (i + 1));
    part.error("world-full", `part ${i}`);
    part.sequenceError("ack-went-back", "2 after 3");
    part.transports.set("tcp", 5);
  }
  const all = new Tally();
  for (const part of parts) all.merge(part.data());
  assert.equal(all.counts.joined, 10);
  assert.equal(all.roundTrip.count, 2);
  const { errors, sequenceErrors, transports, examples } = result(all);
  assert.deepEqual(errors, { "world-full": 2 });
  assert.deepEqual(sequenceErrors, { total: 2, byKind: { "ack-went-back": 2 } });
  assert.deepEqual(transports, { tcp: 10 });
  assert.equal(examples.length, 4);
});

test("kinds and examples of errors are bounded, their counts are not", () => {
  const tally = new Tally();
  for (let i = 0; i < 1_000; i++) tally.error(`code-${i}`, "again");
  assert.ok(tally.errors.size <= 101);
  assert.equal(tally.examples.length, 10);
  assert.equal(
    [...tally.errors.values()].reduce((sum, n) => sum + n, 0),
    1_000,
  );
});

test("the table shows what went wrong", () => {
  const tally = new Tally();
  Object.assign(tally.counts, { joined: 9, joinsFailed: 1, due: 200, missed: 7 });
  tally.error("world-full", "no room");
  tally.sequenceError("message-missing", "3 after 1");
  const table = resultTable(result(tally));
  for (const text of [
    /clients +9 of 10 joined, 1 not let in/,
    /7 never sent/,
    /errors +world-full 1/,
    /sequence errors +1: message-missing 1/,
    /message-missing: 3 after 1/,
    /round trip +none measured/,
  ])
    assert.match(table, text);
});

test("a progress is one line of 80 columns while all is well, and tells what is not", () => {
  const progress = {
    phase: "measuring",
    seconds: 86_399,
    clients: 2_000,
    joined: 2_000,
    joinsFailed: 0,
    sentRate: 20_000,
    acknowledgedRate: 20_000,
    roundTripMs: { p50: 61.9, p99: 109.7 },
    errors: 0,
    sequenceErrors: 0,
  } as const;
  const line = progressLine(progress);
  assert.match(line, /^measuring 86399 s · 20,000\/s sent · .* p99 110 ms$/);
  assert.ok(line.length <= 80, `${line.length} columns`);
  const troubled = { joined: 1_990, joinsFailed: 10, errors: 10, sequenceErrors: 1 };
  assert.match(
    progressLine({ ...progress, ...troubled }),
    /1990\/2000 clients .* 10 not let in · 10 errors · 1 SEQUENCE ERRORS$/,
  );
});

test("what is sent: as asked, else the first message, else the first input", () => {
  const none = { message: undefined, input: undefined };
  assert.deepEqual(chosen(none, data), { message: "shout", input: undefined });
  assert.deepEqual(chosen({ message: "whisper", input: "move" }, data), {
    message: "whisper",
    input: "move",
  });
  assert.deepEqual(chosen(none, { ...data, clientMessages: [] }), {
    message: undefined,
    input: "move",
  });
  assert.throws(() => chosen({ ...none, message: "sing" }, data), {
    message: "message: found sing, allowed: shout, whisper",
  });
  assert.throws(() => chosen(none, { ...data, clientMessages: [], inputs: [] }), /neither/);
});
