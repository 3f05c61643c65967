import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ConsulError } from "../consul-error.ts";
import { decodeEntry, encodeEntry, type StoredEntry } from "./entry.ts";
import { decodeHead, encodeHead, type Head } from "./head.ts";

const count = fc.nat();
const name = fc.string({ minLength: 1, maxLength: 40 });
const head: fc.Arbitrary<Head> = fc.record(
  {
    ...{ cluster: name, index: count, term: count, leader: name, id: name, first: count },
    checkpoint: fc.record(
      { index: count, id: name, name, parts: count, bytes: count },
      { noNullPrototype: true },
    ),
  },
  { requiredKeys: ["cluster", "index", "term", "leader", "id", "first"], noNullPrototype: true },
);
const entry: fc.Arbitrary<StoredEntry> = fc.record(
  {
    ...{ term: count, id: name, after: fc.string({ maxLength: 40 }) },
    type: fc.constantFrom("command" as const, "no-op" as const),
    data: fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.record({ name, parts: count }, { noNullPrototype: true }),
    ),
  },
  { noNullPrototype: true },
);

test("heads and entries come back as they were", () => {
  fc.assert(
    fc.property(head, (given) => {
      assert.deepEqual(decodeHead(encodeHead(given), "head"), given);
    }),
  );
  fc.assert(
    fc.property(entry, (given) => {
      const read = decodeEntry(encodeEntry(given), "log/1");
      const data = read.data instanceof Uint8Array ? Uint8Array.from(read.data) : read.data;
      assert.deepEqual({ ...read, data }, given);
    }),
  );
});

test("anything else is refused with the key that holds it", () => {
  const refused = (error: unknown) =>
    error instanceof ConsulError &&
    error.code === "consul-unreadable" &&
    error.message.includes("k/1");
  const json = fc.json().map((text) => Buffer.from(text));
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array(), json), (bytes) => {
      assert.throws(() => decodeHead(bytes, "k/1"), refused);
      assert.throws(() => decodeEntry(bytes, "k/1"), refused);
    }),
  );
  const newer = Buffer.from('{"format":2}');
  assert.throws(() => decodeHead(newer, "k/1"), /has the format 2, and this version reads 1/);
});
