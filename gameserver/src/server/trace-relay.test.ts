import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeTraceMarks, encodeTraceMarks, type TraceMark, type Upstream } from "@atlasnet/core";
import { SpanStatusCode } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { TraceRelay } from "./trace-relay.ts";

const ms = ([seconds, nanos]: [number, number]) => seconds * 1000 + nanos / 1_000_000;
const place = { world: "arena", shard: "arena/0", proxy: "p1" };
const first: TraceMark = {
  attach: 4,
  n: 9,
  traceId: "0af7651916cd43dd8448eb211c80319c",
  spanId: "b7ad6b7169203331",
};
const second: TraceMark = { ...first, n: 10, traceId: "1af7651916cd43dd8448eb211c80319c" };

function upstream(trace: Uint8Array): Upstream {
  return { type: "upstream", shard: "arena/0", epoch: 3, batch: Uint8Array.of(1), trace };
}

function traced() {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  const time = { now: 1_700_000_000_000 };
  const relay = new TraceRelay({ tracer: provider.getTracer("test"), unixMs: () => time.now });
  return { relay, time, spans: () => exporter.getFinishedSpans() };
}

test("receive and apply stand below the proxy's span, each with its times", () => {
  const { relay, time, spans } = traced();
  const relayed = relay.receive(upstream(encodeTraceMarks([first, second])), place);
  assert.ok(relayed?.message.trace !== undefined);
  assert.deepEqual(spans(), [], "not posted yet");
  time.now += 2;
  relayed.posted();
  const [receive, other] = spans();
  assert.equal(receive?.name, "shard.receive");
  assert.equal(receive.spanContext().traceId, first.traceId);
  assert.equal(receive.parentSpanContext?.spanId, first.spanId);
  assert.equal(other?.spanContext().traceId, second.traceId);
  assert.deepEqual(receive.attributes, { ...place, epoch: 3, attach: 4, seq: 9 });
  assert.equal(ms(receive.duration), 2);

  const [mark] = decodeTraceMarks(relayed.message.trace);
  assert.ok(mark !== undefined);
  assert.deepEqual([mark.attach, mark.n, mark.traceId], [4, 9, first.traceId]);
  const receivedAt = time.now + 1;
  relay.decided("arena", "arena/0", 3, {
    reports: [{ mark, session: 2, receivedAt, tick: 77, outcome: "applied" }],
    decidedAt: receivedAt + 12.5,
  });
  const apply = spans()[2];
  assert.equal(apply?.name, "shard.apply");
  assert.equal(apply.spanContext().traceId, first.traceId);
  assert.equal(apply.parentSpanContext?.spanId, receive.spanContext().spanId);
  assert.deepEqual(apply.attributes, {
    world: "arena",
    shard: "arena/0",
    epoch: 3,
    tick: 77,
    attach: 4,
    seq: 9,
    session: 2,
    outcome: "applied",
  });
  assert.equal(ms(apply.startTime), receivedAt);
  assert.equal(ms(apply.duration), 12.5);
  assert.equal(apply.status.code, SpanStatusCode.UNSET);
});

test("what was not applied is an error that says so", () => {
  const { relay, spans } = traced();
  for (const outcome of ["gap", "refused", "faulted"] as const)
    relay.decided("arena", "arena/0", 3, {
      reports: [{ mark: first, session: undefined, receivedAt: 5, tick: 1, outcome }],
      decidedAt: 6,
    });
  assert.deepEqual(
    spans().map(({ status }) => status),
    ["gap", "refused", "faulted"].map((message) => ({ code: SpanStatusCode.ERROR, message })),
  );
});

test("without a tracer the marks go no further", () => {
  const relay = new TraceRelay({ tracer: undefined, unixMs: () => 0 });
  const message = upstream(encodeTraceMarks([first]));
  const relayed = relay.receive(message, place);
  assert.ok(relayed !== undefined);
  assert.deepEqual(Object.keys(relayed.message), ["type", "shard", "epoch", "batch"]);
  assert.ok(message.trace !== undefined, "what came over the link is not changed");
  relayed.posted();
});

test("marks that are not of their form are the peer's fault, traced or not", () => {
  for (const relay of [traced().relay, new TraceRelay({ tracer: undefined, unixMs: () => 0 })])
    assert.equal(relay.receive(upstream(Uint8Array.of(1, 2, 3)), place), undefined);
});
