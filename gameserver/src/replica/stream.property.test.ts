import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import type { ReplicaDelta, ReplicaPiece } from "@atlasnet/core";
import { SeededRandom } from "@atlasnet/core/sim";
import fc from "fast-check";
import { type Harm, StreamModel, type StreamModelOptions } from "../testing/replica-stream.ts";
import { IncomingCopy } from "./incoming-copy.ts";
import { OutgoingCopy } from "./outgoing-copy.ts";
import { SendLog, type Span } from "./send-log.ts";

const damage: Harm = (m) => [
  m.data.length > 0 ? { ...m, data: flip(m.data) } : { ...m, crc: (m.crc ^ 1) >>> 0 },
];
const flip = (data: Uint8Array) => data.map((byte, index) => (index === 0 ? byte ^ 4 : byte));

/** What a link must not do to a message; none can be taken for what was sent. */
const HARMS: readonly Harm[] = [
  damage,
  (m) => [m, m],
  // A delta that is left out shows with the next, or at the seal. A piece that is left out may be the last.
  (m) => (m.type === "replica-delta" ? [] : damage(m)),
  (m) =>
    m.type === "replica-piece"
      ? [{ ...m, offset: m.offset + 1 }]
      : [{ ...m, previous: m.previous + 1 }],
];

/** Steps of a run that is left alone until it has to have ended. */
const MAX_CALM_STEPS = 20_000;

const often = ["go", "go", "go", "go", "tick", "time"] as const;
const rare = ["cut", "seal", "long-time"] as const;

/** `harms`: how often links do what they must not. */
function plans(harms: number) {
  const action = fc.oneof(
    { arbitrary: fc.constantFrom(...often), weight: 20 },
    { arbitrary: fc.constantFrom(...rare), weight: 1 },
    { arbitrary: fc.constant("harm" as const), weight: harms },
  );
  return fc.record({
    steps: fc.array(fc.record({ action, pick: fc.nat(10_000) }), { maxLength: 300, size: "max" }),
    stateBytes: fc.constantFrom(0, 1, 40, 170, 200),
    seed: fc.nat(),
  });
}
type Plan = ReturnType<typeof plans> extends fc.Arbitrary<infer T> ? T : never;
type Limits = Omit<StreamModelOptions, "stateBytes">;

const PATIENT: Limits = { resumeMs: Number.POSITIVE_INFINITY };

function chooser(seed: number) {
  const random = new SeededRandom(seed);
  return (count: number) => (count === 0 ? 0 : random.int(0, count - 1));
}

function act(model: StreamModel, { action, pick }: Plan["steps"][number]): void {
  const choose = chooser(pick);
  if (action === "go") model.step(choose);
  else if (action === "tick") model.owner.tick(choose);
  else if (action === "cut") model.cut();
  else if (action === "seal") model.seal();
  else if (action === "harm") model.harm(HARMS[choose(HARMS.length)] ?? damage, choose(2) === 0);
  else model.pass(action === "time" ? choose(50) : 20_000);
}

/** Nothing bad happens any more: it has to come to an end. */
function calm(model: StreamModel, seed: number): void {
  const choose = chooser(seed);
  for (let steps = 0; !model.isOver; steps++) {
    assert.ok(steps < MAX_CALM_STEPS, "it comes to no end");
    if (choose(10) === 0) model.owner.tick(choose);
    if (model.isReady && model.isCaughtUp) model.seal();
    if (!model.step(choose)) model.pass(1);
  }
}

function run({ steps, stateBytes, seed }: Plan, limits: Limits): StreamModel {
  const model = new StreamModel({ stateBytes, ...limits });
  for (const step of steps) act(model, step);
  calm(model, seed);
  return model;
}

/** How a run ended at the follower: "sealed", or the code it failed with. */
function endOf({ targetEnd }: StreamModel): string {
  return targetEnd?.type === "failed" ? targetEnd.code : (targetEnd?.type ?? "not at all");
}

function comesToTheSameState(drawn: Plan): StreamModel {
  const model = run(drawn, PATIENT);
  assert.equal(endOf(model), "sealed", JSON.stringify(model.targetEnd));
  assert.equal(model.sourceCounts.restarts, 0, "it began anew where it could have gone on");
  return model;
}

function harmsAreFound(drawn: Plan): StreamModel {
  // What is left out shows with what comes next, so there has to be room for it in the window.
  const model = run(drawn, { ...PATIENT, source: { windowBytes: 10_000 } });
  // What was harmed may have been lost with its link.
  if (endOf(model) !== "sealed") assert.equal(endOf(model), "bad-data");
  return model;
}

test("over links that are cut at any time, the follower comes to the owner's state, in one copy", () => {
  let resumes = 0;
  const property = fc.property(plans(0), (drawn) => {
    resumes += comesToTheSameState(drawn).sourceCounts.resumes;
  });
  fc.assert(property, { numRuns: 300 });
  assert.ok(resumes > 100, `only ${resumes} streams were gone on with`);
});

