import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Clock } from "../ports/clock.ts";
import type { LinkMessage, Upstream } from "../wire/link-messages.ts";
import type { Channel, Link, LinkNetwork, Peer } from "./link.ts";
import { LinkError } from "./link-error.ts";
import type { LinkLimits } from "./link-limits.ts";

/** Two nodes of one network, made anew for every test. */
export interface LinkFixture {
  readonly near: { readonly network: LinkNetwork; readonly peer: Peer };
  readonly far: { readonly network: LinkNetwork; readonly peer: Peer };
  readonly clock: Clock;
  /** Waits for work of the test; simulations move their time meanwhile. */
  run<T>(work: Promise<T>): Promise<T>;
  close(): Promise<void>;
}

export type MakeLinkFixture = (limits: Partial<LinkLimits>) => Promise<LinkFixture>;

const KIB = 1024;
const SMALL: Partial<LinkLimits> = { highWaterBytes: 64 * KIB, maxQueuedBytes: 512 * KIB };

/** What every adapter of the link port has to pass. */
export function linkAcceptance(name: string, makeFixture: MakeLinkFixture): void {
  const linkTest = (
    title: string,
    body: (pair: Pair, fixture: LinkFixture) => Promise<void>,
    limits: Partial<LinkLimits> = {},
  ) =>
    test(title, { timeout: 30_000 }, async () => {
      const fixture = await makeFixture(limits);
      try {
        await body(await openPair(fixture), fixture);
      } finally {
        await fixture.close();
      }
    });

  describe(`link: ${name}`, () => {
    linkTest("a channel keeps order, and every message comes once, both ways", async (pair, f) => {
      const there = collect(pair.far.channel("a"), 500);
      const back = collect(pair.near.channel("a"), 500);
      for (let i = 0; i < 500; i++) {
        pair.near.channel("a").send(numbered(i, i % 50));
        pair.far.channel("a").send(numbered(1000 + i, 3));
      }
      assert.deepEqual(numbers(await f.run(there)), range(0, 500));
      assert.deepEqual(numbers(await f.run(back)), range(1000, 500));
    });

    linkTest("a message arrives as it was sent", async (pair, f) => {
      const messages: LinkMessage[] = [
        numbered(1, 3),
        { type: "detach", shard: "s", epoch: 2 ** 50, attach: 0 },
        { type: "closed", shard: "s", epoch: 1, attach: 2, code: "kicked", reason: "für immer" },
        delta(9, 300 * KIB),
      ];
      for (const { type } of messages) assert.ok(pair.near.speaks(type) && pair.far.speaks(type));
      const arrived = collect(pair.far.channel("a"), messages.length);
      for (const message of messages) pair.near.channel("a").send(message);
      assert.deepEqual(await f.run(arrived), messages);
    });

    linkTest("a message of 4 MiB arrives whole, others behind it", async (pair, f) => {
      const big = numbered(1, 4 * 1024 * KIB);
      const arrived = collect(pair.far.channel("a"), 2);
      pair.near.channel("a").send(big);
      pair.near.channel("a").send(numbered(2, 1));
      assert.deepEqual(await f.run(arrived), [big, numbered(2, 1)]);
    });

    linkTest(
      "a channel nobody listens to keeps its messages and stops no other",
      async (pair, f) => {
        for (let i = 0; i < 20; i++) pair.near.channel("waiting").send(numbered(i, 10));
        const other = collect(pair.far.channel("other"), 1);
        pair.near.channel("other").send(numbered(7, 0));
        assert.deepEqual(numbers(await f.run(other)), [7]);
        const kept = collect(pair.far.channel("waiting"), 20);
        assert.deepEqual(numbers(await f.run(kept)), range(0, 20));
      },
    );

    linkTest("no handler runs within send, and replies do not nest", async (pair, f) => {
      let depth = 0;
      const finished = later<void>();
      const play = (link: Link) => {
        const channel = link.channel("ping");
        channel.onMessage((message) => {
          assert.equal(depth, 0, "a handler was called within another call");
          depth += 1;
          const n = numberOf(message);
          if (n === 100) finished.resolve();
          else channel.send(numbered(n + 1, 0));
          depth -= 1;
        });
      };
      play(pair.far);
      play(pair.near);
      depth += 1;
      pair.near.channel("ping").send(numbered(1, 0));
      depth -= 1;
      await f.run(finished.promise);
    });

    linkTest(
      "send asks to wait above the high-water mark, and onDrain tells when to go on",
      async (pair, f) => {
        const channel = pair.near.channel("a");
        const drained = new Promise<void>((resolve) => channel.onDrain(resolve));
        let sent = 1;
        while (channel.send(numbered(sent, 8 * KIB))) sent += 1;
        assert.ok(sent > 1, "the first message filled the queue");
        const arrived = collect(pair.far.channel("a"), sent + 1);
        await f.run(drained);
        assert.equal(channel.send(numbered(sent + 1, 1)), true);
        assert.deepEqual(numbers(await f.run(arrived)), range(1, sent + 1));
      },
      SMALL,
    );

    linkTest(
      "a queue that is full closes the link with overflow on both sides",
      async (pair, f) => {
        const channel = pair.near.channel("a");
        for (let i = 0; i < 100; i++) channel.send(numbered(i, 8 * KIB));
        assert.equal((await f.run(pair.near.closed)).code, "overflow");
        assert.notEqual((await f.run(pair.far.closed)).code, "closed");
        assert.equal(channel.send(numbered(101, 0)), false);
      },
      SMALL,
    );

    linkTest("datagrams arrive at most once and unharmed", async (pair, f) => {
      const seen = new Map<string, number>();
      const enough = later<void>();
      pair.far.onDatagram((bytes) => {
        const key = Buffer.from(bytes).toString("hex");
        seen.set(key, (seen.get(key) ?? 0) + 1);
        if (seen.size === 10) enough.resolve();
      });
      const sent = new Set<string>();
      // Datagrams may be lost, so it goes on until ten came over.
      const stop = repeat(f.clock, () => {
        const bytes = Uint8Array.of(sent.size >> 8, sent.size & 255, 7);
        sent.add(Buffer.from(bytes).toString("hex"));
        pair.near.sendDatagram(bytes);
      });
      await f.run(enough.promise);
      stop();
      for (const [key, count] of seen) {
        assert.ok(sent.has(key), `nobody sent ${key}`);
        assert.equal(count, 1);
      }
    });

    linkTest(
      "the largest datagram passes, a larger one is refused to its sender",
      async (pair, f) => {
        const { maxDatagramBytes } = pair.near;
        assert.ok(maxDatagramBytes >= 1000, `only ${maxDatagramBytes} bytes`);
        assert.throws(
          () => pair.near.sendDatagram(new Uint8Array(maxDatagramBytes + 1)),
          RangeError,
        );
        const arrived = new Promise<Uint8Array>((resolve) => pair.far.onDatagram(resolve));
        const full = new Uint8Array(maxDatagramBytes).fill(9);
        const stop = repeat(f.clock, () => pair.near.sendDatagram(full));
        assert.deepEqual(Uint8Array.from(await f.run(arrived)), full);
        stop();
      },
    );

    for (const side of ["near", "far"] as const) {
      linkTest(
        `${side} closes: both sides learn the reason, nothing comes after`,
        async (pair, f) => {
          const [closing, other] = side === "near" ? [pair.near, pair.far] : [pair.far, pair.near];
          let late = 0;
          closing.channel("a").onMessage(() => {
            late += 1;
          });
          other.channel("a").send(numbered(1, 0));
          closing.close({ code: "refused", detail: "enough" });
          closing.close({ code: "closed" });
          assert.deepEqual(await f.run(closing.closed), { code: "refused", detail: "enough" });
          assert.deepEqual(await f.run(other.closed), { code: "refused", detail: "enough" });
          assert.equal(other.channel("a").send(numbered(2, 0)), false);
          assert.equal(closing.channel("b").send(numbered(2, 0)), false);
          closing.sendDatagram(new Uint8Array(1));
          assert.equal(late, 0);
        },
      );
    }

    linkTest("peers know each other, and the generation grows", async (pair, f) => {
      assert.deepEqual(pair.near.peer, f.far.peer);
      assert.deepEqual(pair.far.peer, f.near.peer);
      pair.near.close({ code: "closed" });
      await f.run(pair.far.closed);
      const again = f.run(pair.nextFar());
      const near = await f.run(f.near.network.connect(f.far.peer.node));
      assert.ok(near.generation > pair.near.generation);
      assert.ok((await again).generation > pair.far.generation);
    });

    linkTest("connecting to nobody is a LinkError", async (_pair, f) => {
      const toNobody = f.run(f.near.network.connect("nobody"));
      await assert.rejects(toNobody, (e) => e instanceof LinkError && e.code === "unreachable");
    });

    linkTest("a closed listener takes no new links and keeps the old ones", async (pair, f) => {
      await f.run(pair.listener.close());
      const late = f.run(f.near.network.connect(f.far.peer.node));
      await assert.rejects(late, (e) => e instanceof LinkError);
      const arrived = collect(pair.far.channel("a"), 1);
      pair.near.channel("a").send(numbered(4, 0));
      assert.deepEqual(numbers(await f.run(arrived)), [4]);
    });

    linkTest("a node is listened on once", async (_pair, f) => {
      const second = f.run(f.far.network.listen(() => {}));
      await assert.rejects(second, (e) => e instanceof LinkError && e.code === "already-listening");
    });

    linkTest(
      "channels are bounded in number and name",
      async (pair) => {
        assert.throws(() => pair.near.channel(""), RangeError);
        assert.throws(() => pair.near.channel("x".repeat(1000)), RangeError);
        for (const n of ["a", "b", "c"]) pair.near.channel(n);
        assert.equal(pair.near.channel("a"), pair.near.channel("a"));
        assert.throws(() => pair.near.channel("d"), RangeError);
      },
      { maxChannels: 3 },
    );
  });
}

