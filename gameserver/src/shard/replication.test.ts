import assert from "node:assert/strict";
import { test } from "node:test";
import { OperatingError } from "@atlasnet/core";
import { share } from "@atlasnet/core/testing";
import { DecodeError } from "@atlasnet/world";
import fc from "fast-check";
import { live } from "../testing/random-life.ts";
import { TestShard } from "../testing/test-shard.ts";
import { MAX_COPIES } from "./replication.ts";
import { EXPECT_BACK_SECONDS } from "./session-life.ts";
import type { StateCopy } from "./state-copy.ts";
import { differingSections, STATE_SECTIONS, type StateHash } from "./state-digest.ts";
import type { StateFollower } from "./state-follower.ts";

/** The digest of a state, from nothing but its bytes. */
function freshDigest(snapshot: Uint8Array): StateHash | undefined {
  const { shard } = new TestShard();
  const load = shard.beginLoad();
  load.take(snapshot);
  load.finish();
  return shard.digest();
}

/** A shard that follows another from now on, its copy read at once. */
function followerOf(source: TestShard, copy = source.shard.beginCopy()): TestShard {
  const twin = new TestShard({ hooks: source.hooks });
  const load = twin.shard.beginLoad();
  for (let last = false; !last; ) {
    const piece = copy.read(1000);
    load.take(piece.data);
    last = piece.last;
  }
  load.finish();
  return twin;
}

test("a copy read while ticks go on is the snapshot of its beginning; with the deltas it follows", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 2 ** 31 }),
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }),
      fc.integer({ min: 1, max: 30 }),
      (seed, sizes, start) => {
        let copy: StateCopy | undefined;
        let expected = new Uint8Array(0);
        const pieces: Uint8Array[] = [];
        const deltas: { tick: number; delta: Uint8Array }[] = [];
        let twin: TestShard | undefined;
        let load: StateFollower | undefined;
        let n = 0;
        for (const { test, result } of live(seed, 70)) {
          n += 1;
          const { shard } = test;
          if (n < start) continue;
          if (copy === undefined) {
            expected = Uint8Array.from(shard.snapshot());
            copy = shard.beginCopy();
            assert.equal(copy.tick, shard.store.tick);
            twin = new TestShard();
            load = twin.shard.beginLoad();
          } else deltas.push(result);
          assert.ok(twin !== undefined && load !== undefined);
          if (!copy.isWhole) {
            assert.equal(shard.digest(), undefined);
            // Something in any case, and all of it in time.
            const piece = copy.read(n === 60 ? 2 ** 24 : (sizes[n % sizes.length] ?? 1));
            pieces.push(piece.data);
            load.take(piece.data);
            if (!piece.last) continue;
            load.finish();
            assert.deepEqual(Uint8Array.from(Buffer.concat(pieces)), expected);
          }
          for (const { tick, delta } of deltas.splice(0)) twin.shard.follow(tick, delta);
          const digest = shard.digest();
          assert.ok(digest !== undefined);
          assert.deepEqual(digest, twin.shard.digest());
          assert.deepEqual(digest, freshDigest(shard.snapshot()));
          assert.equal(twin.shard.hash(), shard.hash());
        }
        assert.ok(copy?.isWhole);
      },
    ),
    { numRuns: share(25) },
  );
});

test("the digest tells any single difference", () => {
  const source = new TestShard();
  source.hooks.tick = (ctx) => {
    if (ctx.tick !== 2) return;
    ctx.spawn({ body: { points: 1 } });
    ctx.kv.set("key", 1);
    ctx.after(50, "alarm", 1);
    ctx.request("service", 1);
    ctx.broadcast("said", { text: "x" });
  };
  source.join("ann");
  source.tick();
  const state = source.shard.snapshot();
  const digestAfter = (change: (shard: TestShard) => void) => {
    const twin = new TestShard();
    twin.shard.load(state);
    change(twin);
    return freshDigest(twin.shard.snapshot());
  };
  const same = digestAfter(() => undefined);
  assert.deepEqual(same, followerOf(source).shard.digest());
  const changes: { [what: string]: (twin: TestShard) => void } = {
    tick: ({ shard }) => (shard.store.tick += 1),
    timeline: ({ shard }) => (shard.store.timeline += 1),
    random: ({ shard }) => shard.store.random.next(),
    counter: ({ shard }) => (shard.store.entities.nextId += 1),
    entity: ({ shard }) => {
      const entity = shard.store.entities.get(1);
      assert.ok(entity !== undefined);
      shard.store.entities.set(entity, 2, { ...entity.$components[2]?.$copy(), points: 2 });
    },
    place: ({ shard }) => {
      for (const entity of shard.store.entities.all()) entity.$index += 1;
    },
    key: ({ shard }) => shard.store.kv.load("key", 2),
    lostKey: ({ shard }) => shard.store.kv.load("key", undefined),
    timer: ({ shard }) => shard.store.timers.load(1, { id: 1, due: 9, name: "alarm", data: 1 }),
    request: ({ shard }) => shard.store.requests.load(1, undefined),
    session: ({ shard }) => {
      for (const session of shard.store.sessions.all()) session.lastInput += 1;
    },
    outbox: ({ shard }) => {
      for (const session of shard.store.sessions.all()) session.outbox = [];
    },
  };
  for (const [what, change] of Object.entries(changes))
    assert.notDeepEqual(digestAfter(change), same, what);
});