test("a follower that is too far behind gets another copy, and a few times later an end", () => {
  const ends = new Map<string, number>();
  let restarts = 0;
  const limits = { ...PATIENT, source: { maxKeptDeltas: 6, bytesPerSecond: 4_000 } };
  const property = fc.property(plans(0), (drawn) => {
    const model = run(drawn, limits);
    const end = endOf(model);
    ends.set(end, (ends.get(end) ?? 0) + 1);
    restarts += model.sourceCounts.restarts;
    assert.ok(model.source.progress.copies <= 3);
    assert.ok(model.owner.openCopies <= 2);
  });
  fc.assert(property, { numRuns: 200 });
  assert.deepEqual([...ends.keys()].sort(), ["sealed", "too-slow"]);
  assert.ok(restarts > 50, `only ${restarts} copies were begun anew`);
});

test("without a link for too long it ends, on both sides; the copy and the replica are gone", () => {
  let failures = 0;
  const property = fc.property(plans(0), (drawn) => {
    const model = run(drawn, { resumeMs: 10_000 });
    if (endOf(model) === "sealed") return;
    failures += 1;
    assert.equal(endOf(model), "failed");
    model.cut();
    model.settle();
    // An owner that was never asked has nothing to end.
    if (model.source.progress.copies > 0) assert.equal(model.sourceEnd?.type, "failed");
    assert.equal(model.owner.openCopies, 0);
    assert.equal(model.follower.state, undefined);
  });
  fc.assert(property, { numRuns: 500 });
  assert.ok(failures > 5, `only ${failures} runs ended so`);
});

test("whatever harms a piece or a delta is found: the state is never another one", () => {
  let found = 0;
  const property = fc.property(plans(1), (drawn) => {
    if (endOf(harmsAreFound(drawn)) === "bad-data") found += 1;
  });
  fc.assert(property, { numRuns: 300 });
  assert.ok(found > 50, `only ${found} harms were found`);
});

/** Faults of the code, and the property that has to find each. */
const FAULTS: readonly {
  readonly name: string;
  readonly plant: (t: TestContext) => void;
  readonly property: (drawn: Plan) => unknown;
  readonly harms: number;
}[] = [
  {
    name: "the checksum of a piece is not looked at",
    plant: (t) => {
      const { pieceProblem } = IncomingCopy.prototype;
      t.mock.method(
        IncomingCopy.prototype,
        "pieceProblem",
        function (this: IncomingCopy, piece: ReplicaPiece) {
          return pieceProblem.call(this, piece, () => piece.crc);
        },
      );
    },
    property: harmsAreFound,
    harms: 1,
  },
  {
    name: "the checksum of a delta is not looked at",
    plant: (t) => {
      const { deltaProblem } = IncomingCopy.prototype;
      t.mock.method(
        IncomingCopy.prototype,
        "deltaProblem",
        function (this: IncomingCopy, delta: ReplicaDelta) {
          return deltaProblem.call(this, delta, () => delta.crc);
        },
      );
    },
    property: harmsAreFound,
    harms: 1,
  },
  {
    name: "the tick before a delta's is not looked at",
    plant: (t) => {
      const { deltaProblem } = IncomingCopy.prototype;
      t.mock.method(
        IncomingCopy.prototype,
        "deltaProblem",
        function (
          this: IncomingCopy,
          delta: ReplicaDelta,
          checksum: (bytes: Uint8Array) => number,
        ) {
          return deltaProblem.call(this, { ...delta, previous: this.tick }, checksum);
        },
      );
    },
    property: harmsAreFound,
    harms: 1,
  },
  {
    name: "a delta is forgotten when a stream goes on",
    plant: (t) => {
      const { resume } = OutgoingCopy.prototype;
      t.mock.method(
        OutgoingCopy.prototype,
        "resume",
        function (this: OutgoingCopy, bytes: number, tick: number | undefined) {
          const isResumed = resume.call(this, bytes, tick);
          this.deltas.take(Number.POSITIVE_INFINITY);
          return isResumed;
        },
      );
    },
    property: comesToTheSameState,
    harms: 0,
  },
  {
    name: "a stream begins anew whenever its link was lost",
    plant: (t) => {
      t.mock.method(OutgoingCopy.prototype, "resume", () => false);
    },
    property: comesToTheSameState,
    harms: 0,
  },
  {
    name: "what was sent counts as acknowledged",
    plant: (t) => {
      const { take } = SendLog.prototype;
      t.mock.method(SendLog.prototype, "take", function (this: SendLog<Span>, window: number) {
        const span = take.call(this, window);
        if (span !== undefined) this.acknowledge(span.end);
        return span;
      });
    },
    property: comesToTheSameState,
    harms: 0,
  },
];

for (const { name, plant, property, harms } of FAULTS)
  test(`a planted fault is found: ${name}`, (t) => {
    plant(t);
    const drawn = fc.property(plans(harms), (steps) => {
      property(steps);
    });
    assert.ok(fc.check(drawn, { numRuns: 3_000, endOnFailure: true }).failed);
  });
