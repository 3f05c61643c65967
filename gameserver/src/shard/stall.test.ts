import assert from "node:assert/strict";
import { test } from "node:test";
import { createGuard } from "../host/guard.ts";
import type { ModuleContext } from "../module/context.ts";
import type { Hooks } from "../testing/puppet-world.ts";
import { addStepPoints } from "../testing/step-points.ts";
import { streamOf, TestShard } from "../testing/test-shard.ts";
import { type Guard, MAX_STALLS } from "./guarded.ts";

/** The process stands still within a handler, or beside one: what was cut off by that comes about after all. */

const LIMIT_MS = 20;
const EVENTS = ["join", "leave", "drop", "resume", "move", "say", "alarm", "tick"] as const;

const forever = () => {
  for (;;);
};

/**
 * The real limit, for a process that used no CPU time meanwhile; in force only while strikes are to come: a busy machine
 * must not add its own.
 */
function stalling(strikes: { left: number }): Guard {
  const guard = createGuard(LIMIT_MS, () => 0);
  return (run) => {
    if (strikes.left > 0) return guard(run);
    run();
    return "done";
  };
}

/** A guard that knows whether something runs in it at the moment. */
function noticing(guard: Guard): { readonly guard: Guard; readonly isWithin: () => boolean } {
  let isWithin = false;
  return {
    isWithin: () => isWithin,
    guard: (work) => {
      isWithin = true;
      const outcome = guard(work);
      isWithin = false;
      return outcome;
    },
  };
}

/** A world in which each handler leaves its mark, and draws a random number. */
function marking(called: string[] = []): Hooks {
  const mark = (name: string): ((ctx: ModuleContext) => void) => {
    return (ctx) => {
      called.push(name);
      ctx.kv.set(`${name}/${ctx.random.float()}`, 1);
      ctx.broadcast("said", { text: name });
      ctx.spawn({ position: { x: 1, y: 1, z: 1 } });
    };
  };
  return Object.fromEntries(EVENTS.map((name) => [name, mark(name)]));
}

type Event = (typeof EVENTS)[number];

/** Two players, and an event that the next tick has to do with. */
function before(event: Event, guard?: Guard): { test: TestShard; called: string[] } {
  const called: string[] = [];
  const test = new TestShard({ hooks: marking(called), ...(guard === undefined ? {} : { guard }) });
  const ann = test.join("ann", { stream: streamOf(1) });
  test.join("bob", { stream: streamOf(2) });
  if (event === "resume") {
    ann.detach();
    test.tick();
  }
  if (event === "alarm") test.shard.store.addTimer(1, "alarm", null);
  called.length = 0;
  if (event === "leave") ann.leave();
  else if (event === "drop") ann.detach();
  else if (event === "resume") test.resume(ann);
  else if (event === "join") test.attach("eve", { stream: streamOf(3) });
  else if (event === "move") ann.move(1, 0);
  else if (event === "say") ann.say("x");
  return { test, called };
}

for (const event of EVENTS)
  test(`a process that stands still in the ${event} handler: it is run again, as if nothing had been`, () => {
    const strikes = { left: 0 };
    const { test, called } = before(event, stalling(strikes));
    const twin = before(event);
    const handler = test.hooks[event];
    let struck = 0;
    const striking = (ctx: ModuleContext) => {
      Reflect.apply(handler ?? forever, undefined, [ctx]);
      struck += 1;
      if (struck === 3) return;
      strikes.left -= 1;
      forever();
    };
    test.hooks[event] = striking;
    strikes.left = 2;
    const { faults } = test.tick();
    twin.test.tick();
    assert.equal(struck, 3);
    assert.deepEqual(faults, []);
    assert.deepEqual(called.slice(-twin.called.length), twin.called);
    assert.deepEqual(
      test.clients.map(({ closed, received, acked }) => [closed?.code, received.length, acked]),
      twin.test.clients.map(({ closed, received, acked }) => [
        closed?.code,
        received.length,
        acked,
      ]),
    );
  });

