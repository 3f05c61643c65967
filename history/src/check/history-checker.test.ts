import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { HistoryEvent, HistoryRecord } from "../record.ts";
import { Story } from "../testing/story.ts";
import type { ShardFault } from "../testing/story-shard.ts";
import { checkHistory, HistoryChecker, mergedVerdict } from "./history-checker.ts";
import { VIOLATIONS, type ViolationKind, violationText } from "./violation.ts";

/** A story of some length, in which all goes well. */
function goodStory(plant?: (story: Story, step: number) => void): Story {
  const story = new Story();
  story.attach();
  for (let step = 0; step < 30; step++) {
    plant?.(story, step);
    story.say();
    story.say();
    if (step === 10) story.drop();
    if (step === 13) story.attach();
    if (step % 3 !== 0) continue;
    story.arrive(4);
    story.tick();
    story.hear(5);
    story.thank();
  }
  story.settle();
  return story;
}

test("a good history is proved as a whole", () => {
  const verdict = checkHistory(goodStory().records);
  assert.deepEqual(verdict.told.map(violationText), []);
  assert.ok(verdict.ok && verdict.complete);
  const { sent, acknowledged, unacknowledged, delivered, drops, resends } = verdict.figures;
  assert.deepEqual([sent, acknowledged, unacknowledged, drops], [60, 60, 0, 1]);
  assert.ok(delivered >= 60 && resends > 0);
});

const STEP = fc.oneof(
  { weight: 6, arbitrary: fc.constant((story: Story) => story.say()) },
  { weight: 4, arbitrary: fc.nat(6).map((n) => (story: Story) => story.arrive(n)) },
  { weight: 4, arbitrary: fc.nat(6).map((n) => (story: Story) => story.hear(n)) },
  { weight: 3, arbitrary: fc.constant((story: Story) => story.tick()) },
  { weight: 2, arbitrary: fc.constant((story: Story) => story.beat()) },
  { weight: 2, arbitrary: fc.constant((story: Story) => story.thank()) },
  { weight: 1, arbitrary: fc.constant((story: Story) => story.drop()) },
  {
    weight: 2,
    arbitrary: fc
      .integer({ min: 0, max: 9 })
      .map((n) => (story: Story) => story.attach({ newStream: n === 0 })),
  },
  { weight: 1, arbitrary: fc.constant((story: Story) => story.shard.snapshot()) },
  {
    weight: 1,
    arbitrary: fc
      .nat(100)
      .map(
        (n) => (story: Story) =>
          story.rollBack((count) => n % Math.max(1, count), { aside: n % 5 === 0 }),
      ),
  },
  { weight: 1, arbitrary: fc.constant((story: Story) => story.loseSession()) },
  { weight: 1, arbitrary: fc.constant((story: Story) => story.welcome()) },
);

test("every history by the rules is accepted, and proved once it is settled", () => {
  fc.assert(
    fc.property(fc.array(STEP, { minLength: 20, maxLength: 150, size: "max" }), (steps) => {
      const story = new Story();
      story.attach();
      for (const step of steps) step(story);
      story.say();
      story.settle();
      const verdict = checkHistory(story.records);
      assert.deepEqual(verdict.told.map(violationText), []);
      const { streams, sessions } = verdict.figures;
      // Where numbers began anew within a session, a rollback may hide how much of what was before is left.
      const isHidden = streams > sessions || story.shard.hidesApplied;
      assert.ok(verdict.complete || isHidden, JSON.stringify(verdict.figures));
    }),
    { numRuns: 300 },
  );
});

const SHARD_FAULTS: readonly (readonly [ShardFault, ViolationKind])[] = [
  ["apply-twice", "applied-twice"],
  ["apply-none", "applied-out-of-order"],
  ["apply-swapped", "applied-out-of-order"],
  ["apply-other", "applied-unsent"],
  ["acknowledge-early", "acknowledged-not-applied"],
  ["send-none", "world-sent-otherwise"],
  ["send-twice", "world-sent-otherwise"],
];

for (const [fault, kind] of SHARD_FAULTS)
  test(`a shard with the fault ${fault} is found out: ${kind}`, () => {
    const story = goodStory((it, step) => {
      if (step === 20) it.plant(fault);
    });
    assert.equal(story.shard.fault, undefined);
    expectKind(story.records, kind);
  });

