import assert from "node:assert/strict";
import { test } from "node:test";
import { Intake } from "./intake.ts";

const LIMITS = { messagesPerSecond: 10, messagesBurst: 2, bytesPerSecond: 100, bytesBurst: 20 };

function scene() {
  const connection = {
    calls: [] as string[],
    pause: () => void connection.calls.push("pause"),
    resume: () => void connection.calls.push("resume"),
  };
  const time = { now: 1_000 };
  const counters = { paused: 0 };
  const intake = new Intake(connection, LIMITS, { clock: { now: () => time.now }, counters });
  return { intake, time, counters, calls: connection.calls };
}

test("a client is not read while there is any reason not to, and that counts as one pause", () => {
  const { intake, counters, calls } = scene();
  intake.unpause("unowned");
  intake.pause("unowned");
  intake.pause("congested");
  intake.unpause("unowned");
  intake.unpause("unowned");
  assert.deepEqual([intake.isPaused, calls], [true, ["pause"]]);
  intake.unpause("congested");
  assert.deepEqual([intake.isPaused, calls, counters.paused], [false, ["pause", "resume"], 1]);
});

test("what came while a client was not read is not held against its rates", () => {
  const { intake, time } = scene();
  for (const bucket of [intake.messages, intake.bytes]) {
    assert.equal(bucket.take(2, time.now), true);
    // More than the bucket holds comes at once, after ten seconds without anybody to read it.
    intake.pause("congested");
    time.now += 10_000;
    intake.unpause("congested");
    assert.equal(bucket.take(100, time.now), true);
    assert.equal(bucket.take(2_000, time.now), false);
  }
});

test("a client that is not read is reminded each second, from the pause on", () => {
  const { intake } = scene();
  assert.equal(intake.remindIsDue(9_000), false, "it is read");
  intake.pause("unowned");
  const due = [1_500, 1_999, 2_000, 2_001, 2_999, 3_000].filter((now) => intake.remindIsDue(now));
  assert.deepEqual(due, [2_000, 3_000]);
});
