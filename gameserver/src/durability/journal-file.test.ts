import assert from "node:assert/strict";
import { test } from "node:test";
import { BadFile, NewerFormat } from "@atlasnet/core/system";
import fc from "fast-check";
import {
  decodeJournal,
  JournalEncoder,
  type JournalHeader,
  type JournalRecord,
} from "./journal-file.ts";

const header: JournalHeader = {
  world: "arena",
  shard: "main",
  epoch: 4,
  timeline: 2,
  base: { epoch: 3, tick: 100 },
};

const someRecords = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 5 }), fc.uint8Array({ maxLength: 40 })), {
    maxLength: 8,
  })
  .map((steps) => {
    const records: JournalRecord[] = [];
    let previousTick = header.base.tick;
    for (const [step, bytes] of steps) {
      records.push({ previousTick, tick: previousTick + step, bytes });
      previousTick += step;
    }
    return records;
  });

function encode(records: readonly JournalRecord[], batches = 1): Uint8Array {
  const encoder = new JournalEncoder();
  const pieces = [encoder.begin(header)];
  const size = Math.max(1, Math.ceil(records.length / batches));
  for (let at = 0; at < records.length; at += size)
    pieces.push(encoder.records(records.slice(at, at + size)));
  return Buffer.concat(pieces);
}

function plain(records: readonly JournalRecord[]) {
  return records.map((record) => ({ ...record, bytes: [...record.bytes] }));
}

test("a journal is read as it was written, whatever the batches were", () => {
  fc.assert(
    fc.property(someRecords, fc.integer({ min: 1, max: 4 }), (records, batches) => {
      const journal = decodeJournal(encode(records, batches));
      assert.deepEqual(journal.header, header);
      assert.deepEqual(plain(journal.records), plain(records));
      assert.equal(journal.problem, undefined);
    }),
  );
});

test("of a file cut anywhere the whole records are read, and the rest is called torn", () => {
  fc.assert(
    fc.property(someRecords, fc.double({ min: 0, max: 1, noNaN: true }), (records, where) => {
      const file = encode(records);
      const start = encode([]).length;
      const cut = file.subarray(0, start + Math.floor((file.length - start) * where));
      const journal = decodeJournal(cut);
      assert.deepEqual(plain(journal.records), plain(records.slice(0, journal.records.length)));
      assert.equal(journal.problem === undefined, journal.good.length === cut.length);
      assert.ok(journal.problem?.torn !== false);
      assert.equal(encode(records.slice(0, journal.records.length)).length, journal.good.length);
    }),
  );
});

test("a changed byte never passes: what is read is a prefix of what was written", () => {
  fc.assert(
    fc.property(someRecords, fc.nat(), fc.integer({ min: 1, max: 255 }), (records, at, flip) => {
      const file = encode(records);
      const index = at % file.length;
      file[index] = (file[index] ?? 0) ^ flip;
      try {
        const journal = decodeJournal(file);
        assert.ok(journal.records.length < records.length);
        assert.deepEqual(plain(journal.records), plain(records.slice(0, journal.records.length)));
      } catch (error) {
        assert.ok(error instanceof BadFile || error instanceof NewerFormat, String(error));
      }
    }),
  );
});

test("a record of another place in the file does not count, though it is whole", () => {
  const records = [101, 102, 103].map((tick) => ({
    previousTick: tick - 1,
    tick,
    bytes: Buffer.from("same length"),
  }));
  const file = encode(records);
  const length = 24 + "same length".length;
  const start = encode([]).length;
  const without = Buffer.concat([
    file.subarray(0, start),
    file.subarray(start + length, start + 2 * length),
  ]);
  assert.equal(decodeJournal(without).records.length, 0);
  assert.match(decodeJournal(without).problem?.message ?? "", /record 1 does not match/);
});

test("zeros at the end, as a file system leaves them, are torn and not damage", () => {
  const records = [{ previousTick: 100, tick: 101, bytes: Buffer.from("x") }];
  const journal = decodeJournal(Buffer.concat([encode(records), Buffer.alloc(100)]));
  assert.equal(journal.records.length, 1);
  assert.equal(journal.problem?.torn, true);
});
