import assert from "node:assert/strict";
import { test } from "node:test";
import {
  BAD,
  counterOf,
  SimulatedPair,
  type SimulatedSide,
  testItem,
} from "./testing/simulated-pair.ts";

const HELLO = 1;
const MESSAGE = 2;
const INPUT = 5;
const WELCOME = 5;
const UPDATES = 10;
const SEEDS = [1, 2, 3, 4, 5];

/** Joined over a bad network: the client said hello and has its welcome. */
function joined(seed: number): SimulatedPair {
  const pair = new SimulatedPair({ seed, impairment: BAD });
  pair.server.onItem = (item) => {
    if (item[1] === HELLO) pair.server.connection.send(testItem(WELCOME, 0));
  };
  pair.client.connection.send(testItem(HELLO, 0));
  assert.ok(
    pair.run(10_000, () => pair.client.items.length === 1),
    "no welcome",
  );
  return pair;
}

function counters(side: SimulatedSide, message: number): number[] {
  return side.items.filter((item) => item[1] === message).map(counterOf);
}

/** What a client received as `[10, packed]`, where `packed` is a test item. */
function updatesOf(side: SimulatedSide): number[] {
  return side.items
    .filter((item) => item[1] === UPDATES)
    .map((item) => {
      const short = item[2] === 0x58;
      return counterOf(item.subarray(short ? 4 : 5));
    });
}

