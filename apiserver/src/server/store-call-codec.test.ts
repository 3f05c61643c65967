import assert from "node:assert/strict";
import { test } from "node:test";
import { ControlError, encodeRefusal } from "@atlasnet/core";
import fc from "fast-check";
import { decodeTaken, encodeTaken } from "./store-call-codec.ts";

test("answers come out as they went in", () => {
  const result = { succeeded: true, revision: 2 ** 41 + 5 };
  assert.deepEqual(decodeTaken(encodeTaken({ ok: true, result })), { ok: true, result });
  const sentBack = { ok: false, code: "not-leader" } as const;
  assert.deepEqual(decodeTaken(encodeTaken(sentBack)), sentBack);
  const error = new ControlError("quota", "the store is full", { hint: "Delete." });
  assert.throws(() => decodeTaken(encodeRefusal(error)), {
    name: error.name,
    code: "quota",
    message: "the store is full",
    hint: "Delete.",
  });
});

test("what never reached the leader's store may be tried again; of the rest nobody knows", () => {
  const body = new Uint8Array(0);
  for (const code of ["unreachable", "busy", "unknown-method"])
    assert.deepEqual(decodeTaken({ code, body }), { ok: false, code: "not-leader" });
  for (const code of ["timeout", "lost", "failed", "ok", "something"])
    assert.equal(decodeTaken({ code, body }), undefined);
});

test("bytes from anywhere are an answer, a refusal, or nothing: never a fault", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 64 }),
      fc.constantFrom("ok", "refused"),
      (body, code) => {
        try {
          decodeTaken({ code, body });
        } catch (error) {
          assert.ok(error instanceof ControlError, String(error));
        }
      },
    ),
  );
});
