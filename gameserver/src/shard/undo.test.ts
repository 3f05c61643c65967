import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { share } from "@atlasnet/core/testing";
import { createGuard } from "../host/guard.ts";
import type { ModuleContext } from "../module/context.ts";
import { randomDeed } from "../testing/random-deeds.ts";
import { addStepPoints } from "../testing/step-points.ts";
import { streamOf, TestShard, type TestShardOptions } from "../testing/test-shard.ts";
import type { ShardEntity } from "./entity.ts";

/** A world in the middle of its life, with a player. */
function lively(random: SeededRandom, options: TestShardOptions = {}): TestShard {
  const test = new TestShard(options);
  test.hooks.join = (ctx, player) => {
    player.entity = ctx.spawn({ position: { x: 30, y: 30, z: 0 }, purse: { coins: 1 } });
  };
  test.join("ann", { stream: streamOf(1) });
  test.join("bob", { stream: streamOf(2) });
  for (let i = 0; i < 8; i++) {
    test.hooks.tick = (ctx) => {
      for (let n = 0; n < 12; n++) randomDeed(ctx, random);
    };
    test.tick();
  }
  delete test.hooks.tick;
  return test;
}

/** Queries of every kind, as world code sees them. */
function look(test: TestShard): unknown {
  const { entities, sessions } = test.shard.store;
  const at = { x: 40, y: 40, z: 20 };
  const ids = (list: Iterable<ShardEntity>) => [...list].map(({ id }) => id);
  return {
    all: ids(entities.all()),
    queries: [0, 1, 2, 3, 4, 8].map((mask) => ids(entities.withMask(mask))),
    near: [5, 20, 200].map((radius) => ids(entities.near(at, radius))),
    owned: [...sessions.all()].map(({ id }) => ids(entities.ownedBySession(id))),
    cells: [...entities.all()].map(({ $cell, $mask }) => [$cell, $mask]),
  };
}

/** The shard as it has to be after a tick whose handler was taken back. */
function untouched(before: Uint8Array, nothing: (test: TestShard) => void): TestShard {
  const twin = new TestShard();
  twin.shard.load(before);
  nothing(twin);
  twin.shard.store.random.next();
  return twin;
}

test("a handler that throws leaves nothing but the next random number", () => {
  for (let seed = 1; seed <= share(60); seed++) {
    const random = new SeededRandom(seed);
    const test = lively(random);
    test.hooks.tick = (ctx) => {
      for (let n = 0; n < 40; n++) randomDeed(ctx, random);
      throw new Error("on purpose");
    };
    const result = test.tick();
    assert.equal(result.faults[0]?.message, "on purpose");
    assert.deepEqual(result.requests, []);
    const twin = lively(new SeededRandom(seed));
    twin.tick();
    twin.shard.store.random.next();
    assert.equal(test.shard.hash(), twin.shard.hash(), `seed ${seed}`);
    assert.deepEqual(look(test), look(twin), `seed ${seed}`);
    // And it goes on like one that never tried.
    const [one, other] = [new SeededRandom(`${seed}`), new SeededRandom(`${seed}`)];
    test.hooks.tick = (ctx) => randomDeeds(ctx, one);
    twin.hooks.tick = (ctx) => randomDeeds(ctx, other);
    test.tick();
    twin.tick();
    assert.equal(test.shard.hash(), twin.shard.hash(), `seed ${seed}, afterwards`);
  }
});

function randomDeeds(ctx: ModuleContext, random: SeededRandom): void {
  for (let n = 0; n < 20; n++) randomDeed(ctx, random);
}

test("what an earlier handler of the tick did stays when a later one throws", () => {
  const test = new TestShard();
  test.hooks.join = (ctx, player) => {
    player.entity = ctx.spawn({ position: { x: 1, y: 1, z: 0 } });
  };
  const ann = test.join("ann");
  test.hooks.move = (ctx) => {
    ctx.kv.set("moved", true);
    ctx.broadcast("said", { text: "kept" });
  };
  test.hooks.tick = (ctx) => {
    ctx.kv.set("moved", false);
    ctx.broadcast("said", { text: "taken back" });
    throw new Error("on purpose");
  };
  ann.move(1, 0);
  test.tick();
  assert.equal(test.shard.store.kv.get("moved"), true);
  assert.equal(ann.received.length, 1);
});

test("a component that was written, removed and put back is as it was", () => {
  const test = new TestShard();
  let entity: ShardEntity | undefined;
  test.hooks.tick = (ctx) => {
    entity = ctx.spawn({ position: { x: 5, y: 5, z: 0 }, body: { points: 7 } });
  };
  test.tick();
  const before = test.shard.snapshot();
  test.hooks.tick = () => {
    const body = entity?.add("body", { points: 50 });
    entity?.remove("body");
    entity?.add("body", { points: 60 });
    entity?.remove("position");
    assert.notEqual(body, undefined);
    throw new Error("on purpose");
  };
  test.tick();
  assert.equal(test.shard.hash(), untouched(before, (twin) => twin.tick()).shard.hash());
});

