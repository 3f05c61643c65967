import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeTraceMarks, type TraceMark, UpstreamBatch, UpstreamKind } from "@atlasnet/core";
import { ByteWriter, DecodeError } from "@atlasnet/world";
import { createGuard } from "../host/guard.ts";
import { streamOf, type TestClient, TestShard } from "../testing/test-shard.ts";
import { MAX_TRACED_MESSAGES } from "./message-traces.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

function mark(client: TestClient, n: number): TraceMark {
  return { attach: client.attach, n, traceId, spanId };
}

/** Sends messages with these numbers in one batch, with a mark for each. */
function say(test: TestShard, client: TestClient, numbers: readonly number[], words = "hi"): void {
  const batch = new UpstreamBatch();
  const say = test.definition.clientMessages.find(({ name }) => name === "say");
  assert.ok(say !== undefined);
  for (const n of numbers) {
    const writer = new ByteWriter();
    say.codec.encode(writer, say.codec.check({ text: words }, "say"));
    batch.add(client.attach, UpstreamKind.message, n, say.index, writer.finish());
  }
  const trace = encodeTraceMarks(numbers.map((n) => mark(client, n)));
  const message = { type: "upstream", ...test.address, batch: batch.take(), trace } as const;
  test.shard.receive(client.peer, message, 1234.5);
}

test("a traced message is reported with the tick that applied it", () => {
  const test = new TestShard();
  const anna = test.join("anna");
  say(test, anna, [1]);
  assert.deepEqual(test.shard.takeTraces(), [], "not before its tick");
  const { tick } = test.tick();
  assert.deepEqual(test.shard.takeTraces(), [
    {
      mark: mark(anna, 1),
      session: anna.session,
      receivedAt: 1234.5,
      tick,
      outcome: "applied",
    },
  ]);
  assert.deepEqual(test.shard.takeTraces(), [], "once");
});

test("duplicates, gaps and messages of nobody", () => {
  const test = new TestShard({ hasTick: false });
  const anna = test.join("anna");
  say(test, anna, [1, 1, 3]);
  test.tick();
  const outcomes = () => test.shard.takeTraces().map(({ outcome, session }) => [outcome, session]);
  assert.deepEqual(outcomes(), [
    ["applied", anna.session],
    ["duplicate", anna.session],
    ["gap", anna.session],
  ]);
  anna.detach();
  say(test, anna, [2]);
  test.tick();
  assert.deepEqual(outcomes(), [["refused", anna.session]], "the attachment ended before its turn");
  say(test, anna, [3]);
  assert.deepEqual(outcomes(), [["refused", undefined]], "at once: no tick is made for a trace");
  assert.equal(test.shard.busy, false);
});

test("a handler that fails, one that is cut off, and a malformed message", () => {
  let fail = (): void => {
    throw new Error("broken");
  };
  const guard = createGuard(50, () => performance.now());
  let limited = false;
  const test = new TestShard({
    hooks: { say: () => fail() },
    // Only where it is meant to strike: elsewhere a busy machine could take a tick for an endless one.
    guard: (run) => {
      if (limited) return guard(run);
      run();
      return "done";
    },
  });
  const anna = test.join("anna");
  const outcome = (n: number) => {
    say(test, anna, [n]);
    test.tick();
    return test.shard.takeTraces().map((report) => report.outcome);
  };
  assert.deepEqual(outcome(1), ["faulted"]);
  fail = () => {
    throw new DecodeError("not of its form");
  };
  assert.deepEqual(outcome(2), ["refused"]);
  const bert = test.join("bert");
  limited = true;
  fail = () => {
    for (;;);
  };
  say(test, bert, [1]);
  const { faults } = test.tick();
  assert.deepEqual(
    faults.map(({ kind, session }) => [kind, session]),
    [["time-limit", bert.session]],
  );
  assert.deepEqual(
    test.shard.takeTraces().map((report) => report.outcome),
    ["faulted"],
  );
});

test("of another epoch, or of a world that was replaced: refused", () => {
  const test = new TestShard();
  const anna = test.join("anna");
  say(test, anna, [1]);
  test.shard.takeWorldEvents();
  assert.deepEqual(
    test.shard.takeTraces().map(({ outcome }) => outcome),
    ["refused"],
  );
  test.shard.receive(anna.peer, {
    type: "upstream",
    shard: "puppet/0",
    epoch: 99,
    batch: new Uint8Array(0),
    trace: encodeTraceMarks([mark(anna, 2)]),
  });
  assert.deepEqual(
    test.shard.takeTraces().map(({ outcome }) => outcome),
    ["refused"],
  );
});

test("marks that are not of their form drop the batch", () => {
  const test = new TestShard({ hasTick: false });
  const anna = test.join("anna");
  const batch = new UpstreamBatch();
  batch.add(anna.attach, UpstreamKind.ack, 0);
  test.shard.receive(anna.peer, {
    type: "upstream",
    ...test.address,
    batch: batch.take(),
    trace: Uint8Array.of(1, 2, 3),
  });
  assert.equal(test.shard.malformed, 1);
  assert.equal(test.shard.busy, false);
});

test("no more than so many are followed", () => {
  const test = new TestShard();
  const anna = test.join("anna");
  for (let n = 1; n <= MAX_TRACED_MESSAGES + 3; n++) say(test, anna, [n]);
  assert.equal(test.shard.untraced, 3);
  test.tick();
  assert.equal(test.shard.takeTraces().length, MAX_TRACED_MESSAGES);
  assert.equal(anna.acked, MAX_TRACED_MESSAGES + 3, "the messages themselves are all taken");
});

test("state, journal and answers are the same to the byte with and without traces", () => {
  const run = (traced: boolean) => {
    const test = new TestShard();
    const anna = test.attach("anna", { stream: streamOf(1) });
    const deltas: string[] = [];
    const messages: unknown[] = [];
    for (let n = 0; n < 20; n++) {
      if (n > 0 && traced) say(test, anna, [n, n, n + 5], `words ${n}`);
      else if (n > 0) for (const seq of [n, n, n + 5]) anna.say(`words ${n}`, seq);
      const result = test.tick();
      deltas.push(Buffer.from(result.delta).toString("hex"));
      // The attach number is the test's and grows from shard to shard.
      messages.push(
        test.batches.map(({ batch }) => ({ ...batch, sessions: [...batch.sessions.values()] })),
      );
    }
    return { deltas, messages, hash: test.shard.hash() };
  };
  const traced = run(true);
  assert.deepEqual(traced, run(false));
  assert.equal(new Set(traced.deltas).size, 20, "every tick did something");
});