function expectKind(records: readonly HistoryRecord[], kind: ViolationKind): void {
  const { ok, told } = checkHistory(records);
  assert.equal(ok, false);
  assert.equal(told[0]?.kind, kind, told.map(violationText).join("\n"));
}

type Edit = (records: HistoryRecord[]) => void;
type EventType = HistoryEvent["type"];

/** Index of the n-th record of a type. */
function find(records: readonly HistoryRecord[], type: EventType, n: number): number {
  const places = records.flatMap(({ event }, at) => (event.type === type ? [at] : []));
  const at = places.at(n);
  assert.ok(at !== undefined, `there is no ${type} ${n}`);
  return at;
}

function change(type: EventType, n: number, fields: { [name: string]: unknown }): Edit {
  return (records) => {
    const at = find(records, type, n);
    const record = records[at];
    if (record !== undefined) records[at] = { ...record, event: { ...record.event, ...fields } };
  };
}

function remove(type: EventType, n: number): Edit {
  return (records) => void records.splice(find(records, type, n), 1);
}

function insertAfter(type: EventType, n: number, event: HistoryEvent): Edit {
  return (records) => {
    const at = find(records, type, n);
    const record = records[at];
    if (record !== undefined) records.splice(at + 1, 0, { ...record, event });
  };
}

const repeat =
  (type: EventType, n: number): Edit =>
  (records) => {
    const at = find(records, type, n);
    const record = records[at];
    if (record !== undefined) records.splice(at + 1, 0, record);
  };

const swap =
  (type: EventType, n: number): Edit =>
  (records) => {
    const [a, b] = [find(records, type, n), find(records, type, n + 1)];
    const [first, second] = [records[a], records[b]];
    if (first === undefined || second === undefined) return;
    records[a] = second;
    records[b] = first;
  };

const LOST: HistoryEvent = { type: "close", code: 4012, reason: "lost" };
const RECEIVED: HistoryEvent = { type: "received", seq: 9, hash: 1 };

/** A good history with one thing in it that must never be, and what it is called. */
const EDITS: readonly (readonly [string, Edit, ViolationKind])[] = [
  ["a message given to the game twice", repeat("delivered", 5), "delivered-twice"],
  ["a message that came and did not reach the game", remove("delivered", 5), "not-delivered"],
  ["a message for the game that never came", remove("received", 5), "delivered-unsent"],
  [
    "a later message given to the game",
    change("delivered", 5, { seq: 8 }),
    "delivered-out-of-order",
  ],
  ["two messages swapped on the way up", swap("sent", 4), "sent-out-of-order"],
  ["a message sent that nobody gave", change("sent", 4, { hash: 77 }), "sent-changed"],
  ["a number left out on the way up", remove("sent", 4), "sent-out-of-order"],
  ["another message under an old number", change("sent", 30, { hash: 77 }), "sent-changed"],
  ["an ack beyond what was sent", change("acknowledged", 3, { seq: 999 }), "ack-of-unsent"],
  ["an ack that goes back", change("acknowledged", -1, { seq: 1 }), "ack-went-back"],
  ["an ack of an earlier tick", change("acknowledged", -1, { tick: 1 }), "ack-tick-went-back"],
  ["an acknowledged message lost", change("welcome", 1, { appliedSeq: 0 }), "acknowledged-lost"],
  ["an epoch that goes back", change("welcome", 1, { epoch: 0 }), "epoch-went-back"],
  ["an attempt that goes back", change("welcome", 1, { attempt: 0 }), "attempt-went-back"],
  ["an old attempt in a hello", change("hello", 1, { attempt: 0 }), "attempt-went-back"],
  ["the world's time going back", change("welcome", 1, { tick: 1 }), "silent-rollback"],
  ["the world's numbers going back", change("welcome", 1, { outSeq: 0 }), "silent-rollback"],
  ["a rollback nobody told of", change("welcome", 1, { timeline: 2 }), "rollback-not-told"],
  [
    "a rollback out of nothing",
    insertAfter("welcome", 1, { type: "rolled-back" }),
    "rollback-without-cause",
  ],
  ["another session", change("welcome", 1, { session: 7 }), "session-changed"],
  ["a hello with a wrong number", change("hello", 1, { lastReceived: 0 }), "hello-position-wrong"],
  ["an ack of what was not got", change("confirmed", 1, { seq: 999 }), "delivered-unsent"],
  [
    "the old session after session-lost",
    insertAfter("disconnected", 0, LOST),
    "after-session-lost",
  ],
  ["messages after session-lost", insertAfter("welcome", 1, LOST), "after-session-lost"],
  [
    "messages after a close",
    insertAfter("welcome", 1, { type: "close", code: 4020, reason: "" }),
    "after-close",
  ],
  [
    "anything after the end",
    insertAfter("tick", 5, { type: "ended", code: "left", reason: "" }),
    "after-end",
  ],
  [
    "a message that never comes",
    insertAfter("tick", -1, { ...RECEIVED, seq: 500 }),
    "never-received",
  ],
  [
    "another message under a number that came before",
    insertAfter("tick", -1, RECEIVED),
    "received-changed",
  ],
];

