import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { checkKeyHistory, type KeyEffect, type KeyOperation } from "./key-history.ts";

const NEVER = Number.POSITIVE_INFINITY;

function op(called: number, answered: number, effect: KeyEffect): KeyOperation {
  return { called, answered, effect };
}
const read = (value: string | undefined): KeyEffect => ({ type: "read", value });
const write = (value: string | undefined): KeyEffect => ({ type: "write", value });
const swap = (from: string, to: string, succeeded: boolean | undefined): KeyEffect => ({
  type: "swap",
  from,
  to,
  succeeded,
});

describe("the checker of key histories", () => {
  test("takes what happened one after another", () => {
    const history = [
      op(1, 2, read(undefined)),
      op(3, 4, write("a")),
      op(5, 6, read("a")),
      op(7, 8, swap("a", "b", true)),
      op(9, 10, swap("a", "c", false)),
      op(11, 12, read("b")),
      op(13, 14, write(undefined)),
      op(15, 16, read(undefined)),
    ];
    assert.equal(checkKeyHistory(history), "linearizable");
  });

  test("sees a stale read", () => {
    const history = [op(1, 2, write("a")), op(3, 4, write("b")), op(5, 6, read("a"))];
    assert.equal(checkKeyHistory(history), "violated");
  });

  test("sees a lost write", () => {
    assert.equal(checkKeyHistory([op(1, 2, write("a")), op(3, 4, read(undefined))]), "violated");
  });

  test("sees reads that go back while a write is under way", () => {
    const history = [op(1, 10, write("a")), op(2, 3, read("a")), op(4, 5, read(undefined))];
    assert.equal(checkKeyHistory(history), "violated");
    assert.equal(
      checkKeyHistory([op(1, 10, write("a")), op(2, 3, read(undefined)), op(4, 5, read("a"))]),
      "linearizable",
    );
  });

  test("sees two swaps from the same value, and a write that took effect twice", () => {
    const both = [
      op(1, 2, write("a")),
      op(3, 8, swap("a", "b", true)),
      op(4, 7, swap("a", "c", true)),
    ];
    assert.equal(checkKeyHistory(both), "violated");
    const twice = [
      op(1, 2, write("a")),
      op(3, 4, write("b")),
      op(5, 6, read("b")),
      op(7, 8, read("a")),
    ];
    assert.equal(checkKeyHistory(twice), "violated");
  });

  test("what was not answered may have happened late, or never", () => {
    const unanswered = op(1, NEVER, write("a"));
    assert.equal(checkKeyHistory([unanswered, op(5, 6, read(undefined))]), "linearizable");
    assert.equal(
      checkKeyHistory([unanswered, op(5, 6, read(undefined)), op(7, 8, read("a"))]),
      "linearizable",
    );
    assert.equal(
      checkKeyHistory([unanswered, op(5, 6, read("a")), op(7, 8, read(undefined))]),
      "violated",
    );
    assert.equal(
      checkKeyHistory([
        op(1, 2, write("a")),
        op(3, NEVER, swap("a", "b", undefined)),
        op(9, 10, read("b")),
      ]),
      "linearizable",
    );
    // Not before it was called.
    assert.equal(checkKeyHistory([op(1, 2, read("a")), op(3, NEVER, write("a"))]), "violated");
  });

  test("gives up at its bound, and says so", () => {
    const history = Array.from({ length: 14 }, (_, at) => op(at, 100 + at, write(`${at}`)));
    assert.equal(checkKeyHistory([...history, op(200, 201, read("none"))], 500), "undecided");
    assert.equal(checkKeyHistory([...history, op(200, 201, read("3"))]), "linearizable");
  });

  test("agrees with a register that is one, and notices one that forgets", () => {
    let violated = 0;
    for (let seed = 1; seed <= 60; seed++) {
      assert.equal(checkKeyHistory(registerRun(seed, false)), "linearizable", `seed ${seed}`);
      if (checkKeyHistory(registerRun(seed, true)) === "violated") violated += 1;
    }
    // Some that are forgotten nobody saw.
    assert.ok(violated > 25, `${violated} of 60`);
  });
});

/** Clients whose operations take effect somewhere between call and answer; `forgets`: some writes never do. */
function registerRun(seed: number, forgets: boolean): KeyOperation[] {
  const random = new SeededRandom(seed);
  const moments = Array.from({ length: 40 }, (_, at) => ({
    at: at * 10,
    called: at * 10 - random.int(0, 25) - random.float() / 2,
    answered: at * 10 + random.int(0, 25) + random.float() / 2,
  }));
  let value: string | undefined;
  let count = 0;
  return moments.map(({ called, answered }) => {
    const kind = random.int(0, 2);
    if (kind === 0) return op(called, answered, read(value));
    count += 1;
    const next = `v${count}`;
    if (kind === 2 && value !== undefined) {
      const from = random.float() < 0.6 ? value : "v1";
      const succeeded = from === value;
      if (succeeded) value = next;
      return op(called, answered, swap(from, next, succeeded));
    }
    if (!forgets || random.float() < 0.7) value = next;
    const isOpen = random.float() < 0.1;
    return op(called, isOpen ? NEVER : answered, write(next));
  });
}
