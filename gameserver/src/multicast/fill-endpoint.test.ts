import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { FillEndpoint, MAX_WAITING, REQUESTS_PER_SECOND } from "./fill-endpoint.ts";
import { MulticastStats } from "./multicast-stats.ts";
import { WorldWatch } from "./world-watch.ts";

interface Asked {
  topic: string;
  run: number | undefined;
  after: number | undefined;
}

/** A watch that notes what it is asked for, and answers when it is told to. */
class NotingWatch extends WorldWatch {
  readonly asked: Asked[] = [];
  answer: Awaited<ReturnType<WorldWatch["fill"]>> | undefined;

  constructor(clock: SimClock) {
    const nothing = () => undefined;
    super(
      { server: "g", world: "w", topics: [], authorized: false },
      {
        clock,
        toShard: nothing,
        publish: nothing,
        tooLarge: nothing,
        nextAttach: () => 1,
        nextRun: () => 1,
        refused: nothing,
      },
    );
  }

  override fill(topic: string, run?: number, after?: number): ReturnType<WorldWatch["fill"]> {
    this.asked.push({ topic, run, after });
    return this.answer === undefined ? new Promise(() => undefined) : Promise.resolve(this.answer);
  }
}

function setup() {
  const clock = new SimClock();
  const stats = new MulticastStats();
  const watch = new NotingWatch(clock);
  const world = (name: string) => (name === "arena" ? watch : undefined);
  const endpoint = new FillEndpoint({ clock, stats, world });
  const ask = async (path: string) => {
    const { status, body } = await endpoint.answer(path);
    return `${status} ${Buffer.from(body).toString()}`.trim();
  };
  return { clock, stats, watch, endpoint, ask };
}

test("paths name world, topic and number; what is not one is refused in a sentence", async () => {
  const { watch, stats, ask } = setup();
  watch.answer = {
    ok: true,
    filling: { full: true, items: [Uint8Array.of(65), Uint8Array.of(66)] },
  };
  assert.equal(await ask("/multicast/arena/cell/3,4?run=7&after=42"), "200 AB");
  assert.equal(await ask("/multicast/arena/cell/3%2C4"), "200 AB");
  assert.deepEqual(watch.asked, [
    { topic: "cell/3,4", run: 7, after: 42 },
    { topic: "cell/3,4", run: undefined, after: undefined },
  ]);
  assert.match(await ask("/multicast/none/x"), /^404 no topic of this world is multicast/);
  assert.match(await ask("/multicast/arena"), /^503 the definition is not known yet/);
  for (const path of [
    "/multicast",
    "/multicast/",
    "/multicast/arena/x?after=-1",
    "/multicast/arena/x?run=1.5",
    "/multicast/arena/x?after=99999999999999999",
    "/multicast/%00/x",
  ])
    assert.match(await ask(path), /^400 ask for \/multicast\/WORLD/, path);
  assert.deepEqual([stats.fills, stats.fullFills, stats.refusals], [2, 2, 8]);
});

test("every refusal of a watch has its code and sentence", async () => {
  const { watch, ask } = setup();
  const expected = [
    ["unknown-topic", /^404 this topic is not multicast/],
    ["not-running", /^503 the topic cannot be followed now/],
    ["too-large", /^503 the topic's full state is above 1 MiB/],
    ["too-late", /^503 the world did not give its full state/],
  ] as const;
  for (const [reason, pattern] of expected) {
    watch.answer = { ok: false, reason };
    assert.match(await ask("/multicast/arena/x"), pattern);
  }
});

test("requests are bounded per second, and those that wait in number", async () => {
  const { clock, watch, endpoint, ask } = setup();
  const waiting = Array.from({ length: MAX_WAITING }, () => endpoint.answer("/multicast/arena/x"));
  assert.equal(waiting.length, watch.asked.length);
  assert.match(await ask("/multicast/arena/x"), /^503 64 requests wait already/);
  for (let n = MAX_WAITING + 1; n < REQUESTS_PER_SECOND; n++)
    assert.match(await ask("/multicast/none"), /^404/);
  assert.match(await ask("/multicast/none"), /^429 more than 200 requests/);
  clock.advance(1_000);
  assert.match(await ask("/multicast/none"), /^404/);
});

test("over HTTP: type, no caching, no connection kept", async (t) => {
  const { watch, endpoint } = setup();
  watch.answer = { ok: true, filling: { full: false, items: [] } };
  const server = createServer((request, response) => endpoint.handle(request, response));
  t.after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const base = `http://127.0.0.1:${address.port}/multicast`;
  const found = await fetch(`${base}/arena/x`);
  assert.equal(found.headers.get("content-type"), "application/cbor-seq");
  assert.equal(found.headers.get("connection"), "close");
  watch.answer = { ok: false, reason: "too-late" };
  const refused = await fetch(`${base}/arena/x`);
  assert.deepEqual([refused.status, refused.headers.get("retry-after")], [503, "1"]);
});

test("a node that may not act tells nobody what its worlds hold", async () => {
  const clock = new SimClock();
  const watch = new NotingWatch(clock);
  watch.answer = { ok: true, filling: { items: [new Uint8Array([65])], full: true } };
  let mayAct = true;
  const endpoint = new FillEndpoint({
    clock,
    stats: new MulticastStats(),
    world: () => watch,
    mayAct: () => mayAct,
  });
  assert.equal((await endpoint.answer("/multicast/arena/scores")).status, 200);
  const asked = endpoint.answer("/multicast/arena/scores");
  mayAct = false;
  assert.equal((await asked).status, 503);
});
