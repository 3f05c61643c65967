import assert from "node:assert/strict";
import { test } from "node:test";
import { renewalRequest } from "./control-call-codec.ts";
import { boundedProblems, MAX_PROBLEM_LETTERS, MAX_SHARD_PROBLEMS } from "./renewal.ts";

const load = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

test("whatever a world says at its end fits into a renewal", () => {
  const sayings = ["", "x".repeat(10_000), "語".repeat(10_000), "\ud83d", `${"x".repeat(254)}😀y`];
  const many = Array.from({ length: 2 * MAX_SHARD_PROBLEMS }, (_, i) => ({
    shard: `w${i}/0`,
    problem: sayings[i % sayings.length] ?? "",
  }));
  const problems = boundedProblems(many);
  assert.equal(problems.length, MAX_SHARD_PROBLEMS);
  assert.deepEqual(
    problems.slice(0, 5).map(({ problem }) => problem),
    [
      "no reason was given",
      `${"x".repeat(MAX_PROBLEM_LETTERS - 1)}…`,
      `${"語".repeat(MAX_PROBLEM_LETTERS - 1)}…`,
      "?",
      `${"x".repeat(254)}?…`,
    ],
  );
  const request = { boot: "b", number: 1, load, problems };
  assert.deepEqual(renewalRequest.decode(renewalRequest.encode(request)), request);
  assert.throws(
    () => renewalRequest.encode({ ...request, problems: [...problems, ...problems] }),
    /at most 64/,
  );
});
