import assert from "node:assert/strict";
import { test } from "node:test";
import { defineWorld, text, uint } from "@atlasnet/world";
import {
  BEHAVIOUR,
  Client,
  DEFINITION,
  FIRST,
  factsOf,
  fedOf,
  moduleFile,
  play,
  replicasOn,
  SECOND,
  SHARD,
  SPEC,
  sequence,
  settingsOf,
  TICKS,
  threads,
  ticksOf,
} from "../testing/herd.ts";
import { Move, until } from "../testing/sim-thread.ts";
import type { ToThread } from "./protocol.ts";

test("what does not follow from what came before is refused, and nothing of the replica is left", async () => {
  const { disks, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  const lastDelta = () => {
    const delta = from.of("delta").at(-1);
    assert.ok(delta !== undefined);
    const { shard, previous, tick, data } = delta;
    return { type: "replica-delta" as const, shard, previous, tick, data, hashed: true };
  };
  const piece = { shard: SHARD, offset: 0, data: new Uint8Array(3), last: false };
  const bad: [string, () => ToThread][] = [
    [
      "a delta that leaves a tick out",
      () => {
        from.clock.advance(100);
        return lastDelta();
      },
    ],
    ["a delta for the second time", lastDelta],
    [
      "a delta of another form",
      () => {
        const { tick: previous } = lastDelta();
        return { ...lastDelta(), previous, tick: previous + 1, data: new Uint8Array(3) };
      },
    ],
    ["a piece after the last", () => ({ type: "replica-piece", ...piece })],
  ];
  for (const [what, message] of bad) {
    await move.follow(settingsOf());
    await move.keep();
    const post = message();
    to.tell(post);
    const { during, error } = await to.failure();
    assert.deepEqual([during, error.code], ["replica", "bad-data"], what);
    from.tell({ type: "end-copy", shard: SHARD, copy: 1 });
    // Nobody is there to take anything in, or to be promoted.
    to.tell(post);
    to.tell({ type: "promote", shard: SHARD, ownership: SECOND, dueMs: 0 });
    assert.equal((await to.failure()).during, "promote");
    to.tell({ type: "drop-replica", shard: SHARD });
    await to.answer("closed");
    assert.deepEqual(await replicasOn(disks[1]), [], what);
  }
});

test("a delta before the copy is whole, and a copy of another tick, are refused", async () => {
  const { from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  from.tell({ type: "copy", shard: SHARD, copy: 1 });
  const { tick, timeline } = await from.answer("copy-begun");
  from.tell({ type: "read-copy", shard: SHARD, copy: 1, offset: 0, maxBytes: 1_000_000 });
  const { data, last } = await from.answer("copy-piece");
  assert.ok(last);
  const begin = async (of: number) => {
    const source = { epoch: FIRST.epoch, world: 1, otherModule: false };
    const state = { tick: of, timeline, definition: DEFINITION };
    to.tell({ type: "replica", settings: settingsOf(), state, source });
    await to.answer("replica-open");
  };
  await begin(tick);
  const [previous, next] = [tick, tick + 1];
  to.tell({ type: "replica-delta", shard: SHARD, previous, tick: next, data, hashed: true });
  assert.match((await to.failure()).error.message, /before the copy/);
  await begin(tick + 1);
  to.tell({ type: "replica-piece", shard: SHARD, offset: 0, data, last });
  assert.match((await to.failure()).error.message, /a state of tick \d+ came for tick/);
  await begin(tick);
  to.tell({ type: "replica-piece", shard: SHARD, offset: 0, data: data.subarray(0, -1), last });
  assert.match((await to.failure()).error.message, /cannot be taken in/);
});

test("replicas are no open shards: they are in no figures, and their drop may come before their module", async () => {
  const { clock, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  from.report();
  to.report();
  assert.equal(from.of("stats").length, 1);
  assert.deepEqual(to.of("stats"), []);
  const replica = {
    ...{ type: "replica" as const, settings: settingsOf() },
    ...{ state: { tick: 3, timeline: 1, definition: DEFINITION } },
    ...{ source: { epoch: 5, world: 1, otherModule: false } },
  };
  // One after another, as they were asked for: the last stays.
  to.tell({ type: "drop-replica", shard: SHARD });
  to.tell(replica);
  to.tell({ type: "drop-replica", shard: SHARD });
  to.tell(replica);
  const told = () => to.posts.filter(({ type }) => type === "closed" || type === "replica-open");
  await until(clock, () => told().length === 4);
  assert.deepEqual(
    told().map(({ type }) => type),
    ["replica-open", "closed", "closed", "replica-open"],
  );
});

test("another module that cannot go on with the world is found out on a copy of it, before anything has happened", async () => {
  const { clock, disks, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const client = new Client(from);
  client.come(from, FIRST.epoch);
  await play(clock, client, 500);
  const number = defineWorld({ ...SPEC, components: { cow: { milk: text(9) } } }).data;
  const throwing = TICKS.replace(
    "const n =",
    "if (ctx.tick > 3) throw new Error('no hay');\n const n =",
  );
  const bad: [RegExp, string][] = [
    // One line, as tables show it.
    [
      /^world \w+ cannot go on with the module: tick: no hay \(file:[^\n]*:\d+:\d+\)$/,
      moduleFile(BEHAVIOUR + throwing),
    ],
    [/milk/, moduleFile(BEHAVIOUR + TICKS, number)],
  ];
  for (const [problem, file] of bad) {
    const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
    await move.follow(settingsOf({ file }), true);
    to.tell({ type: "keep-replica", shard: SHARD });
    const { during, error } = await to.failure();
    assert.deepEqual([during, error.code], ["replica", "wrong-module"]);
    assert.match(error.message, problem);
    from.tell({ type: "end-copy", shard: SHARD, copy: 1 });
  }
  assert.deepEqual(await replicasOn(disks[1]).catch(() => []), []);
  assert.deepEqual([...factsOf(to, "t"), ...to.of("out"), ...to.of("fault")], []);
});

test("a world comes to a changed definition with its state and its player, who is neither dropped nor resumed", async () => {
  const next = defineWorld({
    ...SPEC,
    version: 2,
    components: { cow: { milk: uint(1000), name: text(20) } },
  }).data;
  const named = TICKS.replace("ctx.log(", "ctx.log('name', { name: cow.cow.name }); ctx.log(");
  const upgrade = `upgrade({ components }) {
    return { cow: { ...components.cow, name: "cow " + components.cow.milk } };
  },`;
  const file = moduleFile(BEHAVIOUR + named + upgrade, next);
  const { clock, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const client = new Client(from);
  client.come(from, FIRST.epoch);
  await play(clock, client, 500);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf({ file }));
  await move.keep();
  await play(clock, client, 200);
  const sealed = await move.seal();
  assert.deepEqual([...factsOf(to, "t"), ...to.of("fault")], [], "the trial let nothing out");
  await move.promote(SECOND, sealed.dueMs);
  client.come(to, SECOND.epoch);
  await play(clock, client, 1_000);
  assert.equal(ticksOf(to)[0], sealed.tick + 1);
  assert.match(String(factsOf(to, "name")[0]?.["name"]), /^cow \d+$/);
  for (const what of ["join", "drop", "resume", "leave"]) assert.deepEqual(factsOf(to, what), []);
  const [last, first] = [factsOf(from, "t").at(-1), factsOf(to, "t")[0]];
  assert.equal(first?.["n"], Number(last?.["n"]) + 1);
  const fed = [...fedOf(from), ...fedOf(to)];
  assert.deepEqual(fed, sequence(fed.length));
  assert.ok(fedOf(to).length > 5);
});

test("a world at rest keeps its time: a timer fires when it would have where it was", async () => {
  const behaviour = `create(ctx) { ctx.after(400, "ring", 1); },
    timer: { ring(ctx) { ctx.log("ring", { tick: ctx.tick }); } },`;
  const { clock, from, to } = threads();
  const file = moduleFile(behaviour);
  await from.open(settingsOf({ file, ownership: FIRST }));
  const begin = clock.now();
  clock.advance(10_000);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf({ file }));
  await move.keep();
  clock.advance(5_000);
  const sealed = await move.seal();
  await move.promote(SECOND, sealed.dueMs);
  await until(clock, () => factsOf(to, "ring").length > 0);
  const took = clock.now() - begin;
  assert.equal(factsOf(to, "ring")[0]?.["tick"], 401);
  assert.ok(Math.abs(took - 20_000) < 200, `after ${took} ms instead of 20 s`);
});

test("a world that is not kept leaves nothing on the disk where it goes", async () => {
  const { disks, from, to, clock } = threads();
  const settings = settingsOf({ durability: "none" });
  await from.open({ ...settings, ownership: FIRST });
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settings);
  await move.keep();
  const sealed = await move.seal();
  await move.promote(SECOND, sealed.dueMs);
  await until(clock, () => ticksOf(to).length > 3);
  to.tell({ type: "close", shard: SHARD, handedOver: false });
  await to.answer("closed");
  await assert.rejects(disks[1].process().list("/data"), /ENOENT/);
});
