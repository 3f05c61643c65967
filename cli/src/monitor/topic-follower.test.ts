import assert from "node:assert/strict";
import { test } from "node:test";
import type { TopicDatagram } from "@atlasnet/core";
import fc from "fast-check";
import {
  type FollowerEffect,
  MAX_WAITING,
  REORDER_MS,
  RETRY_MS,
  SILENT_MS,
  TopicFollower,
} from "./topic-follower.ts";

const ADDRESS = { server: "g", world: "w", topic: "t", schema: new Uint8Array(8) };

function delta(number: number, change: Partial<TopicDatagram> = {}): TopicDatagram {
  const section = Uint8Array.of(0x11, number % 256);
  return { ...ADDRESS, run: 1, number, tick: number, part: 0, parts: 1, section, ...change };
}

function full(number: number, run = 1): TopicDatagram {
  return delta(number, { run, section: Uint8Array.of(0x10) });
}

const sign = (number: number, run = 1) =>
  delta(number, { run, parts: 0, section: new Uint8Array(0) });

/** Effects in short: numbers of sections, and requests as text. */
function short(effects: readonly FollowerEffect[]): (number | string)[] {
  return effects.map((effect) =>
    effect.type === "section"
      ? effect.last.number
      : `${effect.run ?? "full"}>${effect.after ?? ""}`,
  );
}

function begun(at = 0): TopicFollower {
  const follower = new TopicFollower();
  assert.deepEqual(short(follower.start(0)), ["full>"]);
  assert.deepEqual(short(follower.answer([full(at)], 0)), [at]);
  return follower;
}

test("what comes in order goes out at once, what came before is not given again", () => {
  const follower = begun();
  assert.deepEqual(short(follower.datagram(delta(1), 0)), [1]);
  assert.deepEqual(short(follower.datagram(delta(2), 0)), [2]);
  assert.deepEqual(short(follower.datagram(delta(1), 0)), []);
  assert.equal(follower.gaps, 0);
});

test("what was only overtaken is not asked for", () => {
  const follower = begun();
  assert.deepEqual(short(follower.datagram(delta(2), 0)), []);
  assert.deepEqual(short(follower.datagram(delta(1), REORDER_MS - 1)), [1, 2]);
  assert.deepEqual(short(follower.sweep(10_000)), []);
});

test("a hole is asked for once, and filled", () => {
  const follower = begun();
  follower.datagram(delta(1), 0);
  assert.deepEqual(short(follower.datagram(delta(4), 10)), []);
  assert.deepEqual(short(follower.sweep(10 + REORDER_MS)), ["1>1"]);
  assert.deepEqual(short(follower.datagram(delta(5), 100)), []);
  assert.deepEqual(short(follower.answer([delta(2), delta(3), delta(4)], 110)), [2, 3, 4, 5]);
  assert.deepEqual([follower.gaps, follower.filled, follower.fulls], [1, 2, 1]);
  assert.deepEqual(short(follower.sweep(100_000)), []);
});

test("a loss at the end is seen by the sign of life", () => {
  const follower = begun();
  assert.deepEqual(short(follower.datagram(sign(0), 0)), []);
  assert.deepEqual(short(follower.datagram(sign(1), 100)), []);
  assert.deepEqual(short(follower.sweep(100 + REORDER_MS)), ["1>0"]);
  assert.deepEqual(short(follower.answer([delta(1)], 200)), [1]);
});

test("an answer with full state goes on from its number", () => {
  const follower = begun();
  follower.datagram(delta(300), 0);
  assert.deepEqual(short(follower.sweep(REORDER_MS)), ["1>0"]);
  assert.deepEqual(short(follower.answer([full(299)], 60)), [299, 300]);
  assert.equal(follower.fulls, 2);
});

test("a request that failed, or did not help, is repeated, not at once", () => {
  const follower = begun();
  follower.datagram(delta(2), 0);
  assert.deepEqual(short(follower.sweep(REORDER_MS)), ["1>0"]);
  follower.failed(100);
  assert.deepEqual(short(follower.sweep(100 + RETRY_MS - 1)), []);
  assert.deepEqual(short(follower.sweep(100 + RETRY_MS)), ["1>0"]);
  assert.deepEqual(short(follower.answer([], 1_200)), []);
  assert.deepEqual(short(follower.sweep(1_200 + RETRY_MS)), ["1>0"]);
});

