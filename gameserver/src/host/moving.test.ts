import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  Client,
  FIRST,
  factsOf,
  fedOf,
  play,
  replicasOn,
  SECOND,
  SHARD,
  sequence,
  settingsOf,
  threads,
  ticksOf,
} from "../testing/herd.ts";
import { Move, SimThread, until } from "../testing/sim-thread.ts";
import { HASHED_EVERY_TICKS } from "./shard-copies.ts";

test("a world that moves goes on as one that stayed: ticks, timers, random numbers, keys; its player sees no seam", async () => {
  const stay = threads();
  await stay.from.open(settingsOf({ ownership: FIRST }));
  await until(stay.clock, () => stay.from.of("log").length > 300);

  const { clock, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const client = new Client(from);
  client.come(from, FIRST.epoch);
  await play(clock, client, 1_000);
  const { timeline } = client;
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  await play(clock, client, 500);
  move.pump();
  await move.keep();
  const sealed = await move.seal();
  // What the client says now is said again at the target.
  client.feed();
  await move.promote(SECOND, sealed.dueMs);
  from.tell({ type: "close", shard: SHARD, handedOver: false });
  client.come(to, SECOND.epoch);
  await play(clock, client, 2_000);
  await from.answer("closed");
  await play(clock, client, 2_000);
  client.hear();

  for (const what of ["t", "ring"]) {
    const here = factsOf(from, what);
    const moved = [...here, ...factsOf(to, what)];
    const stayed = factsOf(stay.from, what);
    const length = Math.min(moved.length, stayed.length);
    assert.ok(length > here.length + 5, "it goes on at the target");
    assert.deepEqual(moved.slice(0, length), stayed.slice(0, length));
  }
  assert.equal(factsOf(from, "join").length, 1);
  for (const what of ["drop", "resume", "leave"])
    assert.deepEqual([...factsOf(from, what), ...factsOf(to, what)], [], what);
  assert.equal(client.timeline, timeline, "no rollback");
  // Both ways: once, and in order.
  const fed = [...fedOf(from), ...fedOf(to)];
  assert.deepEqual(fed, sequence(fed.length));
  assert.ok(fed.length >= client.sent - 3);
  assert.deepEqual(
    client.heard.map(({ seq }) => seq),
    sequence(client.heard.length),
  );
  const told = client.heard.map(({ text: word }) => Number(word.slice(1)));
  for (const [at, tick] of told.entries()) assert.equal(tick, (told[0] ?? 0) + 3 * at);
});

test("a move that is given up after the source has stopped leaves everything as it was", async () => {
  const { clock, disks, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const client = new Client(from);
  client.come(from, FIRST.epoch);
  await play(clock, client, 500);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  await move.keep();
  assert.equal((await replicasOn(disks[1])).length, 1);
  const sealed = await move.seal();
  await play(clock, client, 300);
  assert.equal(ticksOf(from).at(-1), sealed.tick, "it stands still");
  to.tell({ type: "drop-replica", shard: SHARD });
  from.tell({ type: "unseal-shard", shard: SHARD });
  from.tell({ type: "end-copy", shard: SHARD, copy: 1 });
  await play(clock, client, 100);
  from.report();
  assert.equal(from.of("stats").at(-1)?.shards[0]?.dilationPerMille, 1000);
  await to.answer("closed");
  assert.deepEqual(await replicasOn(disks[1]), []);
  const deltas = from.of("delta").length;
  await play(clock, client, 1_000);
  await play(clock, client, 500);
  assert.equal(from.of("delta").length, deltas, "nobody follows any more");
  const ticks = ticksOf(from);
  assert.ok(ticks.length - sealed.tick >= 25, "it goes on at its pace");
  assert.ok(ticks.length - sealed.tick <= 35, "the time that it stood still is not made up");
  for (const [at, tick] of ticks.entries()) assert.equal(tick, (ticks[0] ?? 0) + at);
  // What the client said while it stood still was handled after it.
  const fed = fedOf(from);
  assert.deepEqual(fed, sequence(fed.length));
  assert.ok(fed.length >= client.sent - 3);
  assert.deepEqual(to.of("log"), []);
});

/** A world that is followed, so long after a tick. */
async function followed(ms: number) {
  const { clock, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  const before = ticksOf(from).length;
  await until(clock, () => ticksOf(from).length > before);
  clock.advance(ms);
  const ticks = ticksOf(from).length;
  return { clock, from, to, move, ticks };
}

test("the first tick at the target is made when it would have been made at the source", async () => {
  const { clock, to, move } = await followed(0);
  const sealed = await move.seal();
  const dueAt = clock.now() + sealed.dueMs;
  clock.advance(5);
  await move.promote(SECOND, sealed.dueMs - 5);
  await until(clock, () => ticksOf(to).length > 0);
  assert.ok(Math.abs(clock.now() - dueAt) <= 5, `at ${clock.now()} instead of ${dueAt}`);
});

test("a world that moves makes the tick that is due soon: then there is the whole time until the next one", async () => {
  for (const ms of [0, 30]) {
    const { from, move, ticks } = await followed(ms);
    const sealed = await move.seal();
    assert.ok(sealed.dueMs >= 40 && sealed.dueMs <= 50, `due in ${sealed.dueMs} ms`);
    assert.equal(ticksOf(from).length - ticks, ms === 0 ? 0 : 1);
    assert.equal(ticksOf(from).at(-1), sealed.tick);
  }
});

test("a move that is given up before the tick it waits for leaves the world alone", async () => {
  const { clock, from, ticks } = await followed(30);
  from.tell({ type: "seal-shard", shard: SHARD });
  from.tell({ type: "unseal-shard", shard: SHARD });
  await until(clock, () => ticksOf(from).length >= ticks + 5);
  assert.deepEqual(from.of("sealed"), []);
});

test("a world that moves and must stand still meanwhile does not wait for its tick", async () => {
  const { from, ticks } = await followed(30);
  from.tell({ type: "seal-shard", shard: SHARD });
  assert.deepEqual(from.of("sealed"), []);
  from.tell({ type: "seal", sealed: true });
  assert.equal(from.of("sealed").length, 1);
  assert.equal(ticksOf(from).length, ticks);
});

test("a source whose state was handed over writes no snapshot of it, and its journal still ends there", async () => {
  const { clock, disks, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  await until(clock, () => ticksOf(from).length > 10);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  const sealed = await move.seal();
  const snapshots = from.of("snapshot").length;
  from.tell({ type: "close", shard: SHARD, handedOver: true });
  await from.answer("closed");
  assert.equal(from.of("snapshot").length, snapshots);
  const again = new SimThread(clock, disks[0]);
  await again.open(settingsOf({ ownership: { ...SECOND, lastTurn: FIRST.turn } }));
  await until(clock, () => ticksOf(again).length > 0);
  assert.equal(ticksOf(again)[0], sealed.tick + 1);
});

test("property: however often and whenever a world moves, there and back, it lives through what it would have at rest", async () => {
  const stay = threads();
  await stay.from.open(settingsOf({ ownership: FIRST }));
  await until(stay.clock, () => ticksOf(stay.from).length > 250);
  const lived = factsOf(stay.from, "t");
  const hop = fc.record({
    playMs: fc.integer({ min: 0, max: 400 }),
    pieceBytes: fc.integer({ min: 40, max: 5_000 }),
    awayMs: fc.integer({ min: 0, max: 300 }),
    aborts: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(hop, { minLength: 1, maxLength: 4 }), async (hops) => {
      const { clock, from, to } = threads();
      await from.open(settingsOf({ ownership: FIRST }));
      const client = new Client(from);
      client.come(from, FIRST.epoch);
      let [here, there] = [from, to];
      let owner = FIRST;
      for (const [n, { playMs, pieceBytes, awayMs, aborts }] of hops.entries()) {
        await play(clock, client, playMs);
        const copy = n + 1;
        const move = new Move(here, there, { shard: SHARD, epoch: owner.epoch, copy, pieceBytes });
        await move.follow(settingsOf());
        await move.keep();
        const sealed = await move.seal();
        await play(clock, client, awayMs);
        if (aborts) {
          there.tell({ type: "drop-replica", shard: SHARD });
          here.tell({ type: "unseal-shard", shard: SHARD });
          here.tell({ type: "end-copy", shard: SHARD, copy });
          await there.answer("closed");
          continue;
        }
        const { turn, epoch } = owner;
        owner = { epoch: epoch + 3, world: 1, turn: turn + 1, lastTurn: undefined };
        await move.promote(owner, sealed.dueMs);
        client.come(there, owner.epoch);
        here.tell({ type: "close", shard: SHARD, handedOver: false });
        await here.answer("closed");
        [here, there] = [there, here];
      }
      await play(clock, client, 300);
      const ticks = [...factsOf(from, "t"), ...factsOf(to, "t")];
      ticks.sort((a, b) => Number(a["tick"]) - Number(b["tick"]));
      assert.deepEqual(ticks, lived.slice(0, ticks.length));
      const fed = [...fedOf(from), ...fedOf(to)].sort((a, b) => a - b);
      assert.deepEqual(fed, sequence(fed.length));
      assert.ok(fed.length >= client.sent - 5);
      assert.deepEqual(
        client.heard.map(({ seq }) => seq),
        sequence(client.heard.length),
      );
      assert.equal(factsOf(from, "join").length, 1);
      for (const what of ["drop", "resume", "leave"])
        assert.deepEqual([...factsOf(from, what), ...factsOf(to, what)], [], what);
    }),
    { numRuns: 15 },
  );
});

test("a shard that is followed tells the hash of its state every so many ticks, and who follows has the same", async () => {
  const { clock, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  const told = () => from.of("delta").filter(({ hash }) => hash !== undefined);
  await until(clock, () => told().length === 3);
  move.pump();
  const here = new Map(to.of("replica-at").map(({ tick, hash }) => [tick, hash]));
  for (const { tick, hash } of told()) {
    assert.equal(tick % HASHED_EVERY_TICKS, 0, "this world leaves out no tick");
    assert.deepEqual(here.get(tick), hash);
  }
});
