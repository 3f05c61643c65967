import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ByteReader,
  ByteWriter,
  compileDefinition,
  DecodeError,
  defineWorld,
  uint,
  WorldMirror,
} from "@atlasnet/world";
import fc from "fast-check";
import { type Batch, encodeBatch } from "../testing/fake-shard.ts";
import { readCbor } from "../testing/read-cbor.ts";
import type { FeedOutput, WatchedSection } from "./client-feed.ts";
import { ShardFeed } from "./shard-feed.ts";

const OPTIONS = { stateBacklogBytes: 1000, reliableBacklogBytes: 5000 };

class Output implements FeedOutput {
  readonly framing: FeedOutput["framing"];
  backlogBytes = 0;
  writes: Uint8Array[] = [];
  sections: { tick: number; sections: readonly WatchedSection[] }[] = [];
  appliedSeq = 0;
  resyncs = 0;
  overflows = 0;

  constructor(framing: FeedOutput["framing"] = "length") {
    this.framing = framing;
  }
  sendFrames(bytes: Uint8Array): void {
    this.writes.push(new Uint8Array(bytes));
  }
  sendSections(tick: number, sections: readonly WatchedSection[]): void {
    this.sections.push({
      tick,
      sections: sections.map(({ topic, bytes }) => ({ topic, bytes: new Uint8Array(bytes) })),
    });
  }
  applied(seq: number): void {
    this.appliedSeq = seq;
  }
  requestResync(): void {
    this.resyncs += 1;
  }
  overflowed(): void {
    this.overflows += 1;
  }
  /** The items of all writes since the last call. */
  items(): unknown[] {
    const items: unknown[] = [];
    for (const write of this.writes) {
      const reader = new ByteReader(write);
      while (reader.remaining > 0) items.push(readCbor(reader.block(1e9)));
    }
    this.writes = [];
    return items;
  }
}

function feedCounters() {
  return {
    stateFrames: 0,
    conflated: 0,
    reliableMessages: 0,
    updatesLost: 0,
    updatesMended: 0,
    mendsAsked: 0,
  };
}

function feed(counters = feedCounters()): ShardFeed {
  return new ShardFeed(OPTIONS, { allocate: (bytes) => new Uint8Array(bytes), counters });
}

const apply = (to: ShardFeed, batch: Batch): void => to.apply(encodeBatch(batch));
const u8 = Uint8Array.of.bind(Uint8Array);

test("one write per client: messages first, then state; nothing for who has nothing", () => {
  const shard = feed();
  const [a, b] = [new Output(), new Output()];
  shard.add(1, a);
  shard.add(2, b);
  apply(shard, {
    tick: 7,
    topics: [{ topic: 0, full: u8(0, 9) }],
    sessions: [
      {
        attach: 1,
        slots: [[2, 1]],
        messages: [{ seq: 1, index: 3, payload: u8(5) }],
        ack: 4,
      },
    ],
  });
  assert.equal(a.writes.length, 1);
  assert.deepEqual(a.items(), [
    [2, 1, 3, u8(5)],
    [3, 4, 7],
    [1, u8(7, 1, 1, 2, 1, 0b100, 0, 9)],
  ]);
  assert.equal(a.appliedSeq, 4);
  assert.equal(b.writes.length, 0);
});

test("slots share topics; a fresh slot takes the full section, others the delta", () => {
  const shard = feed();
  const [a, b] = [new Output(), new Output()];
  shard.add(1, a);
  apply(shard, {
    tick: 1,
    topics: [{ topic: 5, full: u8(0xf1) }],
    sessions: [{ attach: 1, slots: [[0, 6]] }],
  });
  a.items();
  shard.add(2, b);
  apply(shard, {
    tick: 2,
    topics: [{ topic: 5, full: u8(0xf2), delta: u8(0xd2) }],
    sessions: [{ attach: 2, slots: [[9, 6]] }],
  });
  assert.deepEqual(a.items(), [[1, u8(2, 0, 1, 0xd2)]]);
  assert.deepEqual(b.items(), [[1, u8(2, 1, 1, 9, 6, 0, 0b10, 0xf2)]]);
  apply(shard, {
    tick: 3,
    topics: [{ topic: 5, full: u8(0xf3), delta: u8(0xd3) }],
    sessions: [{ attach: 1, full: true }],
  });
  assert.deepEqual(a.items(), [[1, u8(3, 8, 1, 0xf3)]]);
  assert.deepEqual(b.items(), [[1, u8(3, 0, 0, 0b10, 0xd3)]]);
});

