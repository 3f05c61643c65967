import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Conditions, withConditions } from "./conditions.ts";
import { type Fate, PacketPath } from "./packet-path.ts";

const bad = withConditions({
  loss: 0.05,
  delayMs: 50,
  jitterMs: 20,
  reorder: 0.02,
  duplicate: 0.03,
  seed: 7,
});

/** Fates of the first packets of a path; size and time of each are the caller's. */
function fates(
  count: number,
  conditions: Conditions,
  {
    flow = 0,
    direction = "up",
    packet = (n) => ({ bytes: 100, at: n }),
  }: {
    flow?: number;
    direction?: "up" | "down";
    packet?: (n: number) => { bytes: number; at: number };
  } = {},
): Fate[] {
  const path = new PacketPath({ flow, direction });
  return Array.from({ length: count }, (_, n) => {
    const { bytes, at } = packet(n);
    return path.next(bytes, at, conditions);
  });
}

/** `found` is within four standard deviations of a share of `count`, which a good draw always is here. */
function assertShare(found: number, count: number, share: number, what: string): void {
  const margin = 4 * Math.sqrt(count * share * (1 - share));
  assert.ok(
    Math.abs(found - count * share) <= margin,
    `${what}: ${found} of ${count}, not about ${share}`,
  );
}

test("without a rate a fate depends on seed, flow, direction and number alone", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      fc.nat(1_000),
      fc.array(fc.record({ bytes: fc.nat(1_500), wait: fc.nat(1_000) }), { maxLength: 50 }),
      (seed, flow, packets) => {
        const conditions = { ...bad, seed };
        let at = 0;
        const seen = fates(packets.length, conditions, {
          flow,
          packet: (n) => {
            const { bytes = 0, wait = 0 } = packets[n] ?? {};
            at += wait;
            return { bytes, at };
          },
        });
        assert.deepEqual(seen, fates(packets.length, conditions, { flow }));
      },
    ),
    { numRuns: 50 },
  );
});

test("other seeds, flows and directions have other fates", () => {
  const all = [
    fates(200, bad),
    fates(200, { ...bad, seed: 8 }),
    fates(200, bad, { flow: 1 }),
    fates(200, bad, { direction: "down" }),
  ].map((list) => JSON.stringify(list));
  assert.equal(new Set(all).size, all.length);
});

test("a perfect network leaves every packet alone", () => {
  for (const fate of fates(100, withConditions({})))
    assert.deepEqual(fate, { delaysMs: [0], dropped: undefined, reordered: false });
});

test("shares of lost, doubled and reordered packets are those asked for", () => {
  const count = 20_000;
  for (const seed of [1, 2, 7, 4_000_000_000]) {
    const list = fates(count, { ...bad, seed });
    const arrived = list.filter(({ dropped }) => dropped === undefined);
    assertShare(count - arrived.length, count, 0.05, `loss of seed ${seed}`);
    const doubled = arrived.filter(({ delaysMs }) => delaysMs.length === 2);
    assertShare(doubled.length, arrived.length, 0.03, `duplicates of seed ${seed}`);
    const reordered = arrived.filter((fate) => fate.reordered);
    assertShare(reordered.length, arrived.length, 0.02, `reordering of seed ${seed}`);
    for (const { delaysMs } of reordered) assert.equal(delaysMs[0], 0);
  }
});

test("jitter is uniform around the delay", () => {
  const conditions = withConditions({ delayMs: 50, jitterMs: 20 });
  const delays = fates(20_000, conditions).map(({ delaysMs }) => delaysMs[0] ?? -1);
  for (const delay of delays) assert.ok(delay >= 30 && delay <= 70, `${delay}`);
  for (let from = 30; from < 70; from += 10) {
    const inside = delays.filter((delay) => delay >= from && delay < from + 10).length;
    assertShare(inside, delays.length, 0.25, `delays from ${from}`);
  }
});

test("losses are independent of each other, and come in runs when asked to", () => {
  const count = 50_000;
  for (const burst of [1, 5]) {
    const lost = fates(count, withConditions({ loss: 0.1, burst })).map(
      ({ dropped }) => dropped === "loss",
    );
    const total = lost.filter(Boolean).length;
    // Losses in runs vary more: the share is looked at with a wide margin.
    assert.ok(total > count * 0.085 && total < count * 0.115, `${total} lost of ${count}`);
    const runs = lost.filter((one, n) => one && lost[n - 1] !== true).length;
    const mean = total / runs;
    const expected = Math.max(burst, 1 / 0.9);
    assert.ok(Math.abs(mean - expected) < expected * 0.1, `runs of ${mean}, not ${expected}`);
  }
});

test("a cut lets nothing through and is over at once", () => {
  const path = new PacketPath({ flow: 0, direction: "up" });
  const cut = withConditions({ loss: 1, burst: 9 });
  for (let n = 0; n < 1_000; n++) assert.equal(path.next(1, n, cut).dropped, "loss");
  assert.equal(path.next(1, 1_000, withConditions({})).dropped, undefined);
});

test("a rate spaces packets, and a full queue drops the last", () => {
  const conditions = withConditions({ rateBytesPerSecond: 100_000, queueBytes: 4_000, delayMs: 5 });
  const path = new PacketPath({ flow: 0, direction: "down" });
  const burst = Array.from({ length: 6 }, () => path.next(1_000, 0, conditions));
  assert.deepEqual(
    burst.map(({ delaysMs, dropped }) => dropped ?? delaysMs[0]),
    [15, 25, 35, 45, "queue", "queue"],
  );
  // 10 ms later one of them is on its way, and there is room for another.
  assert.deepEqual(path.next(1_000, 10, conditions).delaysMs, [45]);
  assert.equal(path.next(1_000, 10, conditions).dropped, "queue");
  // An empty queue takes what is larger than itself.
  assert.deepEqual(path.next(5_000, 1_000, conditions).delaysMs, [55]);
});

test("what goes through a rate arrives at no more than it", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 1_500 }), wait: fc.nat(30) }), {
        minLength: 1,
        maxLength: 200,
      }),
      (packets) => {
        const conditions = withConditions({ rateBytesPerSecond: 50_000, queueBytes: 8_000 });
        const path = new PacketPath({ flow: 0, direction: "up" });
        let now = 0;
        let passed = 0;
        let last = 0;
        for (const { bytes, wait } of packets) {
          now += wait;
          const [delay] = path.next(bytes, now, conditions).delaysMs;
          if (delay === undefined) continue;
          passed += bytes;
          assert.ok(now + delay >= last, "the queue keeps the order");
          assert.ok(
            delay <= (8_000 / 50_000) * 1_000 + 1e-6,
            "nothing waits longer than a full queue",
          );
          last = now + delay;
        }
        assert.ok(passed <= last * 50 + 1e-6, `${passed} bytes in ${last} ms`);
      },
    ),
    { numRuns: 100 },
  );
});