test("players who attach again in time are not missed, and their messages go on", () => {
  const told: string[] = [];
  const source = new TestShard();
  source.hooks.drop = () => told.push("drop");
  source.hooks.resume = () => told.push("resume");
  source.hooks.say = (_ctx, player, message) => told.push(`${message["text"]}`, `${player.id}`);
  source.hooks.tick = (ctx) => ctx.tick === 4 && ctx.broadcast("said", { text: "kept" });
  const ann = source.join("ann");
  const bob = source.join("bob");
  const copy = source.shard.beginCopy();
  ann.say("one");
  const target = followerOf(source, copy);
  for (const { tick, delta } of source.ticks(2)) target.shard.follow(tick, delta);
  assert.ok(source.shard.isSettled);
  assert.deepEqual(target.shard.digest(), source.shard.digest());
  target.shard.succession.takeOver({ epoch: 9, timeline: 1 });
  assert.equal(target.shard.digest(), undefined);
  target.tick();
  const back = target.resume(ann, { attempt: 5, lastReceived: 0 });
  target.tick();
  assert.equal(back.welcome?.appliedSeq, 1);
  assert.equal(back.welcome?.epoch, 9);
  back.say("one", 1);
  back.say("two", 2);
  target.tick();
  assert.deepEqual(
    back.received.map(({ seq }) => seq),
    [1],
  );
  assert.deepEqual(told, ["one", `${ann.session}`, "two", `${ann.session}`]);
  const takenOverAt = source.shard.store.tick;
  const end = takenOverAt + EXPECT_BACK_SECONDS * target.definition.data.tickRate;
  assert.equal(target.shard.nextDue(), end);
  target.ticks(end - 1 - target.shard.store.tick);
  assert.deepEqual(told.slice(4), []);
  target.tick();
  assert.deepEqual(told.slice(4), ["drop"]);
  // Bob's grace begins with that.
  const late = target.resume(bob, { attempt: 5 });
  target.tick();
  assert.ok(late.welcome !== undefined);
  assert.deepEqual(told.slice(4), ["drop", "resume"]);
});

test("inputs that come again around a move apply once, and those behind them go on", () => {
  const applied: [string, unknown][] = [];
  const source = new TestShard();
  let place = "source";
  source.hooks.move = (_ctx, _player, input) => applied.push([place, input["dx"]]);
  const ann = source.join("ann");
  const copy = source.shard.beginCopy();
  const target = followerOf(source, copy);
  ann.move(1, 0);
  ann.move(-1, 0);
  for (const { tick, delta } of source.ticks(1)) target.shard.follow(tick, delta);
  // On its way when the source has made its last tick: nobody keeps an input.
  ann.move(1, 0);
  assert.ok(source.shard.isSettled);
  place = "target";
  target.shard.succession.takeOver({ epoch: 9, timeline: 1 });
  const back = target.resume(ann, { attempt: 5 });
  target.tick();
  assert.equal(back.welcome?.lastInput, 2);
  // Packets repeat what the ones before them had: the second and third come again, the third late.
  back.move(-1, 0, 2);
  back.move(1, 0, 3);
  back.move(-1, 0, 4);
  back.move(1, 0, 3);
  target.tick();
  assert.deepEqual(applied, [
    ["source", 1],
    ["source", -1],
    ["target", 1],
    ["target", -1],
  ]);
});