test("a new run asks for full state; what is left of the old one is passed over", () => {
  const follower = begun();
  follower.datagram(delta(1), 0);
  assert.deepEqual(short(follower.datagram(delta(1, { run: 2 }), 10)), ["full>"]);
  assert.deepEqual(short(follower.datagram(delta(2), 20)), []);
  assert.deepEqual(short(follower.answer([full(7, 1)], 20)), [], "an answer of the old run");
  assert.deepEqual(short(follower.sweep(20 + RETRY_MS)), ["full>"]);
  assert.deepEqual(short(follower.answer([full(0, 2)], 2_000)), [0, 1]);
});

test("a server whose clock went back is believed after a silence", () => {
  const follower = begun();
  follower.datagram(delta(1, { run: 5 }), 0);
  follower.answer([full(0, 5)], 0);
  assert.deepEqual(short(follower.datagram(delta(1, { run: 4 }), SILENT_MS - 1)), []);
  assert.deepEqual(short(follower.datagram(delta(2, { run: 4 }), SILENT_MS)), ["full>"]);
});

test("parts make one section, also across an answer", () => {
  const parts = [0, 1, 2].map((part) =>
    delta(1 + part, { part, parts: 3, section: Uint8Array.of(0x11 + part) }),
  );
  const [first, second, third] = parts;
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  const follower = begun();
  assert.deepEqual(short(follower.datagram(first, 0)), []);
  assert.deepEqual(short(follower.datagram(third, 0)), []);
  const effects = follower.datagram(second, 0);
  assert.deepEqual(
    effects.map((effect) => effect.type === "section" && [...effect.section]),
    [[0x11, 0x12, 0x13]],
  );
});

test("what waits is bounded: then full state is asked for", () => {
  const follower = begun();
  let now = 0;
  for (let number = 2; number <= MAX_WAITING + 1; number++) follower.datagram(delta(number), now);
  now = REORDER_MS;
  assert.deepEqual(short(follower.sweep(now)), ["1>0"]);
  assert.deepEqual(short(follower.datagram(delta(MAX_WAITING + 2), now)), []);
  follower.failed(now);
  assert.deepEqual(short(follower.sweep(now + RETRY_MS)), ["full>"]);
});

test("sections that do not fit ask for full state, not at once", () => {
  const follower = begun();
  follower.restart(0);
  assert.deepEqual(short(follower.sweep(RETRY_MS - 1)), []);
  assert.deepEqual(short(follower.sweep(RETRY_MS)), ["full>"]);
});

test("whatever is lost, doubled and disordered, every section comes out once, in order", () => {
  const fate = fc.record({
    lost: fc.boolean(),
    doubled: fc.boolean(),
    delay: fc.nat(5),
    answered: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(fate, { minLength: 1, maxLength: 60 }), (fates) => {
      const follower = begun();
      const sent: TopicDatagram[] = [];
      const out: number[] = [];
      let now = 0;
      let request: { after?: number } | undefined;
      const perform = (effects: readonly FollowerEffect[]) => {
        for (const effect of effects) {
          if (effect.type === "section") out.push(effect.last.number);
          else {
            assert.equal(request, undefined, "one request at a time");
            request = effect;
          }
        }
      };
      const answer = (ok: boolean) => {
        if (request === undefined) return;
        const after = request.after ?? 0;
        request = undefined;
        if (ok) perform(follower.answer(sent.slice(after), now));
        else follower.failed(now);
      };
      const due: { at: number; datagram: TopicDatagram }[] = [];
      fates.forEach(({ lost, doubled, delay, answered }, index) => {
        now += 30;
        const datagram = delta(index + 1);
        sent.push(datagram);
        if (!lost) due.push({ at: index + delay, datagram });
        if (doubled) due.push({ at: index + delay + 1, datagram });
        for (const { at, datagram: arrived } of due)
          if (at === index) perform(follower.datagram(arrived, now));
        perform(follower.sweep(now));
        answer(answered);
      });
      for (let round = 0; round < 3; round++) {
        now += RETRY_MS;
        answer(true);
        perform(follower.datagram(sign(sent.length), now));
        perform(follower.sweep(now + RETRY_MS));
        answer(true);
      }
      assert.deepEqual(
        out,
        sent.map(({ number }) => number),
      );
    }),
  );
});
