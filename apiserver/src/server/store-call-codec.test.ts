import assert from "node:assert/strict";
import { test } from "node:test";
import { ControlError, type TxnRequest } from "@atlasnet/core";
import fc from "fast-check";
import {
  decodeTaken,
  decodeTxn,
  encodeRefusal,
  encodeTaken,
  encodeTxn,
} from "./store-call-codec.ts";

test("a transaction comes out as it went in, with large revisions", () => {
  const request: TxnRequest = {
    id: "a-1",
    compare: [
      { type: "modified", key: "nodes/a", is: "less", revision: 3 * 2 ** 40 + 7 },
      { type: "value", key: "b", equals: new Uint8Array([1, 2]) },
      { type: "term", term: 9 },
    ],
    then: [
      { type: "put", key: "c", value: new Uint8Array(3) },
      { type: "delete", prefix: "d/" },
    ],
    otherwise: [],
    leases: ["gs-1"],
  };
  assert.deepEqual(decodeTxn(encodeTxn(request)), request);
});

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
        const txn = decodeTxn(body);
        assert.ok(txn === undefined || typeof txn === "object");
        try {
          decodeTaken({ code, body });
        } catch (error) {
          assert.ok(error instanceof ControlError, String(error));
        }
      },
    ),
  );
});
