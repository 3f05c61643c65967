import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_STREAM_GAPS, STREAM_WINDOW_BYTES } from "../limits.ts";
import { seededRandom } from "../testing/event-queue.ts";
import { type ByteSink, ReceiveStream } from "./receive-stream.ts";
import { SendStream } from "./send-stream.ts";
import { StreamMemory } from "./stream-memory.ts";

interface Part {
  offset: number;
  bytes: Uint8Array;
}

/** Takes all out that may be sent now, in parts of at most `room` bytes. */
function parts(stream: SendStream, room: number): Part[] {
  const found: Part[] = [];
  while (stream.next()) {
    const length = Math.min(stream.length, room);
    const { offset } = stream;
    found.push({ offset, bytes: stream.take(length).slice() });
  }
  return found;
}

function sink(push: ByteSink["push"]): ByteSink {
  return { push };
}

function numbered(from: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (from + i) % 251);
}

test("whatever is lost, doubled and out of order, all bytes come once and in order", () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 50, max: 1200 }), (seed, room) => {
      const random = seededRandom(seed);
      const sending = new SendStream();
      const received: number[] = [];
      const receiving = new ReceiveStream(
        sink((bytes) => {
          received.push(...bytes);
          return bytes.length;
        }),
      );
      const total = 20_000;
      let handedIn = 0;
      let onTheWay: Part[] = [];
      while (received.length < total || onTheWay.length > 0) {
        if (handedIn < total) {
          const more = Math.min(total - handedIn, Math.ceil(random() * 3000));
          sending.frames(numbered(handedIn, more));
          handedIn += more;
        }
        onTheWay.push(...parts(sending, room));
        const later: Part[] = [];
        for (const part of onTheWay.sort(() => random() - 0.5)) {
          const fate = random();
          if (fate < 0.3) later.push(part);
          else if (fate < 0.5) sending.again(part.offset, part.bytes.length);
          else {
            assert.ok(receiving.receive(part.offset, part.bytes));
            sending.arrived(part.offset, part.bytes.length);
            if (fate < 0.6) receiving.receive(part.offset, part.bytes);
            if (fate > 0.9) sending.again(part.offset, part.bytes.length);
          }
        }
        onTheWay = later;
      }
      assert.deepEqual(received, [...numbered(0, total)]);
      assert.equal(sending.next(), false);
    }),
    { numRuns: 50 },
  );
});

test("no more than the window is sent beyond what was acknowledged", () => {
  const stream = new SendStream();
  stream.frames(new Uint8Array(STREAM_WINDOW_BYTES + 5000));
  const sent = parts(stream, 1000);
  assert.equal(
    sent.reduce((sum, { bytes }) => sum + bytes.length, 0),
    STREAM_WINDOW_BYTES,
  );
  assert.equal(stream.unsentBytes, 5000);
  assert.equal(stream.waiting, false);
  stream.arrived(1000, 1000);
  assert.equal(stream.waiting, false);
  stream.arrived(0, 1000);
  assert.deepEqual(
    parts(stream, 5000).map(({ offset, bytes }) => [offset, bytes.length]),
    [[STREAM_WINDOW_BYTES, 2000]],
  );
});

test("what is beyond the window, or makes too many gaps, is not kept", () => {
  const stream = new ReceiveStream(sink((bytes) => bytes.length));
  assert.equal(stream.receive(STREAM_WINDOW_BYTES, Uint8Array.of(1)), false);
  assert.equal(stream.receive(STREAM_WINDOW_BYTES - 1, Uint8Array.of(1)), true);
  assert.equal(stream.receive(2 ** 53 - 2, Uint8Array.of(1, 2, 3)), false);
  for (let i = 1; i < MAX_STREAM_GAPS; i++)
    assert.equal(stream.receive(2 * i, Uint8Array.of(i)), true);
  assert.equal(stream.receive(2 * MAX_STREAM_GAPS, Uint8Array.of(1)), false);
  // What fills the first gap is always taken, so that there is a way on.
  assert.equal(stream.receive(0, Uint8Array.of(0)), true);
  assert.equal(stream.receive(1, Uint8Array.of(1)), true);
  assert.equal(stream.receive(2 * MAX_STREAM_GAPS, Uint8Array.of(1)), true);
  assert.equal(stream.receive(5, new Uint8Array(0)), true);
});

