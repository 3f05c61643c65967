import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import type { ToReplica } from "@atlasnet/core";
import {
  copyOf,
  deltaOf,
  inWords,
  pieceOf,
  sealedAt,
  shard,
  ToldTarget,
} from "../testing/told-target.ts";

/** What comes, after what, and why it ends the stream. */
const REFUSED: readonly [string, (f: ToldTarget) => void, readonly ToReplica[], string][] = [
  [
    "another epoch",
    (f) => f.following(),
    [{ ...deltaOf(103, 104), epoch: 8 }],
    "wrong-epoch: replica-delta of epoch 8, not of 7",
  ],
  ["a copy that is not newer", (f) => f.opened(), [copyOf(0)], "bad-data: copy 0 comes after 1"],
  [
    "a copy of which the start is missing",
    (f) => f.tell({ type: "link-up" }),
    [copyOf(1, { offset: 5 })],
    "bad-data: copy 1 begins at byte 5, nothing is here",
  ],
  [
    "a copy before the first tick",
    (f) => f.tell({ type: "link-up" }),
    [copyOf(1, { tick: 0 })],
    "bad-data: copy 1 is of no tick",
  ],
  [
    "the same copy from elsewhere",
    (f) => f.opened(),
    [copyOf(1, { offset: 2 })],
    "bad-data: copy 1 goes on at byte 2, 0 are here",
  ],
  [
    "the same copy of another tick",
    (f) => f.opened(),
    [copyOf(1, { tick: 99 })],
    "bad-data: copy 1 is of tick 99, timeline 2, and was another state before",
  ],
  [
    "the same copy of another length",
    (f) => f.following(),
    [copyOf(1, { offset: 4, bytes: 5 })],
    "bad-data: copy 1 has 5 bytes, and had 4 before",
  ],
  [
    "a state that is too large, as it says",
    (f) => f.tell({ type: "link-up" }),
    [copyOf(1, { bytes: 11 })],
    "too-slow: a state of 11 bytes, this node takes 10 at most",
  ],
  [
    "a state that is too large, as it comes",
    (f) => f.opened(),
    [pieceOf("123456789abc", 0, false)],
    "too-slow: a state of 12 bytes, this node takes 10 at most",
  ],
  [
    "a piece before the thread waits for it",
    (f) => f.tell({ type: "link-up" }),
    [copyOf(1), pieceOf("ab", 0, false)],
    "bad-data: a piece of copy 1 came before this side waited for it",
  ],
  [
    "a piece of a copy that was not offered",
    (f) => f.opened(),
    [pieceOf("ab", 0, false, 2)],
    "bad-data: a piece of copy 2 came before this side waited for it",
  ],
  [
    "a piece twice",
    (f) => f.opened(),
    [pieceOf("ab", 0, false), pieceOf("ab", 0, false)],
    "bad-data: the copy's piece begins at byte 0, not at 2",
  ],
  [
    "a piece that leaves something out",
    (f) => f.opened(),
    [pieceOf("ab", 1, false)],
    "bad-data: the copy's piece begins at byte 1, not at 0",
  ],
  [
    "a piece after the last",
    (f) => f.following(),
    [pieceOf("e", 4, true)],
    "bad-data: the copy's piece comes after the last one, at byte 4",
  ],
  [
    "a damaged piece",
    (f) => f.opened(),
    [{ ...pieceOf("ab", 0, false), crc: 1 }],
    "bad-data: the copy's piece at byte 0 is damaged",
  ],
  [
    "an empty piece",
    (f) => f.opened(),
    [pieceOf("", 0, false)],
    "bad-data: the copy's piece at byte 0 is empty",
  ],
  [
    "a delta before the copy is whole",
    (f) => f.opened(),
    [deltaOf(100, 101)],
    "bad-data: the delta of tick 101 comes before the copy is whole",
  ],
  [
    "a delta twice",
    (f) => f.following(),
    [deltaOf(101, 103)],
    "bad-data: the delta of tick 103 follows tick 101, this state is of tick 103",
  ],
  [
    "a delta that leaves something out",
    (f) => f.following(),
    [deltaOf(104, 105)],
    "bad-data: the delta of tick 105 follows tick 104, this state is of tick 103",
  ],
  [
    "a delta that goes back",
    (f) => f.following(),
    [deltaOf(103, 103)],
    "bad-data: the delta of tick 103 goes back, from tick 103",
  ],
  [
    "a damaged delta",
    (f) => f.following(),
    [{ ...deltaOf(103, 104), crc: 1 }],
    "bad-data: the delta of tick 104 is damaged",
  ],
  [
    "a delta after the seal",
    (f) => f.following(),
    [deltaOf(103, 104), sealedAt(104), deltaOf(104, 105)],
    "bad-data: a delta of tick 105 came after the seal at 104",
  ],
  [
    "a seal at another tick",
    (f) => f.following(),
    [sealedAt(104)],
    "bad-data: sealed at tick 104, this state is of tick 103",
  ],
  [
    "a seal before the copy is whole",
    (f) => f.opened(),
    [sealedAt(100)],
    "bad-data: sealed at tick 100, this state is of tick 0",
  ],
  [
    "two hashes of one tick",
    (f) => f.following(),
    [deltaOf(103, 104), sealedAt(104), { ...sealedAt(104), hash: new Uint8Array(16) } as ToReplica],
    "bad-data: two hashes of tick 104",
  ],
];

for (const [what, before, messages, problem] of REFUSED)
  test(`refused: ${what}`, () => {
    const f = new ToldTarget({ maxStateBytes: 10 });
    before(f);
    const effects = f.hear(...messages);
    assert.equal(inWords(effects).at(-1), `failed ${problem}`);
    const [code = "", reason = ""] = problem.split(": ", 2);
    const hadReplica =
      f.counts.piecesReceived > 0 || effects.some(({ type }) => type === "replica");
    const told = inWords(effects).find((words) => words.startsWith("replica-close"));
    assert.ok(told?.startsWith(`replica-close 1f ${code} ${reason}`), told);
    if (hadReplica) assert.ok(inWords(effects).includes("thread: drop-replica"));
    assert.ok(f.target.over);
    assert.deepEqual(f.hear(copyOf(9)), []);
    assert.equal(f.counts.failures, 1);
  });

test("refused: a state of another length than was announced", () => {
  for (const [pieces, end] of [
    [[pieceOf("abcde", 0, false)], "5, of 4"],
    [[pieceOf("abc", 0, true)], "3 as the last one, of 4"],
    [[pieceOf("abcd", 0, false)], "4, of 4"],
  ] as const) {
    const f = new ToldTarget();
    f.tell({ type: "link-up" });
    f.hear(copyOf(1, { bytes: 4 }));
    f.thread({ type: "replica-open", shard });
    const words = inWords(f.hear(...pieces));
    assert.equal(words.at(-1), `failed bad-data: the copy's piece ends at byte ${end}`);
  }
});

test("refused: more than the world thread takes in", () => {
  const f = new ToldTarget().opened();
  f.hear(pieceOf("abcd", 0, true));
  const data = new Uint8Array(30 * 1024 * 1024);
  const crc = crc32(data);
  const deltas = [100, 101, 102].map((tick) => ({ ...deltaOf(tick, tick + 1), data, crc }));
  assert.match(inWords(f.hear(...deltas)).at(-1) ?? "", /^failed too-slow: \d+ bytes wait/);
});
