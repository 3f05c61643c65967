import assert from "node:assert/strict";
import test from "node:test";
import { OperatingError } from "@atlasnet/core";
import { writing } from "./files.ts";

test("a file that cannot be written: the hint fits the reason", async () => {
  for (const [code, hint] of [
    ["ENOSPC", /room on that disk/],
    ["EACCES", /writable for this user/],
  ] as const) {
    const failing = Promise.reject(Object.assign(new Error(code), { code }));
    await assert.rejects(writing("/identity/gs-1.key", failing), (error) => {
      assert.ok(error instanceof OperatingError);
      assert.equal(error.code, "unwritable-file");
      assert.match(error.message, /gs-1\.key/);
      assert.match(error.hint ?? "", hint);
      return true;
    });
  }
});
