import assert from "node:assert/strict";
import { test } from "node:test";
import { journalsFrom, sortShardFiles } from "./file-names.ts";
import type { JournalRecord } from "./journal-file.ts";
import { planPrune } from "./plan-prune.ts";
import { planRecovery, type ReadJournal } from "./plan-recovery.ts";
import {
  isClean,
  LOST_RUN_EPOCH_JUMP,
  mayHaveParted,
  type Ownership,
  planRun,
  type Remains,
} from "./plan-run.ts";
import type { Position } from "./position.ts";

const at = (epoch: number, tick: number): Position => ({ epoch, tick });

/** A journal of ticks after its base, each delta naming its epoch and tick. */
function journal(epoch: number, base: Position, to: number, torn?: boolean): ReadJournal {
  const records: JournalRecord[] = [];
  for (let tick = base.tick + 1; tick <= to; tick++)
    records.push({ previousTick: tick - 1, tick, bytes: Buffer.from(`${epoch}/${tick}`) });
  const header = { world: "w", shard: "s", epoch, timeline: epoch, base };
  const problem =
    torn === undefined ? {} : { problem: { message: "record 9 is bad", torn, atByte: 9 } };
  const name = `${epoch}-${base.tick}`;
  return { name, epoch, journal: { header, records, good: new Uint8Array(0), ...problem } };
}

function outcome(snapshot: Position | undefined, journals: ReadJournal[]) {
  const { deltas, tip, problems, torn } = planRecovery(snapshot, journals);
  return {
    deltas: deltas.map(({ bytes }) => Buffer.from(bytes).toString()).join(" "),
    tip,
    problems: problems.map(({ file, aside }) => `${file}${aside ? " aside" : ""}`),
    torn: torn.map(({ file }) => file),
  };
}

test("a snapshot with its journal", () => {
  assert.deepEqual(outcome(at(1, 10), [journal(1, at(1, 10), 12)]), {
    deltas: "1/11 1/12",
    tip: at(1, 12),
    problems: [],
    torn: [],
  });
});

test("an older snapshot reaches the newest state over the journals between", () => {
  const journals = [journal(1, at(1, 10), 12), journal(1, at(1, 12), 14)];
  assert.equal(outcome(at(1, 10), journals).deltas, "1/11 1/12 1/13 1/14");
});

test("a later epoch takes over where it went on, and what lay beyond is left out", () => {
  const journals = [journal(1, at(1, 10), 14, true), journal(2, at(1, 12), 13)];
  const { deltas, tip, torn } = outcome(at(1, 10), journals);
  assert.equal(deltas, "1/11 1/12 2/13");
  assert.deepEqual(tip, at(2, 13));
  assert.deepEqual(torn, [], "the tear lies beyond: an earlier start has reported it");
});

test("a journal begun anew after a fault bridges the torn one", () => {
  const journals = [journal(1, at(1, 10), 13, true), journal(1, at(1, 12), 15)];
  const { deltas, torn } = outcome(at(1, 10), journals);
  assert.equal(deltas, "1/11 1/12 1/13 1/14 1/15");
  assert.deepEqual(torn, []);
  const shorter = [journal(1, at(1, 10), 13, true), journal(1, at(1, 11), 12)];
  assert.equal(outcome(at(1, 10), shorter).deltas, "1/11 1/12 1/13");
});

test("what depends on something lost is named and never mixed in", () => {
  const journals = [journal(1, at(1, 10), 12, false), journal(1, at(1, 14), 16)];
  assert.deepEqual(outcome(at(1, 10), journals), {
    deltas: "1/11 1/12",
    tip: at(1, 12),
    problems: ["1-14 aside", "1-10"],
    torn: [],
  });
  assert.deepEqual(outcome(undefined, [journal(1, at(1, 0), 2)]).problems, ["1-0 aside"]);
});

test("a journal that was never finished being begun is torn, another unreadable one is damage", () => {
  const unreadable = (torn: boolean): ReadJournal => ({
    name: torn ? "torn" : "bad",
    epoch: 1,
    unreadable: { message: "no header", torn },
  });
  const { problems, torn } = outcome(at(1, 10), [unreadable(true), unreadable(false)]);
  assert.deepEqual([problems, torn], [["bad aside"], ["torn"]]);
});

