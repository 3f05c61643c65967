import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_FALLING, MAX_WAKING, Sleeper, type SleeperEffect } from "./sleeper.ts";
import type { SleptState } from "./slept-state.ts";

/**
 * Worlds that are wanted, quiet, slow to fall asleep or to wake, that fail, or are closed at any moment. What comes for a
 * world is taken in, in its order, or the world is known to be nowhere; nothing is asked of a world while something is
 * under way with it; and when it is quiet, whatever is wanted is awake.
 */
const SHARDS = Array.from({ length: 2 * MAX_FALLING }, (_, n) => `w${n}/0`);

interface World {
  /** What really is there. */
  state: "awake" | "falling" | "asleep" | "waking" | "nowhere";
  fellAt: number;
  wakeInMs: number | undefined;
  /** What was sent to it, and what it took in. */
  sent: number;
  taken: number;
  waiting: number[];
}

class Model {
  readonly sleeper = new Sleeper();
  private readonly worlds = new Map<string, World>();
  private readonly work: { shard: string; type: "fall" | "wake" }[] = [];
  now = 0;
  wakes = 0;

  constructor() {
    for (const shard of SHARDS) this.worlds.set(shard, fresh());
  }

  private world(shard: string): World {
    const world = this.worlds.get(shard);
    assert.ok(world !== undefined);
    return world;
  }

  private tell(event: Parameters<Sleeper["handle"]>[0]): void {
    for (const effect of this.sleeper.handle(event, this.now)) this.run(effect);
    assert.ok(this.work.filter(({ type }) => type === "fall").length <= MAX_FALLING);
    assert.ok(this.work.filter(({ type }) => type === "wake").length <= MAX_WAKING);
  }

  private run(effect: SleeperEffect): void {
    const { shard } = effect;
    const world = this.world(shard);
    switch (effect.type) {
      case "fall":
        assert.equal(world.state, "awake");
        world.state = "falling";
        this.work.push({ shard, type: "fall" });
        return;
      case "wake":
        assert.equal(world.state, "asleep");
        assert.equal(effect.elapsedMs, this.now - world.fellAt);
        assert.equal(effect.slept.tick, world.fellAt);
        world.state = "waking";
        this.work.push({ shard, type: "wake" });
        return;
      case "deliver":
        assert.equal(world.state, "awake");
        for (const number of world.waiting.splice(0)) this.take(world, number);
        return;
      case "discard":
        assert.equal(world.state, "asleep");
        assert.equal(world.waiting.length, 0, "what is sent here wakes");
        return;
      case "lost":
        assert.equal(world.state, "nowhere");
        this.open(shard);
    }
  }

  private take(world: World, number: number): void {
    assert.equal(number, world.taken + 1);
    world.taken = number;
  }

  /** Somebody else opens it again; who waited comes again. */
  private open(shard: string): void {
    this.worlds.set(shard, fresh());
  }

  send(shard: string): void {
    const world = this.world(shard);
    world.sent += 1;
    if (this.sleeper.isAwake(shard)) {
      assert.equal(world.state, "awake");
      this.take(world, world.sent);
      return;
    }
    world.waiting.push(world.sent);
    this.tell({ type: "wanted", shard });
  }

  quiet(shard: string): void {
    if (this.world(shard).state === "awake") this.tell({ type: "quiet", shard });
  }

  close(shard: string): void {
    const at = this.work.findIndex((each) => each.shard === shard);
    if (at >= 0) this.work.splice(at, 1);
    this.tell({ type: "ended", shard });
    this.open(shard);
  }

  /** `how`: 0 to 3; what is under way comes to an end. */
  finish(at: number, how: number, wakeInMs: number | undefined): void {
    const [job] = this.work.splice(at % Math.max(1, this.work.length), 1);
    if (job === undefined) return;
    const { shard, type } = job;
    const world = this.world(shard);
    if (how === 3) {
      world.state = "nowhere";
      this.tell({ type: "failed", shard, problem: "the disk" });
    } else if (type === "wake") {
      world.state = "awake";
      this.wakes += 1;
      this.tell({ type: "woke", shard });
    } else if (how === 2) {
      world.state = "awake";
      this.tell({ type: "stayed", shard });
    } else {
      world.state = "asleep";
      world.fellAt = this.now;
      world.wakeInMs = wakeInMs;
      const state = { fileEpoch: 1, tick: this.now, timeline: 1, crc: 0 };
      const slept: SleptState = wakeInMs === undefined ? state : { ...state, wakeInMs };
      this.tell({ type: "slept", shard, slept });
    }
  }

