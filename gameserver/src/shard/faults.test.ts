import assert from "node:assert/strict";
import { test } from "node:test";
import { DecodeError, type Plain, type World } from "@atlasnet/world";
import type { ModuleContext } from "../module/context.ts";
import { ModuleError, TypeScriptModule } from "../module/typescript-module.ts";
import { type Hooks, puppetDefinition } from "../testing/puppet-world.ts";
import { TestShard } from "../testing/test-shard.ts";
import { MAX_FAULTS_PER_TICK } from "./faults.ts";

const broken = () => {
  throw new Error("broken");
};

const events: [keyof Hooks, string, (test: TestShard) => void][] = [
  ["create", "create", (test) => test.shard.create()],
  ["join", "join", (test) => test.attach("bob")],
  ["leave", "leave", (test) => test.clients[0]?.leave()],
  ["drop", "drop", (test) => test.clients[0]?.detach()],
  ["move", "input.move", (test) => test.clients[0]?.move(1, 0)],
  ["say", "message.say", (test) => test.clients[0]?.say("x")],
  ["response", "response", (test) => test.shard.respond({ id: 1, ok: true, value: null })],
  ["tick", "tick", () => undefined],
];

for (const [hook, event, cause] of events)
  test(`a fault in ${event} names event, tick and stack; the rest of the tick goes on`, () => {
    const test = new TestShard();
    test.hooks.create = (ctx) => ctx.request("service", null);
    test.shard.create();
    const ann = test.join("ann");
    test.hooks[hook] = broken;
    cause(test);
    const other = test.attach("eve");
    const { faults, tick } = test.tick();
    assert.deepEqual(
      faults.filter((fault) => fault.event !== event),
      [],
    );
    const [fault] = faults;
    assert.deepEqual([fault?.kind, fault?.tick, fault?.message], ["threw", tick, "broken"]);
    assert.match(fault?.stack ?? "", /faults\.test/);
    assert.ok(other.welcome !== undefined || hook === "join");
    assert.ok(ann.welcome !== undefined);
  });

test("an unknown timer is a fault, once", () => {
  const test = new TestShard({ hasTick: false });
  test.hooks.create = (ctx) => ctx.after(2, "nobody", { x: 1 });
  test.shard.create();
  const faults = test.ticks(5).flatMap((result) => result.faults);
  assert.deepEqual(
    faults.map(({ event, tick }) => [event, tick]),
    [["timer.nobody", 3]],
  );
});

test("an async handler is a fault, and its own failure harms nobody", async () => {
  const test = new TestShard();
  test.hooks.tick = async (ctx) => {
    ctx.kv.set("a", 1);
    await Promise.resolve();
    throw new Error("later");
  };
  const { faults } = test.tick();
  assert.match(faults[0]?.message ?? "", /tick handler is async/);
  assert.equal(test.shard.store.kv.size, 0);
  await new Promise((resolve) => setImmediate(resolve));
});

test("whatever is thrown can be told", () => {
  const test = new TestShard();
  const hostile = {
    toString() {
      throw new Error("no");
    },
  };
  const odd = Object.assign(new Error("x"), { message: hostile, stack: hostile });
  for (const thrown of [undefined, null, 7, Symbol("s"), Object.create(null), hostile, odd]) {
    test.hooks.tick = () => {
      throw thrown;
    };
    const [fault] = test.tick().faults;
    assert.equal(typeof fault?.message, "string");
    assert.equal(typeof fault?.stack, "string");
    structuredClone(fault);
    delete test.hooks.tick;
    test.tick();
  }
  test.hooks.tick = () => {
    throw new Error("long ".repeat(10_000));
  };
  assert.ok((test.tick().faults[0]?.message.length ?? 1e9) <= 2_000);
});

test("a decode error of the world's own code is a fault, not a bad message", () => {
  const test = new TestShard();
  test.hooks.tick = () => {
    throw new DecodeError("own");
  };
  assert.equal(test.tick().faults[0]?.message, "own");
});

test("faults of one tick are told up to a bound, that of tick always", () => {
  const test = new TestShard();
  const ann = test.join("ann");
  test.hooks.move = broken;
  test.hooks.tick = broken;
  for (let i = 0; i < 100; i++) ann.move(1, 0);
  const { faults, moreFaults } = test.tick();
  assert.equal(faults.length, MAX_FAULTS_PER_TICK + 1);
  assert.equal(moreFaults, 100 - MAX_FAULTS_PER_TICK);
  assert.equal(faults.at(-1)?.event, "tick");
});

test("ten faulty ticks in a row stop the world, nine and a good one do not", () => {
  const test = new TestShard();
  const ann = test.join("ann");
  test.hooks.tick = broken;
  test.ticks(9);
  delete test.hooks.tick;
  test.tick();
  test.hooks.tick = broken;
  const stopped = test.ticks(10).map(({ quarantined }) => quarantined);
  assert.deepEqual(stopped, [...Array<boolean>(9).fill(false), true]);
  assert.equal(ann.closed?.code, "world-failed");
  assert.equal(test.shard.store.sessions.sessionById(ann.session)?.connected, false);
});

