import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { ClientWorld } from "@atlasnet/client";
import { reached } from "@atlasnet/core/testing";
import { OtlpCollector } from "./otlp-collector.ts";
import type { SentSpan } from "./otlp-spans.ts";
import type { ServerForm } from "./server-forms.ts";
import { definition } from "./traced-world.ts";
import { type Settings, Workplace } from "./workplace.ts";

type Traced = NonNullable<typeof definition.spec>;
const WORLD = fileURLToPath(new URL("./traced-world.js", import.meta.url));
const MESSAGES = 5;

/** What every form of server has to do about traces. */
export function tracingSuite(form: ServerForm): void {
  const run = async (t: TestContext, settings: Settings) => {
    const collector = await OtlpCollector.start(t);
    const place = await Workplace.create(t);
    const server = await form.start(place, {
      worlds: `traced=${WORLD}`,
      "telemetry.otlpEndpoint": collector.endpoint,
      ...settings,
    });
    const client = server.client("tcp");
    const world = await client.join(definition, { world: "traced" });
    return { collector, server, client, world };
  };

  test(`${form.name}, one trace from a client's message to the tick that applied it`, async (t) => {
    const { collector, server, client, world } = await run(t, { "telemetry.sampleOneIn": "1" });
    const ticks = await ask(world);
    world.send("fail", {});
    await ask(world);
    client.close();
    await server.stop();

    const messages = collector.spans("player.message");
    assert.equal(messages.length, 2 * MESSAGES + 1);
    for (const [n, tick] of ticks) {
      const seq = n + 1;
      const message = bySeq(messages, seq);
      const receive = bySeq(collector.spans("shard.receive"), seq);
      const apply = bySeq(collector.spans("shard.apply"), seq);
      assert.match(message.traceId, /^[0-9a-f]{32}$/);
      assert.deepEqual(
        [receive.traceId, apply.traceId],
        [message.traceId, message.traceId],
        "one trace",
      );
      assert.deepEqual(
        [message.parentSpanId, receive.parentSpanId, apply.parentSpanId],
        ["", message.spanId, receive.spanId],
        "each below the one before it",
      );
      assert.deepEqual(
        [message.service, receive.service, apply.service],
        [form.services.proxy, form.services.gameserver, form.services.gameserver],
      );
      for (const { attributes } of [message, receive, apply])
        assert.deepEqual([attributes["world"], attributes["shard"]], ["traced", "traced/0"]);
      assert.deepEqual([apply.attributes["tick"], apply.attributes["outcome"]], [tick, "applied"]);
      assert.equal(apply.attributes["session"], message.attributes["session"]);
      for (const { start, end, status } of [message, receive, apply]) {
        assert.ok(start <= end);
        assert.equal(status, 0);
      }
      assert.ok(message.start <= receive.start && receive.start <= apply.start, "in this order");
    }
    const failed = bySeq(collector.spans("shard.apply"), MESSAGES + 1);
    assert.deepEqual([failed.attributes["outcome"], failed.status], ["faulted", 2]);
    assert.equal(new Set(messages.map(({ traceId }) => traceId)).size, messages.length);
    assert.equal(collector.spans("player.attach").length, 1);
  });

  test(`${form.name}, with 0 no message is traced`, async (t) => {
    const { collector, server, client, world } = await run(t, { "telemetry.sampleOneIn": "0" });
    await ask(world);
    client.close();
    await server.stop();
    assert.equal(collector.spans("player.attach").length, 1, "traces do get sent");
    assert.deepEqual(collector.spans("player.message"), []);
    assert.deepEqual(collector.spans("shard.receive"), []);
  });
}

/** Asks for the tick several times, one at a time; the tick of each answer by its number. */
async function ask(world: ClientWorld<Traced>): Promise<ReadonlyMap<number, number>> {
  const ticks = new Map<number, number>();
  world.onMessage("tick", ({ n, tick }) => ticks.set(n, tick));
  for (let n = 0; n < MESSAGES; n++) {
    world.send("ask", { n });
    await reached(() => ticks.size > n);
  }
  // What comes later is not of these questions.
  return new Map(ticks);
}

function bySeq(spans: readonly SentSpan[], seq: number): SentSpan {
  const found = spans.filter(({ attributes }) => attributes["seq"] === seq);
  assert.equal(found.length, 1, `one span for message ${seq}`);
  const [span] = found;
  assert.ok(span !== undefined);
  return span;
}
