import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ControlFrame, ControlReader, greetingFrame, writeTaken } from "./control-frames.ts";
import { FrameReader } from "./frame-reader.ts";
import { MAX_FRAME_BYTES } from "./frames.ts";
import { Incoming, type IncomingSink } from "./incoming.ts";
import { OutChannel } from "./out-channel.ts";

/** Writes down what comes; remembers how much was reserved and not filled. */
class Recording implements IncomingSink {
  readonly heard: string[] = [];
  reserved = 0;

  open(number: number, name: string): undefined {
    this.heard.push(`open ${number} ${name}`);
  }

  reserve(_number: number, bytes: number): { code: "overflow" } | undefined {
    this.reserved += bytes;
    return this.reserved > 10_000_000 ? { code: "overflow" } : undefined;
  }

  message(number: number, bytes: Uint8Array): undefined {
    this.reserved -= bytes.length;
    assert.ok(
      bytes.buffer.byteLength <= Math.max(bytes.length, 8192),
      "it keeps little else alive",
    );
    this.heard.push(`message ${number} ${Buffer.from(bytes).toString("hex")}`);
  }

  hello(body: Uint8Array): undefined {
    this.heard.push(`hello ${body.length}`);
  }

  welcome(body: Uint8Array): undefined {
    this.heard.push(`welcome ${body.length}`);
  }

  taken(number: number, cost: number): undefined {
    this.heard.push(`taken ${number} ${cost}`);
  }

  channels(): this {
    return this;
  }
}

const channelsAndMessages = fc.array(
  fc.tuple(
    fc.string({ minLength: 1, maxLength: 128, unit: "grapheme" }).filter((s) => s.length <= 128),
    fc.integer({ min: 0, max: 2 ** 30 - 1 }),
    fc.array(
      fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 50 }),
        fc.integer({ min: 16_000, max: 50_000 }).map((n) => new Uint8Array(n).fill(n & 255)),
      ),
      { minLength: 1, maxLength: 4 },
    ),
  ),
  { minLength: 1, maxLength: 4 },
);

/** The frames of channels in turn, as one stream has them, and what is to be heard of each channel. */
function written(
  channels: readonly [name: string, number: number, messages: readonly Uint8Array[]][],
) {
  const outs = channels.map(([name, number, messages]) => {
    const out = new OutChannel(number, name);
    for (const message of messages) out.push(message);
    return out;
  });
  const pieces: Uint8Array[] = [];
  while (outs.some((out) => !out.isEmpty))
    for (const out of outs) {
      if (out.isEmpty) continue;
      const bytes = new Uint8Array(2 * MAX_FRAME_BYTES);
      const need = out.nextFrameBytes;
      const end = out.writeNext(bytes, 0);
      assert.ok(end <= need, "a frame takes no more room than it said");
      pieces.push(bytes.subarray(0, end));
    }
  return Buffer.concat(pieces);
}

test("what is written is read, however it is cut", () => {
  fc.assert(
    fc.property(
      channelsAndMessages,
      fc.array(fc.integer({ min: 1, max: 30_000 }), { minLength: 1, maxLength: 5 }),
      (channels, cuts) => {
        const numbers = new Set(channels.map(([, number]) => number));
        fc.pre(numbers.size === channels.length);
        const bytes = written(channels);
        const sink = new Recording();
        const reader = new FrameReader(sink);
        for (let at = 0, turn = 0; at < bytes.length; turn++) {
          const cut = cuts[turn % cuts.length] ?? 1;
          assert.equal(reader.push(bytes.subarray(at, at + cut)), undefined);
          at += cut;
        }
        for (const [name, number, messages] of channels) {
          const own = sink.heard.filter((line) => line.split(" ")[1] === String(number));
          assert.deepEqual(own, [
            `open ${number} ${Buffer.from(name).toString()}`,
            ...messages.map((m) => `message ${number} ${Buffer.from(m).toString("hex")}`),
          ]);
        }
        assert.equal(sink.reserved, 0);
      },
    ),
    { numRuns: 60 },
  );
});

test("one byte at a time is enough", () => {
  const sink = new Recording();
  const reader = new FrameReader(sink);
  const bytes = written([["ä", 70, [new Uint8Array(300).fill(1), Uint8Array.of(2)]]]);
  for (const byte of bytes) assert.equal(reader.push(Uint8Array.of(byte)), undefined);
  assert.deepEqual(sink.heard, ["open 70 ä", `message 70 ${"01".repeat(300)}`, "message 70 02"]);
});

test("after a problem nothing more is read", () => {
  const sink = new Recording();
  const reader = new FrameReader(sink);
  const problem = reader.push(Uint8Array.of(99));
  assert.equal(problem?.code, "bad-message");
  assert.equal(reader.push(written([["a", 0, [Uint8Array.of(1)]]])), problem);
  assert.deepEqual(sink.heard, []);
});

const someFrames = () =>
  written([
    ["a", 0, [new Uint8Array(200), new Uint8Array(40_000)]],
    ["b", 1, [Uint8Array.of(1, 2, 3)]],
  ]);

function control(): Uint8Array {
  const taken = new Uint8Array(9);
  return Buffer.concat([
    greetingFrame(ControlFrame.hello, new Uint8Array(300)),
    greetingFrame(ControlFrame.welcome, new Uint8Array(3)),
    taken.subarray(0, writeTaken(taken, 0, 3, 70_000)),
  ]);
}

test("control frames are read, however they are cut", () => {
  const bytes = control();
  for (let cut = 1; cut < bytes.length; cut++) {
    const sink = new Recording();
    const reader = new ControlReader(sink);
    for (let at = 0; at < bytes.length; at += cut)
      assert.equal(reader.push(bytes.subarray(at, at + cut)), undefined);
    assert.deepEqual(sink.heard, ["hello 300", "welcome 3", "taken 3 70000"]);
  }
});

test("random and mutated bytes end in a problem or in what they say, and never throw", () => {
  const sources = [
    Buffer.concat([Uint8Array.of(1), someFrames()]),
    Buffer.concat([Uint8Array.of(0), control()]),
  ];
  const mutated = fc
    .tuple(
      fc.constantFrom(...sources),
      fc.array(fc.tuple(fc.nat(500), fc.nat(255)), { maxLength: 5 }),
    )
    .map(([source, edits]) => {
      const bytes = Uint8Array.from(source);
      for (const [at, byte] of edits) bytes[at % bytes.length] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(
      fc.oneof(mutated, fc.uint8Array({ maxLength: 600 })),
      fc.integer({ min: 1, max: 5000 }),
      (bytes, cut) => {
        const sink = new Recording();
        const incoming = new Incoming(sink);
        for (let at = 0; at < bytes.length; at += cut) {
          const problem = incoming.push(2, bytes.subarray(at, at + cut));
          if (problem === undefined) continue;
          assert.match(problem.code, /^(bad-message|overflow)$/);
          return;
        }
        assert.ok(sink.reserved >= 0);
      },
    ),
    { numRuns: 3000 },
  );
});
