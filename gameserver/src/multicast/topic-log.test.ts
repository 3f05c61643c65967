import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeTopicDatagram, MAX_MULTICAST_BYTES, MAX_SECTION_PARTS } from "@atlasnet/core";
import { KEPT_BYTES, KEPT_DATAGRAMS, TopicLog } from "./topic-log.ts";

const SMALL = Uint8Array.of(0x11, 4, 1);
const FULL = Uint8Array.of(0x00);

function newLog(): TopicLog {
  const schema = new Uint8Array(8);
  return new TopicLog({ server: "g", run: 5, world: "w", topic: "cell/0,0", schema });
}

function numbers(log: TopicLog, after: number | undefined): number[] | undefined {
  return log.fill(after)?.items.map((item) => decodeTopicDatagram(item).number);
}

test("datagrams are numbered, and given again behind any number that is kept", () => {
  const log = newLog();
  log.full(10, FULL);
  const sent = [11, 12, 13].flatMap((tick) => log.delta(tick, SMALL));
  assert.deepEqual(
    sent.map((bytes) => decodeTopicDatagram(bytes)).map(({ number, tick }) => [number, tick]),
    [
      [1, 11],
      [2, 12],
      [3, 13],
    ],
  );
  assert.deepEqual(numbers(log, 0), [1, 2, 3]);
  assert.deepEqual(numbers(log, 2), [3]);
  assert.deepEqual(numbers(log, 3), []);
  assert.deepEqual(log.fill(1)?.items, sent.slice(1));
});

test("without a number, or with one of the future, the answer begins with full state", () => {
  const log = newLog();
  log.delta(9, SMALL);
  log.full(10, FULL);
  log.delta(11, SMALL);
  for (const after of [undefined, 3]) {
    assert.deepEqual(numbers(log, after), [1, 2]);
    const [full = new Uint8Array()] = log.fill(after)?.items ?? [];
    const { tick, parts, section } = decodeTopicDatagram(full);
    assert.deepEqual([tick, parts, section], [10, 1, FULL]);
  }
});

test("a large section takes several numbers", () => {
  const log = newLog();
  log.full(1, FULL);
  const section = new Uint8Array(3_000).fill(7);
  const parts = log.delta(2, section).map((bytes) => decodeTopicDatagram(bytes));
  assert.deepEqual(
    parts.map(({ number, part, parts: of }) => [number, part, of]),
    [
      [1, 0, 3],
      [2, 1, 3],
      [3, 2, 3],
    ],
  );
  assert.deepEqual(numbers(log, 1), [2, 3]);
});

test("one that is too large takes a number and nothing else: only newer full state helps", () => {
  const log = newLog();
  log.full(1, FULL);
  log.delta(2, SMALL);
  assert.deepEqual(log.delta(3, new Uint8Array(MAX_MULTICAST_BYTES * MAX_SECTION_PARTS)), []);
  assert.equal(log.last, 2);
  assert.equal(log.fill(1), undefined);
  assert.equal(log.fill(undefined), undefined);
  log.full(3, FULL);
  assert.deepEqual(numbers(log, 1), [2]);
});

test("what is kept is bounded in datagrams and in bytes", () => {
  const log = newLog();
  log.full(0, FULL);
  for (let tick = 1; tick <= KEPT_DATAGRAMS; tick++) log.delta(tick, SMALL);
  assert.equal(numbers(log, 0)?.length, KEPT_DATAGRAMS);
  log.delta(1_000, SMALL);
  assert.equal(log.fill(0), undefined);
  assert.equal(numbers(log, 1)?.length, KEPT_DATAGRAMS);
  for (let tick = 2_000; tick < 2_000 + KEPT_DATAGRAMS; tick++)
    log.delta(tick, new Uint8Array(1_110));
  const first = log.last - Math.floor(KEPT_BYTES / 1_000);
  assert.equal(log.fill(first), undefined, "the bytes are used up before the datagrams");
  assert.notEqual(log.fill(log.last - 100), undefined);
});

test("a sign of life has the last number and no part", () => {
  const log = newLog();
  log.full(1, FULL);
  log.delta(2, SMALL);
  const { number, tick, part, parts } = decodeTopicDatagram(log.signOfLife());
  assert.deepEqual([number, tick, part, parts], [1, 2, 0, 0]);
});
