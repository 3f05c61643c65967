import assert from "node:assert/strict";
import { test } from "node:test";
import { type CborValue, writeCbor } from "@atlasnet/core";
import { ByteWriter } from "@atlasnet/world";
import { SequenceChecker } from "./sequence-checker.ts";
import { WireTap } from "./wire-tap.ts";

function tapped() {
  const told: string[] = [];
  const checker = new SequenceChecker({
    sent: (due) => told.push(`sent ${due}`),
    acknowledged: (due) => told.push(`acknowledged ${due}`),
    lost: (due) => told.push(`lost ${due}`),
    failed: (kind, detail) => told.push(`${kind}: ${detail}`),
  });
  const tap = new WireTap(checker, ({ tickRate }) => told.push(`welcome ${tickRate}`));
  const see = (direction: "in" | "out", ...message: CborValue[]) => {
    const writer = new ByteWriter();
    writeCbor(writer, message);
    tap.observe(direction, writer.finish());
  };
  return { checker, see, told, tap };
}

const hello = (stream: number) => ({ v: 1, world: "w", stream: new Uint8Array(8).fill(stream) });
const welcome = (timeline: number, appliedSeq = 0) => ({
  world: "w",
  tickRate: 20,
  timeline,
  appliedSeq,
  outSeq: 0,
  limits: { messagesPerSecond: 100 },
});

test("numbers of every length are read off the wire", () => {
  const { checker, see, told } = tapped();
  see("out", 1, hello(1));
  see("in", 5, welcome(1));
  const payload = Uint8Array.of(1, 2, 3);
  for (let seq = 1; seq <= 70_000; seq++) {
    checker.queue(seq);
    see("out", 2, seq, 0, payload);
    if (seq % 1_000 === 0) see("in", 3, seq, seq * 1_000_000);
  }
  assert.equal(checker.unacknowledged, 0);
  assert.equal(told.filter((line) => line.startsWith("acknowledged")).length, 70_000);
  assert.equal(told.length, 140_001);
});

test("faults on the wire are found: messages of the server, acks, welcomes", () => {
  const { see, told } = tapped();
  see("out", 1, hello(1));
  see("in", 5, welcome(1));
  see("in", 2, 1, 0, new Uint8Array(2));
  see("in", 2, 3, 0, new Uint8Array(2));
  see("out", 7);
  see("in", 2, 2, 0, new Uint8Array(2));
  see("in", 3, 5, 1);
  see("in", 7, 4);
  assert.deepEqual(told.slice(1), [
    "message-missing: 3 after 1",
    "ack-of-unsent: 5 in an ack, 0 having been sent",
    "ack-of-unsent: 4 in a resync, 0 having been sent",
  ]);
});

test("a hello with another stream starts anew", () => {
  const { checker, see, told } = tapped();
  see("out", 1, hello(1));
  see("in", 5, welcome(1));
  checker.queue(7);
  see("out", 2, 1, 0, new Uint8Array(0));
  see("out", 1, hello(1));
  see("in", 5, welcome(1, 1));
  checker.queue(8);
  see("out", 2, 2, 0, new Uint8Array(0));
  see("out", 1, hello(2));
  assert.deepEqual(told, [
    ...["welcome 20", "sent 7", "acknowledged 7", "welcome 20"],
    ...["sent 8", "lost 8"],
  ]);
});

test("states, inputs, pings and what makes no sense are passed over", () => {
  const { see, told, tap } = tapped();
  see("in", 1, new Uint8Array(40));
  see("in", 4, 1, 2);
  see("out", 5, 1, 0, new Uint8Array(3));
  see("in", 3, "text", 1);
  see("in", 5, { timeline: "no" });
  for (const bytes of [[], [0x83], [0x83, 3], [0x83, 3, 0x1b, 1], [0x84, 2, 0xff]])
    tap.observe("in", Uint8Array.from(bytes));
  assert.deepEqual(told, []);
});