test("while held, bytes are kept up to the window, and follow in order", () => {
  const received: number[] = [];
  let taking = 100;
  const stream = new ReceiveStream(
    sink((bytes) => {
      const taken = Math.min(taking, bytes.length);
      received.push(...bytes.subarray(0, taken));
      taking -= taken;
      if (taking === 0) stream.hold();
      return taken;
    }),
  );
  stream.receive(0, numbered(0, 150));
  assert.equal(received.length, 100);
  assert.equal(stream.receive(150, numbered(150, 1000)), true);
  assert.equal(stream.receive(100 + STREAM_WINDOW_BYTES, Uint8Array.of(1)), false);
  assert.equal(received.length, 100);
  taking = 700;
  stream.release();
  assert.equal(received.length, 800);
  taking = 1000;
  stream.release();
  assert.deepEqual(received, [...numbered(0, 1150)]);
});

test("bytes that come again in other parts are taken once", () => {
  const received: number[] = [];
  const stream = new ReceiveStream(
    sink((bytes) => {
      received.push(...bytes);
      return bytes.length;
    }),
  );
  for (const [from, length] of [
    [10, 10],
    [15, 20],
    [0, 5],
    [3, 20],
    [0, 40],
    [38, 12],
  ] as const)
    stream.receive(from, numbered(from, length));
  assert.deepEqual(received, [...numbered(0, 50)]);
});

test("a window that moves on by single bytes costs what came, not what is kept", (t) => {
  let moved = 0;
  const { set, copyWithin } = Uint8Array.prototype;
  t.mock.method(
    Uint8Array.prototype,
    "set",
    function (this: Uint8Array, bytes: ArrayLike<number>, at?: number) {
      moved += bytes.length;
      set.call(this, bytes, at);
    },
  );
  t.mock.method(
    Uint8Array.prototype,
    "copyWithin",
    function (this: Uint8Array, target: number, start: number, end?: number) {
      moved += (end ?? this.length) - start;
      return copyWithin.call(this, target, start, end);
    },
  );
  let received = 0;
  const stream = new ReceiveStream(
    sink((bytes) => {
      received += bytes.length;
      return bytes.length;
    }),
  );
  const one = Uint8Array.of(1);
  const times = 1000;
  stream.receive(STREAM_WINDOW_BYTES - 1, one);
  for (let i = 0; i < times; i++) {
    stream.receive(i, one);
    stream.receive(i + STREAM_WINDOW_BYTES, one);
  }
  assert.equal(received, times);
  assert.ok(moved <= 2 * times + 1, `${moved} bytes were moved`);
});

test("what is kept wraps around and grows, and comes in order all the same", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = seededRandom(seed);
      let at = 0;
      const stream = new ReceiveStream(
        sink((bytes) => {
          // Not all of it now and then.
          const taken = random() < 0.2 ? Math.floor(bytes.length * random()) : bytes.length;
          assert.deepEqual(bytes.subarray(0, taken), numbered(at, taken));
          at += taken;
          return taken;
        }),
      );
      for (let i = 0; i < 300; i++) {
        const from = Math.max(0, at + Math.floor((random() - 0.1) * 3000 * (i % 7)));
        stream.receive(from, numbered(from, Math.ceil(random() * 1200)));
      }
    }),
    { numRuns: 50 },
  );
});

test("streams that share memory keep what it has room for, and lose none of it for good", () => {
  const memory = new StreamMemory(STREAM_WINDOW_BYTES);
  const taking = (received: number[]): ReceiveStream =>
    new ReceiveStream(
      sink((bytes) => {
        received.push(...bytes);
        return bytes.length;
      }),
      memory,
    );
  const hostile = taking([]);
  assert.equal(hostile.receive(STREAM_WINDOW_BYTES - 1, Uint8Array.of(1)), true);
  assert.equal(memory.available, 0);
  const received: number[] = [];
  const other = taking(received);
  assert.equal(other.receive(1000, numbered(1000, 1000)), true, "a little is always kept");
  assert.equal(other.receive(9000, numbered(9000, 1000)), false);
  // In order it needs no memory, whatever else is kept.
  assert.equal(other.receive(0, numbered(0, 1000)), true);
  assert.equal(other.receive(2000, numbered(2000, 8000)), true);
  assert.deepEqual(received, [...numbered(0, 10_000)]);
  hostile.end();
  assert.equal(memory.available, STREAM_WINDOW_BYTES);
  assert.equal(hostile.receive(1, Uint8Array.of(1)), false);
  assert.equal(other.receive(19_000, numbered(19_000, 1000)), true);
  assert.ok(memory.available < STREAM_WINDOW_BYTES);
  assert.equal(other.receive(10_000, numbered(10_000, 9000)), true);
  assert.equal(memory.available, STREAM_WINDOW_BYTES);
  assert.deepEqual(received, [...numbered(0, 20_000)]);
});