  pass(ms: number): void {
    this.now += ms;
    if (this.now >= this.sleeper.nextAt) this.tell({ type: "time" });
    this.check();
  }

  private check(): void {
    let asleep = 0;
    let next = Number.POSITIVE_INFINITY;
    const full = this.work.filter(({ type }) => type === "wake").length >= MAX_WAKING;
    for (const [shard, { state, fellAt, wakeInMs, waiting }] of this.worlds) {
      if (state === "asleep") asleep += 1;
      if (state !== "asleep" || this.sleeper.stateOf(shard) === undefined) continue;
      assert.equal(waiting.length, 0, "nobody waits for a world that is not called");
      if (wakeInMs !== undefined) next = Math.min(next, fellAt + wakeInMs);
    }
    assert.equal(this.sleeper.asleep, asleep);
    assert.equal(this.sleeper.nextAt, next);
    assert.ok(next > this.now || full, "who has a timer is called in time");
  }

  settle(): void {
    while (this.work.length > 0) this.finish(0, 0, undefined);
    for (const { sent, taken, waiting, state } of this.worlds.values()) {
      assert.deepEqual(waiting, []);
      assert.equal(taken, sent, state);
    }
  }
}

function fresh(): World {
  return { state: "awake", fellAt: 0, wakeInMs: undefined, sent: 0, taken: 0, waiting: [] };
}

const shard = fc.constantFrom(...SHARDS);
const step = fc.oneof(
  fc.tuple(fc.constant("send" as const), shard),
  { weight: 3, arbitrary: fc.tuple(fc.constant("quiet" as const), shard) },
  fc.tuple(fc.constant("close" as const), shard),
  {
    weight: 3,
    arbitrary: fc.tuple(
      fc.constant("finish" as const),
      fc.nat(30),
      fc.nat({ max: 3 }),
      fc.option(fc.integer({ min: 1, max: 50 }), { nil: undefined }),
    ),
  },
  fc.tuple(fc.constant("pass" as const), fc.nat(20)),
);

test("whatever comes when, a world that is wanted is awake, and takes in what came in its order", () => {
  let wakes = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: "max" }), (steps) => {
      const model = new Model();
      for (const [what, ...rest] of steps) {
        if (what === "finish") model.finish(...(rest as [number, number, number | undefined]));
        else if (what === "pass") model.pass(Number(rest[0]));
        else model[what](String(rest[0]));
      }
      model.settle();
      wakes += model.wakes;
    }),
    { numRuns: 200 },
  );
  assert.ok(wakes > 100, `worlds woke ${wakes} times`);
});

test("more than may wake at once wait in the order in which they were wanted", () => {
  const sleeper = new Sleeper();
  const slept = { fileEpoch: 1, tick: 5, timeline: 1, crc: 0 };
  const names = Array.from({ length: MAX_WAKING + 3 }, (_, n) => `w${n}/0`);
  for (const name of names) {
    sleeper.handle({ type: "quiet", shard: name }, 0);
    sleeper.handle({ type: "slept", shard: name, slept }, 0);
  }
  const woken = names.flatMap((name) => sleeper.handle({ type: "wanted", shard: name }, 10));
  assert.deepEqual(
    woken.map(({ type, shard: name }) => [type, name]),
    names.slice(0, MAX_WAKING).map((name) => ["wake", name]),
  );
  const [, next] = sleeper.handle({ type: "woke", shard: "w0/0" }, 11);
  assert.deepEqual(next, { type: "wake", shard: `w${MAX_WAKING}/0`, slept, elapsedMs: 11 });
  sleeper.handle({ type: "ended", shard: `w${MAX_WAKING + 1}/0` }, 12);
  const [, last] = sleeper.handle({ type: "woke", shard: "w1/0" }, 12);
  assert.equal(last?.shard, `w${MAX_WAKING + 2}/0`);
});