test("a topic freed by its last holder and taken by another in one batch keeps its sections", () => {
  const shard = feed();
  const [a, b] = [new Output(), new Output()];
  shard.add(1, a);
  shard.add(2, b);
  apply(shard, {
    tick: 1,
    topics: [{ topic: 5, full: u8(0xf1) }],
    sessions: [{ attach: 1, slots: [[0, 6]] }],
  });
  apply(shard, {
    tick: 2,
    topics: [{ topic: 5, full: u8(0xf2) }],
    sessions: [
      { attach: 1, slots: [[0, 0]] },
      { attach: 2, slots: [[0, 6]] },
    ],
  });
  assert.deepEqual(b.items(), [[1, u8(2, 1, 1, 0, 6, 1, 0xf2)]]);
  shard.remove(2);
  shard.remove(1);
  apply(shard, { tick: 3, topics: [{ topic: 8, delta: u8(1) }] });
  assert.equal(shard.topicCount, 0);
});

test("dilation is told once to everyone, and to who comes later", () => {
  const shard = feed();
  const [a, b] = [new Output(), new Output()];
  shard.add(1, a);
  apply(shard, { tick: 1, dilation: 500 });
  apply(shard, { tick: 2 });
  assert.deepEqual(a.items(), [[1, u8(1, 4, 0xf4, 3)]]);
  shard.add(2, b);
  apply(shard, { tick: 3 });
  assert.deepEqual(a.items(), []);
  assert.deepEqual(b.items(), [[1, u8(3, 4, 0xf4, 3)]]);
});

test("a backlogged client gets no state, asks once when drained, and then everything", () => {
  const counters = feedCounters();
  const shard = feed(counters);
  const a = new Output();
  shard.add(1, a);
  apply(shard, {
    tick: 1,
    topics: [
      { topic: 5, full: u8(0xf5) },
      { topic: 6, full: u8(0xf6) },
    ],
    sessions: [
      {
        attach: 1,
        slots: [
          [0, 6],
          [1, 7],
        ],
      },
    ],
  });
  a.items();
  a.backlogBytes = 1001;
  apply(shard, {
    tick: 2,
    topics: [
      { topic: 5, delta: u8(0xd5) },
      { topic: 7, full: u8(0xf7) },
    ],
    sessions: [
      {
        attach: 1,
        slots: [
          [1, 0],
          [2, 8],
        ],
        ack: 3,
      },
    ],
  });
  assert.deepEqual(a.items(), [[3, 3, 2]], "reliable messages still go out");
  assert.equal(counters.conflated, 1);
  a.backlogBytes = 500;
  apply(shard, { tick: 3, topics: [{ topic: 5, delta: u8(0xd5) }] });
  apply(shard, { tick: 4, topics: [{ topic: 5, delta: u8(0xd5) }] });
  assert.deepEqual(a.items(), []);
  assert.equal(a.resyncs, 1);
  apply(shard, {
    tick: 5,
    topics: [
      { topic: 5, full: u8(0xf5), delta: u8(0xd5) },
      { topic: 7, full: u8(0xf7) },
    ],
    sessions: [{ attach: 1, full: true }],
  });
  // Slot 1 is freed, slots 0 and 2 assigned; then both in full.
  assert.deepEqual(a.items(), [[1, u8(5, 1 | 8, 3, 1, 0, 0, 6, 2, 8, 0b101, 0xf5, 0xf7)]]);
});