test("a crash of the new owner before players are back is a drop, as ever; its deltas tell the same state", () => {
  const told: string[] = [];
  const source = new TestShard();
  source.hooks.drop = () => told.push("drop");
  source.join("ann");
  const target = followerOf(source);
  target.shard.succession.takeOver({ epoch: 2, timeline: 1 });
  const second = followerOf(target);
  const { tick, delta } = target.tick();
  second.shard.follow(tick, delta);
  assert.deepEqual(second.shard.digest(), target.shard.digest());
  assert.deepEqual(told, []);
  const restored = target.successor({ epoch: 3 });
  restored.tick();
  assert.deepEqual(told, ["drop"]);
});

test("copies are bounded, and one that ended gives nothing", () => {
  const source = new TestShard();
  source.tick();
  const copies = Array.from({ length: MAX_COPIES }, () => source.shard.beginCopy());
  assert.throws(
    () => source.shard.beginCopy(),
    (error) => error instanceof OperatingError && error.code === "too-many-copies",
  );
  for (const copy of copies) copy.end();
  assert.throws(() => copies[0]?.read(10), TypeError);
  assert.equal(source.shard.store.entities.watchers.size, 0);
  const copy = source.shard.beginCopy();
  assert.ok(copy.read(2 ** 20).last);
  copy.end();
  assert.equal(source.shard.digest(), undefined);
});

test("a copy that is cut short, too long or damaged is refused, and so is a delta out of turn", () => {
  const source = new TestShard();
  source.hooks.tick = (ctx) => ctx.spawn({ look: { name: "somebody" } });
  source.ticks(3);
  const whole = source.shard.snapshot();
  const load = (...pieces: Uint8Array[]) => {
    const follower = new TestShard().shard.beginLoad();
    for (const piece of pieces) follower.take(piece);
    follower.finish();
    return follower;
  };
  assert.throws(() => load(whole.subarray(0, -1)), DecodeError);
  assert.throws(() => load(whole, Uint8Array.of(0)), DecodeError);
  assert.throws(() => load(Uint8Array.of(1, 99)), DecodeError);
  const follower = load(whole);
  const { tick, delta } = source.tick();
  assert.throws(() => follower.follow(tick + 1, delta), DecodeError);
  const other = load(whole);
  other.follow(tick, delta);
  assert.throws(() => other.follow(tick, delta), DecodeError);
});

test("a shard is not settled while only its own next tick would do what waits", () => {
  const source = new TestShard();
  source.shard.create();
  assert.equal(source.shard.isSettled, false);
  source.tick();
  assert.equal(source.shard.isSettled, true);
  const ann = source.join("ann");
  ann.say("hello");
  assert.equal(source.shard.isSettled, true, "the client sends it again");
  const restored = source.successor({});
  assert.equal(restored.shard.isSettled, false, "the world has to hear of the drop");
});

test("two states that differ say in which of their sections", () => {
  const changes: {
    readonly [section in (typeof STATE_SECTIONS)[number]]: (test: TestShard) => void;
  } = {
    head: ({ shard }) => void shard.store.random.next(),
    entities: ({ shard }) => void shard.store.entities.spawn({}),
    keys: ({ shard }) => shard.store.kv.set("n", 2),
    sessions: (test) => void test.join("bob"),
    timers: ({ shard }) => void shard.store.addTimer(5, "alarm", null),
    requests: ({ shard }) => void shard.store.addRequest("service", null),
  };
  const begun = () => {
    const test = new TestShard();
    test.tick();
    return test;
  };
  const digestOf = (test: TestShard) => freshDigest(test.shard.snapshot()) ?? assert.fail("none");
  for (const section of STATE_SECTIONS) {
    const [one, other] = [begun(), begun()];
    changes[section](other);
    // Numbers that are given away are in the head.
    other.shard.store.tick = one.shard.store.tick;
    const [here, there] = [digestOf(one), digestOf(other)];
    assert.notDeepEqual(here.hash, there.hash);
    const found = differingSections(here.sections, there.sections);
    assert.deepEqual(
      found.filter((name) => name !== "head"),
      section === "head" ? [] : [section],
    );
    assert.ok(section !== "head" || found.includes("head"));
  }
  assert.deepEqual(differingSections(digestOf(begun()).sections, digestOf(begun()).sections), []);
});
