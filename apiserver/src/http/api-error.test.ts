import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError, type ApiErrorCode, errorAnswer } from "./api-error.ts";

test("an error says what to do, whoever made it; its own hint counts first", () => {
  const codes: readonly ApiErrorCode[] = ["not-found", "bad-token", "node-taken", "timeout"];
  for (const code of codes) {
    const hint = errorAnswer(new ApiError(code, "x"))?.body.hint ?? "";
    assert.match(hint, /^\S.*\.$/, code);
  }
  assert.equal(errorAnswer(new ApiError("conflict", "x", "Do it."))?.body.hint, "Do it.");
  assert.equal(errorAnswer(new Error("a fault")), undefined);
});