function upTo(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

/** Sends the counters 0 to `count` − 1, one every `everyMs`. */
function feed(
  pair: SimulatedPair,
  count: number,
  everyMs: number,
  send: (i: number) => void,
): void {
  const { queue } = pair;
  const start = queue.now;
  for (let i = 0; i < count; i++) queue.at(start + i * everyMs, () => send(i));
}

for (const seed of SEEDS) {
  test(`messages arrive all, once, in order, both ways, under load (seed ${seed})`, () => {
    const pair = joined(seed);
    const { client, server } = pair;
    feed(pair, 600, 10, (i) => {
      client.connection.send(testItem(MESSAGE, i, i % 200));
      server.connection.send(testItem(MESSAGE, i, (i * 7) % 900));
    });
    const done = (): boolean =>
      counters(server, MESSAGE).length === 600 && counters(client, MESSAGE).length === 600;
    assert.ok(pair.run(120_000, done), "not all arrived");
    pair.run(1000);
    assert.deepEqual(counters(server, MESSAGE), upTo(600));
    assert.deepEqual(counters(client, MESSAGE), upTo(600));
    assert.ok(server.connection.stats.packetsLost > 0, "the network lost nothing");
  });

  test(`inputs arrive at most once, in order, nearly all (seed ${seed})`, () => {
    const pair = joined(seed);
    feed(pair, 1000, 30, (i) => pair.client.connection.send(testItem(INPUT, i, 20)));
    pair.run(32_000);
    const taken = counters(pair.server, INPUT);
    for (let i = 1; i < taken.length; i++) assert.ok((taken[i] ?? 0) > (taken[i - 1] ?? 0));
    // Of three packets in a row one in 8,000 is lost; jitter makes some come behind a newer one.
    assert.ok(taken.length > 990, `${taken.length} of 1000 inputs`);
    assert.ok(pair.client.connection.stats.inputsRepeated > 1900);
  });

  test(`updates arrive or are reported as lost (seed ${seed})`, () => {
    const pair = joined(seed);
    const { client, server } = pair;
    feed(pair, 800, 15, (i) => {
      server.connection.sendUpdates(testItem(0, i, 100 + ((i * 37) % 1000)), i);
      if (i % 10 === 0) server.connection.send(testItem(MESSAGE, i, 3000));
      if (i % 10 === 0) client.connection.send(testItem(MESSAGE, i));
    });
    pair.run(12_000);
    // What was sent last is followed by nothing that would tell of its loss, but probes.
    const accounted = (): Set<number> => new Set([...updatesOf(client), ...server.lostUpdates]);
    assert.ok(
      pair.run(20_000, () => accounted().size === 800),
      "some neither arrived nor were lost",
    );
    const arrived = updatesOf(client);
    assert.equal(new Set(arrived).size, arrived.length, "some arrived twice");
    assert.equal(new Set(server.lostUpdates).size, server.lostUpdates.length);
    assert.ok(server.lostUpdates.length > 0, "the network lost nothing");
  });
}

test("large items pass both ways, between small ones", () => {
  const pair = joined(6);
  const { client, server } = pair;
  for (const side of [client, server]) {
    side.connection.send(testItem(MESSAGE, 0, 10));
    side.connection.send(testItem(MESSAGE, 1, 200_000));
    side.connection.send(testItem(MESSAGE, 2, 200_000));
    side.connection.send(testItem(MESSAGE, 3, 10));
  }
  const done = (): boolean =>
    counters(server, MESSAGE).length === 4 && counters(client, MESSAGE).length === 4;
  assert.ok(pair.run(120_000, done), "not all arrived");
  for (const side of [client, server]) {
    const large = side.items.filter((item) => item[1] === MESSAGE)[2];
    assert.deepEqual(large, testItem(MESSAGE, 2, 200_000));
  }
});

test("the last message before silence is repaired, and the last input", () => {
  for (const lose of [1, 2, 3]) {
    const pair = joined(lose);
    pair.run(2000);
    pair.impairment = { ...BAD, loss: 0 };
    let toLose = lose;
    pair.toServer = () => toLose-- <= 0;
    pair.client.connection.send(testItem(MESSAGE, 7));
    assert.ok(
      pair.run(10_000, () => counters(pair.server, MESSAGE).length === 1),
      `a message whose first ${lose} packets were lost`,
    );
  }
  const pair = joined(4);
  pair.run(2000);
  pair.impairment = { ...BAD, loss: 0 };
  let toLose = 1;
  pair.toServer = () => toLose-- <= 0;
  const sent = pair.client.connection.stats.packetsOut;
  pair.client.connection.send(testItem(INPUT, 9));
  pair.run(1000);
  assert.deepEqual(counters(pair.server, INPUT), [9]);
  assert.equal(pair.client.connection.stats.packetsOut, sent + 2, "one repeat, and no more");
});

test("the client moves to another address in mid-stream", () => {
  for (const seed of SEEDS) {
    const pair = joined(seed);
    const { client, server } = pair;
    const toNewPath: number[] = [];
    pair.toClient = (packet, path) => {
      if (path === "second" && server.moves.length === 0) toNewPath.push(packet.length);
      return true;
    };
    feed(pair, 400, 20, (i) => {
      client.connection.send(testItem(MESSAGE, i, 50));
      server.connection.send(testItem(MESSAGE, i, 300));
      if (i === 200) pair.clientPath = "second";
    });
    const done = (): boolean =>
      counters(server, MESSAGE).length === 400 && counters(client, MESSAGE).length === 400;
    assert.ok(pair.run(120_000, done), "not all arrived");
    assert.deepEqual(counters(server, MESSAGE), upTo(400));
    assert.deepEqual(counters(client, MESSAGE), upTo(400));
    assert.deepEqual(server.moves, ["second"]);
    // Challenges and nothing else: the new address might be anybody's.
    assert.ok(toNewPath.every((bytes) => bytes < 40));
    assert.ok(toNewPath.length >= 1 && toNewPath.length <= 3);
  }
});

test("after a long outage all goes on", () => {
  const pair = joined(9);
  const { client, server } = pair;
  feed(pair, 300, 50, (i) => {
    client.connection.send(testItem(MESSAGE, i, 50));
    server.connection.send(testItem(MESSAGE, i, 50));
    if (i === 100) pair.impairment = { ...BAD, loss: 1 };
    if (i === 200) pair.impairment = BAD;
  });
  const done = (): boolean =>
    counters(server, MESSAGE).length === 300 && counters(client, MESSAGE).length === 300;
  assert.ok(pair.run(30_000, done), "not all arrived");
  assert.ok(server.connection.stats.probes > 0);
});

test("after a cut the first input brings back what was lost in it", () => {
  for (const seed of SEEDS) {
    const pair = joined(seed);
    const { client, server, queue } = pair;
    pair.impairment = { ...BAD, loss: 0, duplicate: 0 };
    feed(pair, 300, 30, (i) => client.connection.send(testItem(INPUT, i, 20)));
    feed(pair, 100, 30, (i) => server.connection.send(testItem(MESSAGE, i, 50)));
    const cutAt = queue.now + 1000;
    // Long enough for a backoff that would last for seconds more.
    const healedAt = cutAt + 4000;
    const carries = (): boolean => queue.now < cutAt || queue.now >= healedAt;
    pair.toServer = carries;
    pair.toClient = carries;
    pair.run(healedAt - queue.now);
    const inVain = counters(client, MESSAGE).length;
    assert.ok(inVain < 100, "the cut came too late");
    // A way there for the input, and one back; what was lost besides comes a round trip later.
    const done = (): boolean => counters(client, MESSAGE).length === 100;
    assert.ok(pair.run(500, done), `not all arrived (seed ${seed})`);
  }
});

test("messages, updates and inputs hold while addresses change and the server pauses", () => {
  for (const seed of SEEDS) {
    const pair = joined(seed);
    const { client, server } = pair;
    pair.impairment = { loss: 0.03 * seed, delayMs: 30 * seed, jitterMs: 10, duplicate: 0.05 };
    feed(pair, 400, 25, (i) => {
      client.connection.send(testItem(MESSAGE, i, (i * 13) % 400));
      client.connection.send(testItem(INPUT, i, 10));
      server.connection.send(testItem(MESSAGE, i, (i * 31) % 1500));
      server.connection.sendUpdates(testItem(0, i, 300 + ((i * 7) % 800)), i);
      if (i % 100 === 50) pair.clientPath = `path ${i}`;
      if (i % 60 === 20) server.connection.pause();
      if (i % 60 === 30) server.connection.resume();
    });
    const done = (): boolean =>
      counters(server, MESSAGE).length === 400 && counters(client, MESSAGE).length === 400;
    assert.ok(pair.run(300_000, done), `not all arrived (seed ${seed})`);
    pair.run(20_000);
    assert.deepEqual(counters(server, MESSAGE), upTo(400));
    assert.deepEqual(counters(client, MESSAGE), upTo(400));
    assert.equal(new Set([...updatesOf(client), ...server.lostUpdates]).size, 400);
    assert.deepEqual([...server.failures, ...client.failures], []);
    assert.ok(server.moves.length >= 4);
    for (const { connection } of [client, server])
      assert.equal(connection.wakeAt, Number.POSITIVE_INFINITY, "nothing is left to do");
  }
});