test("wherever it stands still: messages and inputs count once, and the state is as if it had not", () => {
  const happened = (test: TestShard) => {
    const [ann, bob] = test.clients;
    ann?.say("one");
    ann?.move(1, 0);
    bob?.say("two");
    ann?.say("three");
    test.shard.store.addTimer(1, "alarm", null);
  };
  const run = (at: number) => {
    const strikes = { left: 0 };
    const called: string[] = [];
    const { guard, isWithin } = noticing(stalling(strikes));
    let step = 0;
    const test = new TestShard({ hooks: marking(called), guard });
    test.join("ann", { stream: streamOf(1) });
    test.join("bob", { stream: streamOf(2) });
    happened(test);
    addStepPoints(test.shard.store, () => {
      if (isWithin()) step += 1;
      if (!isWithin() || step !== at) return;
      strikes.left -= 1;
      forever();
    });
    const before = test.shard.snapshot();
    step = 0;
    strikes.left = Number.isFinite(at) ? 1 : 0;
    const result = test.tick();
    return { test, before, result, steps: step, hash: test.shard.hash() };
  };
  const smooth = run(Number.POSITIVE_INFINITY);
  let struck = 0;
  for (let at = 1; at <= smooth.steps; at += 5) {
    const { test, result, hash, before } = run(at);
    assert.deepEqual(result.faults, [], `step ${at}`);
    assert.equal(hash, smooth.hash, `step ${at}`);
    const follower = new TestShard();
    follower.shard.load(before);
    follower.shard.load(result.delta);
    assert.equal(follower.shard.hash(), smooth.hash, `the delta of step ${at}`);
    assert.deepEqual(
      test.clients.map(({ acked, received }) => [acked, received]),
      smooth.test.clients.map(({ acked, received }) => [acked, received]),
    );
    struck += 1;
  }
  assert.ok(struck > 10);
});

test("a process that stands still again, before or while a handler is run again: it is run all the same, once", () => {
  const run = (again: number) => {
    const strikes = { left: 0 };
    const called: string[] = [];
    const { guard, isWithin } = noticing(stalling(strikes));
    let struckFirst = false;
    let step = 0;
    const strike = () => {
      strikes.left -= 1;
      forever();
    };
    const test = new TestShard({ hooks: marking(called), guard });
    test.join("ann", { stream: streamOf(1) });
    const { alarm } = test.hooks;
    test.hooks.alarm = (...args) => {
      Reflect.apply(alarm ?? forever, undefined, args);
      if (struckFirst || strikes.left === 0) return;
      struckFirst = true;
      strike();
    };
    test.shard.store.addTimer(1, "alarm", null);
    addStepPoints(test.shard.store, () => {
      if (isWithin() && struckFirst) step += 1;
      if (isWithin() && step === again && strikes.left > 0) strike();
    });
    strikes.left = again === 0 ? 0 : 2;
    const { faults } = test.tick();
    return { faults, hash: test.shard.hash(), left: strikes.left };
  };
  const smooth = run(0);
  for (let again = 1; again <= 12; again++)
    assert.deepEqual(run(again), { faults: [], hash: smooth.hash, left: 0 }, `step ${again}`);
});

test("who stands still again and again is too slow", () => {
  const strikes = { left: 0 };
  const test = new TestShard({ guard: stalling(strikes) });
  const ann = test.join("ann");
  let tries = 0;
  test.hooks.say = () => {
    tries += 1;
    forever();
  };
  ann.say("x");
  strikes.left = 1;
  const { faults } = test.tick();
  assert.ok(tries > 1 && tries <= 1 + MAX_STALLS, `${tries} tries`);
  assert.deepEqual(
    faults.map(({ kind, event }) => [kind, event]),
    [["time-limit", "message.say"]],
  );
  assert.equal(ann.acked, 1);
});