test("the dead stay out of the indexes, and are alive again when their end is taken back", () => {
  const test = new TestShard();
  let entity: ShardEntity | undefined;
  test.hooks.tick = (ctx) => {
    entity = ctx.spawn({ position: { x: 5, y: 5, z: 0 } });
  };
  test.tick();
  const before = test.shard.snapshot();
  const position: () => { x: number } = () => entity?.$components[0] as never;
  test.hooks.tick = (ctx) => {
    entity?.despawn();
    position().x = 55;
    assert.deepEqual([...ctx.near({ x: 55, y: 5 }, 9)], []);
    assert.throws(() => entity?.add("look"), /was despawned/);
    assert.throws(() => entity?.remove("position"), /was despawned/);
    assert.throws(() => {
      if (entity !== undefined) entity.channel = "lobby";
    }, /was despawned/);
    throw new Error("on purpose");
  };
  assert.equal(test.tick().faults[0]?.message, "on purpose");
  const twin = untouched(before, (shard) => shard.tick());
  assert.equal(test.shard.hash(), twin.shard.hash());
  assert.deepEqual(look(test), look(twin));
  test.hooks.tick = () => {
    entity?.despawn();
    position().x = 55;
  };
  test.tick();
  assert.equal(test.shard.store.entities.size, 0);
  test.hooks.tick = (ctx) => {
    position().x = 5;
    assert.deepEqual([...ctx.near({ x: 5, y: 5 }, 9)], []);
    assert.throws(() => {
      if (entity !== undefined) entity.owner = { id: 1 };
    });
  };
  test.tick();
});