test("reliable messages beyond the bound end the connection", () => {
  const shard = feed();
  const a = new Output();
  shard.add(1, a);
  a.backlogBytes = 5001;
  apply(shard, {
    tick: 1,
    sessions: [{ attach: 1, messages: [{ seq: 1, index: 0, payload: u8() }] }],
  });
  assert.equal(a.overflows, 1);
  assert.equal(a.writes.length, 0);
});

test("watchers get sections, entries of unknown attachments are read past", () => {
  const shard = feed();
  const watcher = new Output("sections");
  shard.add(3, watcher);
  apply(shard, {
    tick: 1,
    topics: [{ topic: 0, full: u8(1, 2) }],
    sessions: [
      {
        attach: 99,
        slots: [[0, 1]],
        private: u8(0),
        messages: [{ seq: 1, index: 0, payload: u8(1) }],
      },
      { attach: 3, slots: [[0, 1]] },
    ],
  });
  assert.deepEqual(watcher.sections, [{ tick: 1, sections: [{ topic: 0, bytes: u8(1, 2) }] }]);
  shard.remove(3);
  assert.equal(shard.topicCount, 0);
});

test("malformed batches throw DecodeError and nothing else", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const shard = feed();
      shard.add(1, new Output());
      try {
        shard.apply(bytes);
      } catch (error) {
        assert.ok(error instanceof DecodeError);
      }
    }),
    { numRuns: 500 },
  );
});

/** A full section: one entity whose id says the topic and whose x says the tick. */
function section(topic: number, tick: number, previous: number): Uint8Array {
  const writer = new ByteWriter();
  writer.u8((1 << 4) | previous);
  writer.varint((1 << 2) | (previous === 0 ? 1 : 0));
  writer.varint(0);
  if (previous === 0) writer.varint(100 + topic);
  writer.u8(tick);
  return writer.finish();
}

test("whatever the socket does, a mirror that follows the frames sees the newest state", () => {
  const definition = compileDefinition(
    defineWorld({ name: "w", components: { c: { x: uint(255) } } }).data,
  );
  const step = fc.record({
    slow: fc.boolean(),
    slots: fc.array(fc.tuple(fc.nat(5), fc.nat(4)), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      const shard = feed();
      const output = new Output();
      const mirror = new WorldMirror(definition);
      shard.add(1, output);
      const held = new Map<number, number>();
      let answered = 0;
      const tickOnce = (tick: number, slots: readonly (readonly [number, number])[]): void => {
        const changes: [number, number][] = [];
        for (const [slot, topic] of slots) {
          if ([...held.values()].includes(topic) || held.get(slot) === topic) continue;
          if (held.has(slot)) changes.push([slot, 0]);
          held.delete(slot);
          if (topic === 0) continue;
          held.set(slot, topic);
          changes.push([slot, topic + 1]);
        }
        const full = output.resyncs > answered;
        answered = output.resyncs;
        apply(shard, {
          tick,
          topics: [1, 2, 3, 4].map((topic) => ({
            topic,
            delta: section(topic, tick, 1),
            full: section(topic, tick, 0),
          })),
          sessions: [{ attach: 1, slots: changes, ...(full ? { full } : {}) }],
        });
        for (const item of output.items()) {
          assert.ok(Array.isArray(item) && item[1] instanceof Uint8Array);
          assert.equal(mirror.apply(item[1]).gap, false);
        }
      };
      let tick = 0;
      for (const { slow, slots } of steps) {
        output.backlogBytes = slow ? 1001 : 0;
        tickOnce(++tick, slots);
      }
      output.backlogBytes = 0;
      for (let i = 0; i < 3; i++) tickOnce(++tick, []);
      const seen = [...mirror.entities.values()].map(({ id, ["c"]: c }) => [id, c]);
      const expected = [...held.values()].map((topic) => [100 + topic, { x: tick }]);
      const byId = (p: readonly unknown[], q: readonly unknown[]) => Number(p[0]) - Number(q[0]);
      assert.deepEqual(seen.sort(byId), expected.sort(byId));
    }),
    { numRuns: 300 },
  );
});