const nonsense: [string, (ctx: ModuleContext) => unknown, RegExp][] = [
  ["NaN", (ctx) => ctx.spawn({ position: { x: Number.NaN } }), /position\.x: expected a number/],
  ["a wrong type", (ctx) => ctx.spawn({ look: { name: 5 } }), /look\.name: expected text/],
  ["a long text", (ctx) => ctx.spawn({ look: { name: "x".repeat(41) } }), /at most 40 bytes/],
  ["an unknown field", (ctx) => ctx.spawn({ look: { nam: "x" } }), /no field "nam"/],
  ["an unknown component", (ctx) => ctx.spawn({ lok: {} }), /no component "lok"/],
  ["out of range", (ctx) => ctx.spawn({ body: { points: 101 } }), /from 0 to 100/],
  ["an unknown message", (ctx) => ctx.broadcast("sad", {}), /no server message "sad"/],
  ["a message too large", tooLong, /takes \d+ bytes, at most 65536/],
  ["a bad timer", (ctx) => ctx.after(0, "alarm"), /at least 1|1 to/],
  ["a timer beyond time", (ctx) => ctx.after(2 ** 52, "alarm"), /1 to/],
  ["a long timer name", (ctx) => ctx.after(1, "x".repeat(2000)), /timer's name/],
  ["no timer name", (ctx) => ctx.after(1, undefined as never), /timer's name/],
  ["a long service name", (ctx) => ctx.request("x".repeat(2000), 1), /service's name/],
  ["a payload that is no data", (ctx) => ctx.request("x", broken as never), /function/],
  ["a long key", (ctx) => ctx.kv.set("x".repeat(300), 1), /at most 256 bytes/],
  ["half a character", (ctx) => ctx.kv.set("\ud800", 1), /a key is a text/],
  ["a huge value", (ctx) => ctx.kv.set("k", "x".repeat(70_000)), /more than 65536 bytes/],
  ["an unknown channel", (ctx) => unknownChannel(ctx), /no channel "lobbi"/],
];

function tooLong(ctx: ModuleContext): void {
  const half = "x".repeat(40_000);
  ctx.broadcast("long", { a: half, b: half });
}

function unknownChannel(ctx: ModuleContext): void {
  ctx.spawn({ body: {} }).channel = "lobbi";
}

for (const [name, deed, problem] of nonsense)
  test(`nonsense is refused by name: ${name}`, () => {
    const test = new TestShard();
    const ann = test.join("ann");
    const before = test.shard.store.entities.size;
    test.hooks.tick = (ctx) => {
      deed(ctx);
    };
    const { faults } = test.tick();
    assert.match(faults[0]?.message ?? "", problem);
    assert.equal(test.shard.store.entities.size, before);
    assert.equal(ann.received.length, 0);
    delete test.hooks.tick;
    // What the store took in can be read back.
    test.successor({ epoch: 2 }).tick();
  });

test("a transfer to a world that can have no name is refused", () => {
  const test = new TestShard();
  test.hooks.join = (_, player) => player.transfer("x".repeat(200));
  test.attach("ann");
  assert.match(test.tick().faults[0]?.message ?? "", /transfer\(world\)/);
});

test("a log line may be about anything, and there are only so many in a tick", () => {
  const test = new TestShard();
  test.hooks.tick = (ctx) => {
    const entity = ctx.spawn({ body: {} });
    ctx.log("about", {
      entity: entity as never,
      f: broken as never,
      n: 1,
      none: undefined as never,
    });
    for (let i = 0; i < 1_000; i++) ctx.log("many");
  };
  const { logs, faults } = test.tick();
  assert.deepEqual(faults, []);
  structuredClone(logs);
  assert.equal(logs[0]?.facts["n"], 1);
  assert.equal(logs.length, 101);
  assert.match(logs.at(-1)?.message ?? "", /the rest is dropped/);
});

test("bad modules are refused with what is wrong", () => {
  const definition = puppetDefinition();
  const make = (world: unknown) => () => new TypeScriptModule(world as World, null as Plain);
  assert.throws(make({}), ModuleError);
  assert.throws(make({ definition, behaviour: { tik() {} } }), /unknown handler "tik"/);
  assert.throws(
    make({ definition, behaviour: { input: { mov() {} } } }),
    /input\.mov handles nothing/,
  );
  assert.throws(make({ definition, behaviour: { message: { sy() {} } } }), /message\.sy/);
  assert.throws(
    make({ definition: { data: { ...definition.data, tickRate: 0 } }, behaviour: {} }),
    /tickRate/,
  );
});