test("ids that were never seen are given again", () => {
  const test = new TestShard();
  const ids: number[] = [];
  test.hooks.tick = (ctx) => {
    ids.push(ctx.spawn({ body: {} }).id, ctx.after(1, "alarm"), ctx.request("service", null));
    throw new Error("on purpose");
  };
  test.tick();
  test.tick();
  assert.deepEqual(ids, [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(test.shard.pendingRequests(), []);
});

test("an interruption anywhere in a handler leaves nothing of it behind, or all", () => {
  for (let seed = 1; seed <= share(30); seed++) {
    const deeds = new SeededRandom(`steps ${seed}`);
    const whole = interruptedAt(seed, Number.POSITIVE_INFINITY);
    // Anywhere, and close behind the handler's end, where its savepoint is made.
    const at = seed % 2 === 0 ? deeds.int(1, whole.ended) : deeds.int(whole.ended + 1, whole.last);
    const { test, struck } = interruptedAt(seed, at);
    const nothing = interruptedAt(seed, Number.POSITIVE_INFINITY, () => undefined).test;
    nothing.shard.store.random.next();
    whole.test.shard.store.random.next();
    const hash = test.shard.hash();
    assert.equal(struck, at);
    const isAll = at > whole.ended && hash === whole.test.shard.hash();
    const twin = isAll ? whole.test : nothing;
    assert.equal(hash, twin.shard.hash(), `seed ${seed}, cut off at step ${at}`);
    assert.deepEqual(look(test), look(twin), `seed ${seed}, cut off at step ${at}`);
  }
});

test("a savepoint is made whole or not at all, and no wish is lost behind it", () => {
  const results = new Set<string>();
  // Every place from the handler's last deed to the end of the tick's work.
  for (let behind = -2; ; behind++) {
    const handler = (ctx: ModuleContext) => {
      ctx.spawn({ body: { points: 1 } });
      ctx.kv.set("done", true);
      ctx.after(1, "alarm");
      ctx.request("service", null);
      ctx.random.float();
      for (const player of ctx.players) if (player.account === "bob") player.kick();
    };
    const { ended, last } = interruptedAt(1, Number.POSITIVE_INFINITY, handler);
    if (ended + behind > last) break;
    const { test } = interruptedAt(1, ended + behind, handler);
    const { kv, timers, requests, entities } = test.shard.store;
    delete test.hooks.tick;
    const before = interruptedAt(1, Number.POSITIVE_INFINITY, () => undefined).test.shard.store;
    const more = {
      done: kv.get("done") === true,
      entityIds: entities.nextId - before.entities.nextId,
      timers: timers.size - before.timers.size,
      timerIds: test.shard.store.nextTimerId - before.nextTimerId,
      requests: requests.size - before.requests.size,
      requestIds: test.shard.store.nextRequestId - before.nextRequestId,
    };
    test.tick();
    const kicked = test.shard.store.sessions.ofAccount("bob") === undefined;
    results.add(JSON.stringify({ ...more, kicked }));
  }
  const all = { done: true, entityIds: 1, timers: 1, timerIds: 1, requests: 1, requestIds: 1 };
  const none = { done: false, entityIds: 0, timers: 0, timerIds: 0, requests: 0, requestIds: 0 };
  assert.deepEqual(
    [...results],
    [
      { ...none, kicked: false },
      { ...all, kicked: true },
    ].map((result) => JSON.stringify(result)),
  );
});

interface CutOff {
  test: TestShard;
  /** Steps from the handler's begin to its end, and to the end of the tick's work. */
  ended: number;
  last: number;
  /** The step it was cut off at; 0 when it was not. */
  struck: number;
}

/**
 * The world of a seed after a tick whose work was cut off at a step of its store, counted from the begin
 * of its own handler. The limit is the real one; where it strikes does not hang on the clock: there the
 * code waits for it. A machine so slow that it strikes before that is given more time.
 */
function interruptedAt(
  seed: number,
  at: number,
  handler: (ctx: ModuleContext, random: SeededRandom) => void = randomDeeds,
  limitMs = 20,
): CutOff {
  const random = new SeededRandom(seed);
  const guard = switched(Number.isFinite(at) ? limitMs : 0);
  let step = Number.NaN;
  let last = 0;
  const test = lively(random, {
    guard: (run) => {
      const result = guard(run);
      last = step;
      step = Number.NaN;
      return result;
    },
  });
  let ended = 0;
  let struck = 0;
  addStepPoints(test.shard.store, () => {
    step += 1;
    if (step !== at) return;
    struck = step;
    forever();
  });
  test.hooks.tick = (ctx) => {
    step = 0;
    handler(ctx, random);
    ended = step;
  };
  limited = true;
  const { faults } = test.tick();
  limited = false;
  const wasCutOff = faults[0]?.kind === "time-limit";
  if (wasCutOff && struck === 0) return interruptedAt(seed, at, handler, 2 * limitMs);
  return { test, ended, last, struck };
}

let limited = false;

/** The real time limit, in force only while `limited`: a busy machine must not cut off the rest. */
function switched(limitMs: number): ReturnType<typeof createGuard> {
  const guard = createGuard(limitMs);
  return (run) => {
    if (limited) return guard(run) === "done" ? "done" : "interrupted";
    run();
    return "done";
  };
}

/** Ticks with the limit in force. */
function cutOff(test: TestShard) {
  limited = true;
  const result = test.tick();
  limited = false;
  assert.equal(result.faults[0]?.kind, "time-limit");
  return result;
}

const forever = () => {
  for (;;);
};

for (const event of ["join", "leave", "resume", "drop", "say", "move"] as const)
  test(`a session is whole after its ${event} handler was cut off`, () => {
    const test = new TestShard({ guard: switched(50) });
    const ann = test.join("ann");
    test.hooks[event] = forever;
    let code: string | undefined;
    if (event === "join") {
      const bob = test.attach("bob");
      cutOff(test);
      code = bob.closed?.code;
      assert.equal(code, "internal-error");
      assert.equal(test.shard.store.sessions.ofAccount("bob"), undefined);
    } else if (event === "leave") {
      ann.leave();
      cutOff(test);
      assert.equal(ann.closed?.code, "left");
      assert.equal(test.shard.store.sessions.size, 0);
    } else if (event === "drop" || event === "resume") {
      ann.detach();
      if (event === "drop") cutOff(test);
      else test.tick();
      const session = test.shard.store.sessions.sessionById(ann.session);
      assert.equal(session?.connected, false);
      assert.ok((session?.graceEnd ?? 0) > test.shard.store.tick);
      if (event === "resume") {
        const back = test.resume(ann);
        cutOff(test);
        assert.equal(back.closed?.code, "internal-error");
        assert.equal(session?.connected, false);
      }
    } else {
      if (event === "say") ann.say("x");
      else ann.move(1, 0);
      ann.say("next");
      cutOff(test);
      assert.equal(ann.closed, undefined);
    }
    delete test.hooks[event];
    const bob = test.join("bob");
    assert.equal(bob.closed, undefined);
    const again = test.join("ann");
    assert.equal(again.closed, undefined);
    assert.equal(test.shard.attachmentCount, 2);
    for (const session of test.shard.store.sessions.all()) assert.equal(session.connected, true);
  });

test("events behind the one that was cut off are handled in the next tick", () => {
  const test = new TestShard({ guard: switched(50) });
  const ann = test.join("ann");
  const heard: unknown[] = [];
  test.hooks.say = (_, __, { text }) => (text === "loop" ? forever() : heard.push(text));
  ann.say("first");
  ann.say("loop");
  ann.say("last");
  const result = cutOff(test);
  assert.equal(result.faults[0]?.event, "message.say");
  assert.deepEqual(heard, ["first"]);
  test.tick();
  assert.deepEqual(heard, ["first", "last"]);
  assert.equal(ann.acked, 3);
});

test("three interrupted ticks in a row stop the world, and its clients are told", () => {
  const test = new TestShard({ guard: switched(50) });
  const ann = test.join("ann");
  test.hooks.tick = forever;
  assert.deepEqual(
    [1, 2, 3].map(() => cutOff(test).quarantined),
    [false, false, true],
  );
  assert.equal(ann.closed?.code, "world-failed");
  assert.equal(test.shard.busy, false, "a stopped world costs nothing");
  assert.equal(test.shard.nextDue(), Number.POSITIVE_INFINITY);
  const late = test.attach("bob");
  test.tick();
  assert.equal(late.closed?.code, "world-failed");
});
