import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeTraceMarks, type LinkMessage, noopLogger } from "@atlasnet/core";
import { SimClock } from "@atlasnet/core/sim";
import { SpanStatusCode } from "@opentelemetry/api";
import { defaultLimits } from "../limits.ts";
import { ProxyCounters } from "../metrics.ts";
import { markOf, messageItem, testTracing } from "../testing/test-tracing.ts";
import { ShardPort } from "./shard-port.ts";

/** A port before a link that a test plays by hand. */
function open() {
  const counters = new ProxyCounters();
  const clock = new SimClock();
  const sent: LinkMessage[] = [];
  const link = { room: true, drain: () => {} };
  const port = new ShardPort(
    { shard: "s", epoch: 5, limits: defaultLimits },
    {
      channel: {
        name: "shard:s",
        send: (message) => {
          sent.push(message);
          return link.room;
        },
        onMessage: () => {},
        onDrain: (handler) => {
          link.drain = handler;
        },
      },
      clock,
      counters,
      logger: noopLogger,
      nextAttach: () => 1,
      broken: () => {},
      moving: () => undefined,
    },
  );
  const { tracing, spans } = testTracing(counters);
  const say = (n: number) => port.upstream(7, messageItem(n), tracing.begin(n, {}));
  const flush = () => clock.advance(defaultLimits.upstreamFlushMs);
  const marks = () =>
    sent.flatMap((message) =>
      message.type === "upstream"
        ? [message.trace === undefined ? [] : decodeTraceMarks(message.trace)]
        : [],
    );
  return { port, link, counters, tracing, spans, say, flush, marks, sent };
}

test("the marks of traced messages travel in their batch, and their spans end with it", () => {
  const { port, spans, say, flush, marks, sent } = open();
  port.upstream(7, messageItem(1));
  say(2);
  assert.deepEqual(spans(), []);
  flush();
  assert.deepEqual(marks(), [[markOf(spans()[0], 7)]]);
  assert.deepEqual(spans()[0]?.attributes, { seq: 2, shard: "s", attach: 7 });
  port.upstream(7, messageItem(3));
  flush();
  assert.deepEqual(Object.keys(sent[1] ?? {}), ["type", "shard", "epoch", "batch"]);
});

test("a batch has so many marks; further messages are traced here only", () => {
  const { counters, spans, say, flush, marks } = open();
  for (let n = 1; n <= 18; n++) say(n);
  flush();
  assert.equal(marks()[0]?.length, 16);
  assert.equal(spans().length, 18);
  assert.equal(counters.tracesLeftOut, 2);
});

test("what waits for a full link says so", () => {
  const { port, link, spans, say, flush, marks } = open();
  link.room = false;
  port.upstream(7, messageItem(1));
  flush();
  say(2);
  flush();
  assert.deepEqual(spans(), []);
  link.room = true;
  link.drain();
  assert.equal(spans()[0]?.attributes["congested"], true);
  assert.deepEqual(marks()[1], [markOf(spans()[0], 7)]);
});

test("a batch that is lost ends its spans with the reason", () => {
  const { port, spans, say, tracing } = open();
  say(1);
  port.advance(6);
  say(2);
  port.close();
  say(3);
  const gone = "the link to the gameserver is gone";
  assert.deepEqual(
    spans().map(({ status }) => status),
    ["the world moved on to another epoch", gone, gone].map((message) => ({
      code: SpanStatusCode.ERROR,
      message,
    })),
  );
  tracing.stop();
  assert.equal(spans().length, 3, "none was left open");
});
