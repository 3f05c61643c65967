import assert from "node:assert/strict";
import { test } from "node:test";
import { createNoopMeter, SpanStatusCode, trace } from "@opentelemetry/api";
import { observeProxy, ProxyCounters } from "../metrics.ts";
import { testTracing } from "../testing/test-tracing.ts";
import { MessageTracer } from "./message-tracer.ts";

const facts = { world: "arena", session: 3, transport: "udp" };
const lost = (message: string) => ({ code: SpanStatusCode.ERROR, message });

test("one in so many messages is chosen, by chance", () => {
  let seed = 1;
  const random = {
    bytes: (count: number) => {
      // A multiplicative generator: the test is the same every time.
      seed = (seed * 48_271) % 2_147_483_647;
      const bytes = new Uint8Array(count);
      new DataView(bytes.buffer).setUint32(0, seed * 2);
      return bytes;
    },
  };
  const { tracing } = testTracing(new ProxyCounters(), { sampleOneIn: 50, random });
  const chosen: number[] = [];
  for (let n = 0; n < 100_000; n++) if (tracing.choose()) chosen.push(n);
  assert.ok(chosen.length > 1800 && chosen.length < 2200, `${chosen.length} of 2000`);
  const gaps = new Set(chosen.map((n, i) => n - (chosen[i - 1] ?? 0)));
  assert.ok(gaps.size > 50, "the distances differ");
});

test("the ends of chance: no number makes a distance below 1 or one without end", () => {
  for (const fill of [0, 255]) {
    const random = { bytes: (count: number) => new Uint8Array(count).fill(fill) };
    const { tracing } = testTracing(new ProxyCounters(), { sampleOneIn: 1000, random });
    let n = 1;
    while (!tracing.choose()) n += 1;
    assert.ok(n >= 1 && n < 30_000, `${n}`);
  }
});

test("with one in one every message is chosen, with none tracing is off", () => {
  const counters = new ProxyCounters();
  const { tracing } = testTracing(counters);
  assert.deepEqual([tracing.on, tracing.choose(), tracing.choose()], [true, true, true]);
  assert.equal(testTracing(counters, { sampleOneIn: 0 }).tracing.on, false);
});

test("a span has the message's facts and its time from arrival to leaving", () => {
  const counters = new ProxyCounters();
  const { tracing, time, spans } = testTracing(counters);
  const message = tracing.begin(12, facts);
  time.now += 4;
  message?.note({ shard: "arena/0", attach: 8 });
  message?.left();
  const [span] = spans();
  assert.equal(span?.name, "player.message");
  assert.equal(span.parentSpanContext, undefined);
  assert.deepEqual(span.attributes, { ...facts, seq: 12, shard: "arena/0", attach: 8 });
  assert.deepEqual(span.duration, [0, 4_000_000]);
  assert.equal(span.status.code, SpanStatusCode.UNSET);
  assert.equal(counters.messagesTraced, 1);
});

test("kept messages go on with their player, or end with it", () => {
  const { tracing, spans } = testTracing(new ProxyCounters());
  const [anna, bert] = [{}, {}];
  for (const [owner, seq] of [
    [anna, 1],
    [anna, 2],
    [bert, 1],
  ] as const) {
    const message = tracing.begin(seq, facts);
    assert.ok(message !== undefined);
    tracing.keep(owner, message);
  }
  assert.equal(tracing.takeKept(anna, 7), undefined);
  tracing.takeKept(anna, 2)?.left();
  assert.equal(tracing.takeKept(anna, 2), undefined, "once");
  tracing.dropKept(anna, "the player is gone");
  assert.deepEqual(
    spans().map(({ attributes, status }) => [attributes["seq"], attributes["kept"], status]),
    [
      [2, true, { code: SpanStatusCode.UNSET }],
      [1, true, lost("the player is gone")],
    ],
  );
  tracing.stop();
  assert.deepEqual(spans()[2]?.status, lost("the proxy stopped"));
});

test("no more than so many spans are open, and none stays open", () => {
  const counters = new ProxyCounters();
  const { tracing, spans } = testTracing(counters);
  const open = Array.from({ length: 260 }, (_, seq) => tracing.begin(seq, facts));
  assert.deepEqual([counters.messagesTraced, counters.tracesLeftOut], [256, 4]);
  assert.equal(open[256], undefined);
  open[0]?.left();
  assert.ok(tracing.begin(300, facts) !== undefined, "there is room again");
  tracing.stop();
  assert.equal(spans().length, 257);
  observeProxy(createNoopMeter(), counters);
});

test("a tracer that makes nothing makes no marks", () => {
  const counters = new ProxyCounters();
  const tracing = new MessageTracer(
    { sampleOneIn: 1 },
    {
      tracer: trace.getTracer("none"),
      random: { bytes: (count) => new Uint8Array(count) },
      counters,
      unixMs: () => 0,
    },
  );
  assert.equal(tracing.begin(1, facts), undefined);
  assert.equal(counters.messagesTraced, 0);
});