for (const [what, edit, kind] of EDITS)
  test(`${what}: ${kind}`, () => {
    const records = [...goodStory().records];
    edit(records);
    expectKind(records, kind);
  });

test("hellos that are not answered count by themselves: a new session begins its own count", () => {
  const records = [...goodStory().records];
  change("hello", 0, { attempt: 2 })(records);
  const { ok, told } = checkHistory(records);
  assert.ok(ok, told.map(violationText).join("\n"));
});

test("every kind of violation has a fault that is one", () => {
  const covered = [...SHARD_FAULTS, ...EDITS].map((row) => row.at(-1));
  assert.deepEqual(
    VIOLATIONS.filter((kind) => !covered.includes(kind)),
    [],
  );
});

test("a rollback that was told undoes what was acknowledged, and is counted", () => {
  const story = goodStory((it, step) => {
    if (step === 6) it.shard.snapshot();
    if (step === 20) it.rollBack(() => 0);
  });
  const { ok, complete, figures, told } = checkHistory(story.records);
  assert.ok(ok && complete, told.map(violationText).join("\n"));
  assert.equal(figures.rollbacks, 1);
  assert.ok(figures.undone > 0);
});

test("a violation says client, stream, message, what was expected and seen, and when", () => {
  const records = [...goodStory().records];
  repeat("delivered", 5)(records);
  const [violation] = checkHistory(records).told;
  assert.ok(violation !== undefined);
  assert.match(
    violationText(violation),
    /^delivered-twice: client c1, stream 0{15}1, message 6, at \d+\.\d{3} s \(first seen at \d+\.\d{3} s\): expected message 7 as the next one for the game, seen message 6 again$/,
  );
});

test("behind a hole nothing is held against anybody, and nothing is proved", () => {
  const records = [...goodStory().records];
  const at = find(records, "tick", 5);
  const [hole] = records.splice(at, 20);
  assert.ok(hole !== undefined);
  records.splice(at, 0, { ...hole, event: { type: "hole", records: 20 } });
  const { ok, complete, figures } = checkHistory(records);
  assert.deepEqual([ok, complete, figures.holes], [true, false, 20]);
});

test("without accounts of the world a history is sound and not proved", () => {
  const records = goodStory().records.filter(({ event }) => event.type !== "account");
  const { ok, complete } = checkHistory(records);
  assert.deepEqual([ok, complete], [true, false]);
});

test("the longest gap between ticks is told with its client and time, also of a part", () => {
  const checker = new HistoryChecker();
  for (const at of [0, 50, 100, 400, 450, 500])
    checker.take({ client: "slow", at, event: { type: "tick", tick: at } });
  for (const at of [0, 50, 170])
    checker.take({ client: "quick", at, event: { type: "tick", tick: at } });
  assert.deepEqual(checker.finish().gaps, [
    { client: "slow", ms: 300, at: 400 },
    { client: "quick", ms: 120, at: 170 },
  ]);
  assert.deepEqual(checker.largestGap(410, 500), { client: "slow", ms: 50, at: 500 });
  assert.deepEqual(checker.largestGap(60, 160), { client: "slow", ms: 300, at: 400 });
});

test("verdicts of several processes add up, and one that is broken breaks them all", () => {
  const good = checkHistory(goodStory().records);
  const records = [...goodStory().records];
  remove("delivered", 5)(records);
  const both = mergedVerdict([good, checkHistory(records)]);
  assert.deepEqual([both.ok, both.clients], [false, 2]);
  assert.equal(both.figures.sent, 120);
  assert.equal(both.told[0]?.kind, "not-delivered");
});
