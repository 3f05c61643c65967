import type { Compare, Operation } from "@atlasnet/core";
import fc from "fast-check";
import type { TxnCommand } from "./commands.ts";

/** Objects as they come out of a decoder. */
const PLAIN = { noNullPrototype: true } as const;
/** Few keys, so that transactions meet. */
const key = fc.constantFrom("a", "a/1", "a/2", "a/20", "b", "b/ü", "b/𐀀", "b/\uffee", "c/1/2");
const value = fc.oneof(
  fc.uint8Array({ maxLength: 3 }),
  fc.constantFrom(new Uint8Array(100), new Uint8Array(300)),
);
const revision = fc.integer({ min: 0, max: 40 });

const compare: fc.Arbitrary<Compare> = fc.oneof(
  fc.record(
    {
      type: fc.constant("modified" as const),
      key,
      is: fc.constantFrom("equal" as const, "greater" as const, "less" as const),
      revision,
    },
    PLAIN,
  ),
  fc.record({ type: fc.constant("value" as const), key, equals: value }, PLAIN),
  fc.record({ type: fc.constant("term" as const), term: fc.integer({ min: 1, max: 3 }) }, PLAIN),
);

const put = fc.record({ type: fc.constant("put" as const), key, value }, PLAIN);
const remove = fc.record({ type: fc.constant("delete" as const), key }, PLAIN);
const operations: fc.Arbitrary<readonly Operation[]> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.uniqueArray(fc.oneof({ weight: 3, arbitrary: put }, remove), {
      selector: (operation) => operation.key,
      maxLength: 4,
    }),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom("a", "a/", "b/", "")
      .map((prefix) => [{ type: "delete" as const, prefix }]),
  },
);

export const txnArbitrary: fc.Arbitrary<TxnCommand> = fc
  .record(
    {
      id: fc.constantFrom("r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8", "r9"),
      compare: fc.array(compare, { maxLength: 2 }),
      then: operations,
      otherwise: operations,
      refused: fc.constant("no-lease" as const),
    },
    { requiredKeys: ["compare", "then"], ...PLAIN },
  )
  .map((txn) => {
    // Refusals are rare.
    if (txn.refused === undefined || (txn.id ?? "") > "r2") return without(txn, "refused");
    return txn;
  });

function without(txn: TxnCommand, field: "refused"): TxnCommand {
  const { [field]: _, ...rest } = txn;
  return rest;
}
