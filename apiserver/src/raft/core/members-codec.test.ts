import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { makeMembers } from "./members.ts";
import { decodeMembers, encodeMembers } from "./members-codec.ts";

const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

test("members survive encoding, and equal ones have equal bytes", () => {
  const ids = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 128 }), { maxLength: 16 });
  fc.assert(
    fc.property(ids, fc.nat(), fc.nat(), (all, split, incarnation) => {
      const voters = all.slice(0, split % (all.length + 1));
      const known = Object.fromEntries(all.map((id) => [id, incarnation]));
      const members = makeMembers(voters, all.slice(voters.length), known);
      assert.deepEqual({ ...decodeMembers(encodeMembers(members)) }, { ...members });
      const reversed = makeMembers(voters.toReversed(), all.slice(voters.length), known);
      assert.deepEqual(encodeMembers(reversed), encodeMembers(members));
    }),
  );
});

test("whatever else is in the bytes is refused", () => {
  const good = { voters: ["a"], learners: ["b"], incarnations: { a: 1 } };
  assert.deepEqual(decodeMembers(bytes(good)).voters, ["a"]);
  for (const bad of [
    null,
    [],
    { ...good, extra: 1 },
    { ...good, voters: "a" },
    { ...good, voters: [""] },
    { ...good, voters: ["x".repeat(129)] },
    { ...good, learners: ["a"] },
    { ...good, incarnations: { c: 1 } },
    { ...good, incarnations: { a: 0 } },
    { ...good, incarnations: { a: 1.5 } },
    { ...good, voters: Array.from({ length: 17 }, (_, at) => `n${at}`) },
  ])
    assert.throws(() => decodeMembers(bytes(bad)), { name: "MembersFormatError" });
  fc.assert(
    fc.property(fc.uint8Array(), (data) => {
      assert.throws(() => decodeMembers(data), { name: "MembersFormatError" });
    }),
  );
});
