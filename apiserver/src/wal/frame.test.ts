import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeFrame, type FramePlace, readFrame } from "./frame.ts";
import { decodeRecords, type LogRecord } from "./record.ts";

const SALT = 0x1234567;
const FILE_BYTES = 8192;

function entry(index: number, data: Uint8Array): LogRecord {
  return { type: "entry", entry: { term: 1, index, type: "command", data } };
}

/** A file with frames 1, 2, … of an entry of these lengths each, and where they begin. */
function fileOf(...entries: readonly Uint8Array[]): {
  file: Buffer;
  starts: number[];
  end: number;
} {
  const file = Buffer.alloc(FILE_BYTES);
  const starts: number[] = [];
  let at = 512;
  for (const [i, data] of entries.entries()) {
    starts.push(at);
    at += encodeFrame({ salt: SALT, sequence: i + 1, at }, [entry(i + 1, data)]).copy(file, at);
  }
  return { file, starts, end: at };
}

const ones = (length: number) => new Uint8Array(length).fill(1);
const place = (sequence: number, at = 0): FramePlace => ({ salt: SALT, sequence, at });

test("frames are read back, one behind the other, up to the zeros", () => {
  const { file, starts, end } = fileOf(ones(3), new Uint8Array(2000), ones(0));
  let at = 512;
  for (const [i, start] of starts.entries()) {
    const found = readFrame(file, place(i + 1, at));
    assert.ok(found.type === "frame");
    assert.equal(found.frame.at, start);
    const [record] = decodeRecords(found.frame.body);
    assert.ok(record?.type === "entry" && record.entry.index === i + 1);
    at = found.next;
  }
  assert.equal(at, end);
  assert.deepEqual(readFrame(file, place(4, at)), { type: "end" });
  assert.deepEqual(readFrame(file, place(4, FILE_BYTES)), { type: "end" });
});

test("a frame of another salt or sequence is none", () => {
  const { file } = fileOf(ones(10));
  assert.equal(readFrame(file, { salt: SALT + 1, sequence: 1, at: 512 }).type, "damaged");
  const wrong = readFrame(file, place(2, 512));
  assert.ok(wrong.type === "damaged");
  assert.match(wrong.problem, /frame 1 stands in the place of frame 2/);
});

test("a frame that was written up to any byte is torn, or whole", () => {
  const { file, starts, end } = fileOf(ones(40), new Uint8Array(1500).fill(7, 700));
  const start = starts[1] ?? 0;
  for (let cut = start + 1; cut < end; cut++) {
    const torn = Buffer.from(file).fill(0, cut);
    const { type } = readFrame(torn, place(2, start));
    assert.ok(type === "torn" || type === "frame", `cut at ${cut}: ${type}`);
    if (cut < end - 40) assert.equal(type, "torn", `cut at ${cut}`);
  }
});

test("a frame of which any sectors were not written is torn, also when it has zeros of its own", () => {
  const { file, starts, end } = fileOf(ones(40), new Uint8Array(2500).fill(7, 1300));
  const start = starts[1] ?? 0;
  const sectors: number[] = [];
  for (let at = start - (start % 512); at < end; at += 512) sectors.push(at);
  for (let lost = 1; lost < 2 ** sectors.length; lost++) {
    const torn = Buffer.from(file);
    for (const [i, at] of sectors.entries())
      if ((lost >> i) & 1) torn.fill(0, Math.max(start, at), at + 512);
    const { type } = readFrame(torn, place(2, start));
    if (torn.equals(file)) assert.equal(type, "frame");
    else assert.ok(type === "torn" || type === "end", `lost ${lost.toString(2)}: ${type}`);
  }
});

test("a byte changed anywhere in the last frame is damage, never a torn end", () => {
  for (const data of [new Uint8Array(2000), ones(2000), ones(0)]) {
    const { file, starts } = fileOf(ones(40), data);
    const start = starts[1] ?? 0;
    const end = start + 32 + 21 + data.length;
    for (let at = start; at < end; at++) {
      const changed = Buffer.from(file);
      changed[at] = (changed[at] ?? 0) ^ 0x5a;
      assert.equal(readFrame(changed, place(2, start)).type, "damaged", `byte ${at - start}`);
    }
  }
});

test("what looks torn is damage when a frame is behind it", () => {
  const { file, starts } = fileOf(ones(40), ones(3000), ones(5));
  file.fill(0, 1024, 1536);
  const found = readFrame(file, place(2, starts[1] ?? 0));
  assert.ok(found.type === "damaged");
  assert.match(found.problem, new RegExp(`yet there is one behind it at byte ${starts[2]}`));
});

test("bytes in the zeros behind the last frame cost nothing", () => {
  const { file, end } = fileOf(ones(40));
  file[end + 100] = 1;
  assert.equal(readFrame(file, place(2, end)).type, "torn");
});
