import assert from "node:assert/strict";
import { test } from "node:test";
import { describeError, OperatingError } from "./errors.ts";

test("an operating error prints message, code, causes and hint, without a stack", () => {
  const cause = new Error("listen EADDRINUSE", { cause: new Error("deeper") });
  const error = new OperatingError("port-in-use", "health.port: 127.0.0.1:2557 is in use", {
    facts: { port: 2557 },
    hint: "Choose another health.port.",
    cause,
  });
  assert.equal(
    describeError(error),
    [
      "error: health.port: 127.0.0.1:2557 is in use (port-in-use)",
      "  because: listen EADDRINUSE",
      "  because: deeper",
      "  Choose another health.port.",
    ].join("\n"),
  );
  assert.equal(error.cause, cause);
  assert.deepEqual(error.facts, { port: 2557 });
});

test("a fault of the program prints its stack", () => {
  assert.match(describeError(new TypeError("boom")), /^error: TypeError: boom\n\s+at /);
  assert.equal(describeError("text"), "error: text");
});

test("subclasses keep their own name", () => {
  class DiskError extends OperatingError {}
  assert.equal(new DiskError("disk-full", "full").name, "DiskError");
});
