import assert from "node:assert/strict";
import { test } from "node:test";
import { RaftLog } from "./log.ts";
import { ENTRY_OVERHEAD_BYTES } from "./options.ts";
import { entry } from "./testing/kit.ts";
import type { Checkpoint } from "./types.ts";

const NONE = { voters: [], learners: [], incarnations: {} };
const ENTRY_BYTES = ENTRY_OVERHEAD_BYTES + 2;
const terms = (...all: readonly number[]) => all.map((term, at) => entry(at + 1, term));
const checkpoint = (index: number, term: number): Checkpoint => ({
  index,
  term,
  members: NONE,
  size: 0,
});

test("stored entries follow the checkpoint or overlap it", () => {
  const log = new RaftLog(checkpoint(2, 1), terms(1, 1, 2));
  assert.deepEqual([log.firstIndex, log.lastIndex, log.lastTerm, log.commit], [3, 3, 2, 2]);
  assert.deepEqual(
    [log.termAt(1), log.termAt(2), log.termAt(3), log.termAt(4)],
    [undefined, 1, 2, undefined],
  );
  assert.throws(() => new RaftLog(undefined, [entry(2, 1)]), /does not follow 0/);
  assert.throws(() => new RaftLog(undefined, terms(2, 1)), /does not follow/);
});

test("a slice keeps its bounds, but has one entry at least", () => {
  const log = new RaftLog(undefined, terms(1, 1, 1, 1));
  const indexes = (...args: Parameters<RaftLog["slice"]>) =>
    log.slice(...args).map(({ index }) => index);
  assert.deepEqual(indexes(2, 4, 2 * ENTRY_BYTES, 10), [2, 3]);
  assert.deepEqual(indexes(2, 4, 1, 10), [2]);
  assert.deepEqual(indexes(2, 3, 1000, 10), [2, 3]);
  assert.deepEqual(indexes(2, 4, 1000, 1), [2]);
  assert.deepEqual(indexes(5, 9, 1000, 10), []);
});

test("entries are stable once the Ready that had them is advanced", () => {
  const log = new RaftLog(undefined, terms(1));
  log.append([entry(2, 1), entry(3, 1)]);
  assert.equal(log.takeUnstable().entries.length, 2);
  assert.equal(log.stable, 1);
  log.append([entry(4, 1)]);
  log.advance(0);
  assert.equal(log.stable, 3);
  assert.deepEqual(
    log.takeUnstable().entries.map(({ index }) => index),
    [4],
  );
});

test("what is truncated while it is being written does not become stable", () => {
  const log = new RaftLog(undefined, terms(1));
  log.append([entry(2, 1), entry(3, 1), entry(4, 1)]);
  log.takeUnstable();
  log.truncateFrom(3);
  log.append([entry(3, 2), entry(4, 2), entry(5, 2)]);
  log.advance(0);
  assert.equal(log.stable, 2);
  const { truncateFrom, entries } = log.takeUnstable();
  assert.equal(truncateFrom, 3);
  assert.deepEqual(
    entries.map(({ index, term }) => [index, term]),
    [
      [3, 2],
      [4, 2],
      [5, 2],
    ],
  );
  log.advance(0);
  assert.equal(log.stable, 5);
});

test("entries that never left memory are replaced without a word to the disk", () => {
  const log = new RaftLog(undefined, terms(1));
  log.append([entry(2, 1)]);
  log.truncateFrom(2);
  log.append([entry(2, 2)]);
  assert.equal(log.takeUnstable().truncateFrom, undefined);
});

test("committed entries are never truncated", () => {
  const log = new RaftLog(undefined, terms(1, 1));
  log.commit = 2;
  assert.throws(() => log.truncateFrom(2), { name: "RaftInvariantError" });
});

test("a checkpoint from the leader replaces everything, and voids what was written behind it", () => {
  const log = new RaftLog(undefined, terms(1, 1, 1, 1));
  log.append([entry(5, 1)]);
  log.takeUnstable();
  log.install(checkpoint(3, 2));
  assert.deepEqual([log.firstIndex, log.lastIndex, log.commit, log.applied], [4, 3, 3, 3]);
  log.advance(0);
  assert.equal(log.stable, 3);
  assert.equal(log.takeUnstable().truncateFrom, 4);
});

test("compaction keeps the bytes it is told to", () => {
  const log = new RaftLog(undefined, terms(1, 1, 2, 2));
  log.commit = log.applying = log.applied = 3;
  log.compact(3, ENTRY_BYTES);
  assert.deepEqual([log.firstIndex, log.lastIndex, log.termAt(2)], [3, 4, 1]);
  log.compact(3, 0);
  assert.deepEqual([log.firstIndex, log.lastIndex, log.termAt(3)], [4, 4, 2]);
});