const names = [
  "0000000001-0000000000000010.snapshot",
  "0000000001-0000000000000010-000001.journal",
  "0000000001-0000000000000020.snapshot",
  "0000000001-0000000000000020-000002.journal",
  "0000000002-0000000000000015.snapshot",
  "0000000002-0000000000000015-000001.journal",
  "0000000009-0000000000000015.snapshot.damaged",
  "run",
  "notes.txt",
  "run.tmp",
];

test("files are told apart by name, and sort by history", () => {
  const files = sortShardFiles([...names].reverse());
  assert.deepEqual(
    files.snapshots.map(({ epoch, tick }) => [epoch, tick]),
    [
      [1, 10],
      [1, 20],
      [2, 15],
    ],
  );
  assert.equal(files.highestEpoch, 9);
  assert.deepEqual(files.temporary, ["run.tmp"]);
  assert.deepEqual(
    journalsFrom(files, at(1, 20)).map((j) => j.name),
    [names[3], names[5]],
  );
});

test("pruning keeps the newest snapshots and every journal between them", () => {
  const files = sortShardFiles(names);
  assert.deepEqual(planPrune(files, 3), []);
  assert.deepEqual(planPrune(files, 2), [names[0], names[1]]);
  assert.deepEqual(planPrune(files, 1), [names[0], names[2], names[1], names[3]]);
});

test("the next run: epochs only grow, the timeline goes on only after a clean stop", () => {
  const fresh: Remains = {
    run: undefined,
    anyFile: false,
    highestEpoch: 0,
    highestTimeline: 0,
    tip: undefined,
  };
  assert.deepEqual(planRun(fresh), { epoch: 1, timeline: 1 });
  const crashed = { ...fresh, run: { epoch: 4, timeline: 2 }, anyFile: true, tip: at(4, 9) };
  assert.deepEqual(planRun(crashed), { epoch: 5, timeline: 3 });
  const stopped = { ...crashed, run: { ...crashed.run, clean: at(4, 9) } };
  assert.deepEqual(planRun(stopped), { epoch: 5, timeline: 2 });
  assert.equal(isClean({ ...stopped, tip: at(4, 8) }), false);
  const lost = { ...crashed, run: undefined, highestEpoch: 4, highestTimeline: 2 };
  assert.deepEqual(planRun(lost), { epoch: 4 + LOST_RUN_EPOCH_JUMP, timeline: 3 });
});

test("files may be of a branch that parted from the players' when somebody else acted after the run that wrote them", () => {
  const owner = { epoch: 20, world: 7, turn: 2 };
  const files: Remains = {
    run: { epoch: 20, timeline: 20, owner },
    ...{ anyFile: true, highestEpoch: 20, highestTimeline: 20, tip: at(20, 9) },
  };
  const claimed = (facts: Partial<Ownership>): Ownership => ({
    ...{ epoch: 40, world: 7, turn: 4, lastTurn: undefined },
    ...facts,
  });
  const parted = (facts: Partial<Ownership>, remains = files) =>
    mayHaveParted(remains, claimed(facts));
  assert.equal(parted({ lastTurn: 2 }), false, "it crashed, and goes on itself");
  assert.equal(parted({ lastTurn: 3, sinceTurn: 2 }), false, "nobody else had it meanwhile");
  assert.equal(parted({ lastTurn: undefined }), true, "somebody else had it meanwhile");
  assert.equal(parted({ lastTurn: undefined, promotedOver: 20 }), true);
  assert.equal(parted({ lastTurn: 3 }), true, "it came back by a promotion that wrote no files");
  assert.equal(parted({ lastTurn: "none" }), true, "the records do not know its owner any more");
  const unwritten = { ...files, tip: at(18, 9) };
  assert.equal(parted({ lastTurn: 2 }, unwritten), true, "the last run left nothing of its own");
  const alone = { ...files, run: { epoch: 20, timeline: 20 } };
  assert.equal(parted({ lastTurn: "none" }, alone), false, "it ran without a cluster before");
  const copy = (exact: boolean) => ({ ...files, taken: { timeline: 20, exact } });
  assert.equal(parted({ lastTurn: 2 }, copy(false)), true, "the copy of another's state");
  assert.equal(parted({}, copy(true)), false, "in which it stopped");
});
