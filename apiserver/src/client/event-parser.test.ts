import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { EventParser } from "./event-parser.ts";

const STREAM =
  ': beat\n\nevent: began\nid: 7\ndata: {"revision":7}\n\ndata: one\r\ndata: two\r\n\r\nevent: none\n\nretry: 1\ndata:x\n\n';
const EVENTS = [
  { event: "began", data: '{"revision":7}' },
  { event: "message", data: "one\ntwo" },
  { event: "message", data: "x" },
];

test("events are the same however the text is cut", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: STREAM.length }), { maxLength: 20 }), (cuts) => {
      const parser = new EventParser();
      const places = [0, ...cuts.sort((a, b) => a - b), STREAM.length];
      const events = places.flatMap((at, i) => parser.push(STREAM.slice(places[i - 1] ?? 0, at)));
      assert.deepEqual(events, EVENTS);
    }),
  );
});

test("an event without end is refused", () => {
  const parser = new EventParser();
  const piece = "x".repeat(1024 * 1024);
  assert.throws(() => {
    for (let i = 0; i < 64; i++) parser.push(piece);
  }, RangeError);
});
