import assert from "node:assert/strict";
import { test } from "node:test";
import { LogTip } from "./log-tip.ts";
import type { LogRecord } from "./record.ts";
import { Replay } from "./replay.ts";

const EMPTY = new LogTip().state;

function entry(index: number, term = 1): LogRecord {
  return { type: "entry", entry: { term, index, type: "command", data: new Uint8Array(0) } };
}

function checkpoint(index: number, id = index): LogRecord {
  return { type: "checkpoint", checkpoint: { index, term: 1, size: 0, id } };
}

function replayed(...records: LogRecord[]): Replay {
  const replay = new Replay(EMPTY);
  for (const record of records) replay.apply(record);
  return replay;
}

const shown = (replay: Replay, after: number): string | undefined =>
  replay
    .entriesAfter(after)
    ?.map(({ index, term }) => `${index}/${term}`)
    .join(" ");

test("entries that are truncated make room for others", () => {
  const replay = replayed(entry(1), entry(2), entry(3), { type: "truncate", from: 2 }, entry(2, 2));
  assert.equal(shown(replay, 0), "1/1 2/2");
  assert.equal(replay.tip.lastIndex, 2);
});

test("two checkpoints are kept, and the entries since the older one", () => {
  const replay = replayed(entry(1), entry(2), entry(3), checkpoint(1), checkpoint(2));
  assert.equal(shown(replay, 2), "3/1");
  assert.equal(shown(replay, 1), "2/1 3/1");
  assert.equal(shown(replay, 0), undefined);
  replay.apply(entry(4));
  replay.apply(checkpoint(4));
  assert.deepEqual(
    replay.tip.checkpoints.map(({ index }) => index),
    [2, 4],
  );
  assert.equal(shown(replay, 2), "3/1 4/1");
});

test("a checkpoint beyond the end replaces the log, and no older one leads there", () => {
  const replay = replayed(entry(1), entry(2), checkpoint(1), checkpoint(9), entry(10));
  assert.deepEqual(
    replay.tip.checkpoints.map(({ index }) => index),
    [9],
  );
  assert.equal(shown(replay, 9), "10/1");
  assert.equal(shown(replay, 1), undefined);
});

test("a leader's checkpoint at an entry that is another one here has nothing to fall back on", () => {
  const theirs: LogRecord = {
    type: "checkpoint",
    checkpoint: { index: 3, term: 2, size: 0, id: 9 },
  };
  const entries = [1, 2, 3, 4].map((index) => entry(index));
  const replay = replayed(
    ...entries,
    checkpoint(1),
    { type: "truncate", from: 4 },
    theirs,
    entry(4, 2),
  );
  assert.deepEqual(
    replay.tip.checkpoints.map(({ index }) => index),
    [3],
  );
  assert.equal(shown(replay, 3), "4/2");
  assert.equal(shown(replay, 1), undefined);
  assert.equal(shown(replay, 0), undefined);
});

test("what cannot follow is refused and changes nothing", () => {
  const term = (number: number): LogRecord => ({
    type: "hard-state",
    hardState: { term: number, vote: "" },
  });
  const tip = new LogTip();
  for (const record of [term(3), entry(1), entry(2), entry(3), checkpoint(2)]) tip.apply(record);
  const before = tip.state;
  for (const [record, problem] of [
    [entry(5), /entry 5 follows entry 3/],
    [entry(3), /entry 3 follows entry 3/],
    [{ type: "truncate", from: 2 }, /truncated/],
    [{ type: "truncate", from: 5 }, /truncated/],
    [checkpoint(2), /a checkpoint at 2 follows one at 2/],
    [term(2), /term 2 follows term 3/],
  ] as const)
    assert.throws(() => tip.apply(record), problem);
  assert.deepEqual(tip.state, before);
});
