import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ControlError } from "./control-error.ts";
import type { Operation, RangeRequest, TxnRequest } from "./control-store.ts";
import { checkRange, checkTxn, checkWatch, controlKey } from "./request-checks.ts";

const VALUE = new Uint8Array(1);

function code(check: () => void): string {
  try {
    check();
    return "taken";
  } catch (error) {
    return error instanceof ControlError ? error.code : String(error);
  }
}

test("keys are well-formed text without control characters", () => {
  const unfit = /[\p{Cc}\p{Cs}]/u;
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 20 }), (key) => {
      assert.equal(controlKey(key) === undefined, !unfit.test(key), JSON.stringify(key));
    }),
  );
  for (const key of ["\ud800", "\udc00", "a\ud800b", "\udc00\ud800", "\n", "\u007f", "\u009f", ""])
    assert.notEqual(controlKey(key), undefined, JSON.stringify(key));
  for (const key of ["\u{10000}", "a\u{10ffff}", "\ue000", "\u00a0"])
    assert.equal(controlKey(key), undefined, JSON.stringify(key));
});

test("no key is touched by two operations of one list", () => {
  const put = (key: string): Operation => ({ type: "put", key, value: VALUE });
  const below = (prefix: string): Operation => ({ type: "delete", prefix });
  const cases: [readonly Operation[], string][] = [
    [[put("a"), put("b")], "taken"],
    [[put("a"), { type: "delete", key: "a" }], "bad-request"],
    [[below("a/"), put("a")], "taken"],
    [[put("a/1"), below("a/")], "bad-request"],
    [[below("a"), below("a/")], "bad-request"],
    [[below("a/"), below("b/")], "taken"],
    [[below(""), put("a")], "bad-request"],
    [[below("a"), below("a")], "bad-request"],
  ];
  for (const [operations, expected] of cases) {
    const as = (list: "then" | "otherwise"): TxnRequest => ({
      compare: [],
      then: [],
      [list]: operations,
    });
    for (const list of ["then", "otherwise"] as const)
      assert.equal(
        code(() => checkTxn(as(list))),
        expected,
        JSON.stringify(operations),
      );
  }
  const both: TxnRequest = { compare: [], then: [put("a")], otherwise: [put("a")] };
  assert.equal(
    code(() => checkTxn(both)),
    "taken",
  );
});

test("fields that are absent may be there as undefined; unknown ones are refused", () => {
  const open: { readonly [field: string]: unknown } = { prefix: "a", after: undefined };
  assert.equal(
    code(() => checkRange(open as unknown as RangeRequest)),
    "taken",
  );
  const more: { readonly [field: string]: unknown } = { prefix: "a", colour: "red" };
  assert.equal(
    code(() => checkRange(more as unknown as RangeRequest)),
    "bad-request",
  );
  const both: { readonly [field: string]: unknown } = { prefix: "a", key: "a" };
  assert.equal(
    code(() => checkRange(both as unknown as RangeRequest)),
    "bad-request",
  );
  assert.equal(
    code(() => checkWatch({ key: "k", after: -1 })),
    "bad-request",
  );
  assert.equal(
    code(() => checkWatch({ prefix: "", after: 2 ** 41 })),
    "taken",
  );
});
