import assert from "node:assert/strict";
import { test } from "node:test";
import { SpanStatusCode } from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { AttachTrace } from "./attach-trace.ts";

function traced() {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(exporter)],
  });
  return { exporter, trace: new AttachTrace(provider.getTracer("test"), "framed") };
}

const hello = {
  v: 1,
  world: "arena",
  stream: new Uint8Array(8),
  attempt: 0,
  firstUnacked: 1,
  lastReceived: 0,
};

test("a span goes from the hello to the welcome", () => {
  const { exporter, trace } = traced();
  trace.note({ type: "identify", hello: { ...hello, ticket: "t" } });
  assert.equal(exporter.getFinishedSpans().length, 0);
  trace.note({ type: "release" });
  const [span] = exporter.getFinishedSpans();
  assert.equal(span?.name, "player.attach");
  assert.deepEqual(span?.attributes, { world: "arena", by: "ticket", transport: "framed" });
  assert.equal(span?.status.code, SpanStatusCode.UNSET);
});

test("a refusal is an error with its code", () => {
  const { exporter, trace } = traced();
  trace.note({ type: "identify", hello });
  trace.note({ type: "close", code: "world-full", reason: "" });
  const [span] = exporter.getFinishedSpans();
  assert.deepEqual(span?.status, { code: SpanStatusCode.ERROR, message: "world-full" });
});
