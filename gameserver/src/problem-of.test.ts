import assert from "node:assert/strict";
import test from "node:test";
import { OperatingError } from "@atlasnet/core";
import { problemOf } from "./problem-of.ts";

test("what was wrong and what to do are two sentences", () => {
  const hint = "Give a path.";
  assert.equal(
    problemOf(new OperatingError("gone", "no such file: /a", { hint })),
    "no such file: /a. Give a path.",
  );
  assert.equal(
    problemOf(new OperatingError("gone", "It is gone.", { hint })),
    "It is gone. Give a path.",
  );
  assert.equal(problemOf(new Error("one\n  at two")), "one");
});