interface Pair {
  readonly near: Link;
  readonly far: Link;
  readonly listener: { close(): Promise<void> };
  /** The next link the far node takes in. */
  nextFar(): Promise<Link>;
}

async function openPair(f: LinkFixture): Promise<Pair> {
  const arrived: Link[] = [];
  const waiting: ((link: Link) => void)[] = [];
  const nextFar = () =>
    new Promise<Link>((resolve) => {
      const link = arrived.shift();
      if (link === undefined) waiting.push(resolve);
      else resolve(link);
    });
  const listening = f.far.network.listen((link) => {
    const taker = waiting.shift();
    if (taker === undefined) arrived.push(link);
    else taker(link);
  });
  const listener = await f.run(listening);
  const near = await f.run(f.near.network.connect(f.far.peer.node));
  return { near, far: await f.run(nextFar()), listener, nextFar };
}

export interface Later<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

/** A promise that is resolved from outside. */
export function later<T>(): Later<T> {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Resolves with the first `count` messages. */
function collect(channel: Channel, count: number): Promise<LinkMessage[]> {
  return new Promise((resolve) => {
    const messages: LinkMessage[] = [];
    channel.onMessage((message) => {
      messages.push(message);
      if (messages.length === count) resolve(messages);
    });
  });
}

/** Calls `fn` every few milliseconds until the returned function is called. */
function repeat(clock: Clock, fn: () => void): () => void {
  const again = () => {
    fn();
    timer = clock.setTimer(5, again);
  };
  let timer = clock.setTimer(0, again);
  return () => timer.cancel();
}

function numbered(n: number, bytes: number): Upstream {
  return { type: "upstream", shard: "s", epoch: n, batch: new Uint8Array(bytes).fill(n & 255) };
}

function delta(tick: number, bytes: number): LinkMessage {
  const data = new Uint8Array(bytes).fill(tick);
  return { type: "replica-delta", shard: "s", epoch: 1, previous: tick - 1, tick, data, crc: 5 };
}

/** What `numbered` wrote into a message. */
export function numberOf(message: LinkMessage): number {
  return "epoch" in message ? message.epoch : Number.NaN;
}

function numbers(messages: readonly LinkMessage[]): number[] {
  return messages.map(numberOf);
}

function range(start: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + i);
}
