import assert from "node:assert/strict";
import { test } from "node:test";
import {
  Client,
  DEFINITION,
  FIRST,
  factsOf,
  play,
  SECOND,
  SHARD,
  settingsOf,
  THIRD,
  threads,
  ticksOf,
} from "../testing/herd.ts";
import { Move, type SimThread } from "../testing/sim-thread.ts";
import { KEPT_COPY, type ReplicaSourceFacts } from "./protocol.ts";

const KEEP: ReplicaSourceFacts = { epoch: SECOND.epoch, world: 1, otherModule: false };

/** A world that has moved, is followed by where it came from, and has made many a tick since. */
async function kept() {
  const all = threads();
  const { clock, from, to } = all;
  await from.open(settingsOf({ ownership: FIRST }));
  const client = new Client(from);
  client.come(from, FIRST.epoch);
  await play(clock, client, 1_000);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  await play(clock, client, 500);
  move.pump();
  await move.keep();
  const sealed = await move.seal();
  // The stream ends before the shard is closed.
  from.tell({ type: "end-copy", shard: SHARD, copy: 1 });
  to.tell({
    ...{ type: "promote", shard: SHARD, ownership: SECOND, dueMs: sealed.dueMs },
    followed: true,
  });
  await to.answer("opened");
  from.tell({ type: "close", shard: SHARD, handedOver: true, keep: KEEP });
  const closed = await from.answer("closed");
  client.come(to, SECOND.epoch);
  await play(clock, client, 8_000);
  return { ...all, client, sealed, closed };
}

/** Tells `thread` what the shard's ticks have changed since they were told last. */
function teller(of: SimThread, thread: SimThread) {
  let told = 0;
  return () => {
    const deltas = of.of("delta").slice(told);
    told += deltas.length;
    for (const { shard, previous, tick, data } of deltas)
      thread.tell({ type: "replica-delta", shard, previous, tick, data, hashed: true });
    return deltas;
  };
}

test("a sealed world that is closed to be followed is so without a copy, from its seal, by the hashes of who goes on", async () => {
  const { from, to, sealed, closed } = await kept();
  const { tick } = sealed;
  assert.deepEqual(closed.kept, {
    tick,
    timeline: FIRST.epoch,
    tickRate: 20,
    definition: DEFINITION,
  });
  const deltas = teller(to, from)();
  assert.equal(deltas[0]?.previous, tick);
  assert.ok(deltas.length > 100);
  const hashes = new Map(from.of("replica-at").map(({ tick: at, hash }) => [at, hash]));
  const hashed = deltas.filter(({ hash }) => hash !== undefined);
  assert.ok(hashed.length >= 2, `${hashed.length} of ${deltas.length} have a hash`);
  for (const delta of hashed) assert.deepEqual(hashes.get(delta.tick), delta.hash);
});

test("who goes on tells its ticks no more once nobody follows", async () => {
  const { clock, to, client } = await kept();
  to.tell({ type: "end-copy", shard: SHARD, copy: KEPT_COPY });
  const before = to.of("delta").length;
  await play(clock, client, 500);
  assert.equal(to.of("delta").length, before);
});

test("a world that is followed where it came from goes on there as where it moved to", async () => {
  const { clock, from, to, client } = await kept();
  const tell = teller(to, from);
  const [last] = tell().slice(-1);
  const here = ticksOf(from).length;
  from.tell({ type: "promote", shard: SHARD, ownership: THIRD, dueMs: 0 });
  await from.answer("opened");
  client.come(from, THIRD.epoch);
  await play(clock, client, 2_000);
  const goesOn = factsOf(from, "t").slice(here);
  assert.equal(goesOn[0]?.["tick"], Number(last?.tick) + 1);
  const same = factsOf(to, "t").find(({ tick }) => tick === goesOn[0]?.["tick"]);
  assert.ok(same === undefined || same["n"] === goesOn[0]?.["n"]);
  assert.ok(goesOn.length > 20);
  for (const what of ["drop", "resume", "leave"]) assert.deepEqual(factsOf(from, what), [], what);
  await play(clock, client, 1_000);
  from.tell({ type: "close", shard: SHARD, handedOver: false });
  assert.equal((await from.answer("closed")).kept, undefined);
});

test("a world that was not sealed is closed, and not followed", async () => {
  const { from } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  from.tell({ type: "close", shard: SHARD, handedOver: true, keep: KEEP });
  assert.equal((await from.answer("closed")).kept, undefined);
});
