import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import {
  Client,
  FIRST,
  factsOf,
  moved,
  play,
  replicasOn,
  SECOND,
  SHARD,
  settingsOf,
  simDisk,
  THIRD,
  threads,
  ticksOf,
} from "../testing/herd.ts";
import { Move, SimThread, until } from "../testing/sim-thread.ts";

test("whenever the target's process ends after the switch, its next one finds a state from then on", async () => {
  for (const ms of [0, 5, 10, 20, 50, 100, 500, 2_500]) {
    const { clock, disks, to, client, sealed } = await moved();
    if (ms > 0) await play(clock, client, ms);
    const reached = Math.max(sealed.tick, ...ticksOf(to));
    disks[1].crash("power");
    const again = new SimThread(clock, disks[1]);
    await again.open(settingsOf({ ownership: THIRD }));
    await until(clock, () => ticksOf(again).length > 0);
    const went = reached - ((ticksOf(again)[0] ?? 0) - 1);
    // The copy was made 100 ms before the last tick of the source; a delta is on the disk within journalSyncMs.
    assert.ok(went <= 24, `${went} ticks are lost ${ms} ms after the switch`);
    // Players were told of ticks that are gone: it goes on in another timeline, and knows its player.
    const back = new Client(again);
    back.come(again, THIRD.epoch);
    await until(clock, () => {
      back.hear();
      return back.isIn;
    });
    assert.equal(back.timeline, THIRD.epoch);
    assert.ok(factsOf(again, "resume").length === 1);
    again.tell({ type: "close", shard: SHARD, handedOver: false });
    await again.answer("closed");
    assert.deepEqual(await replicasOn(disks[1]), []);
  }
});

test("a world that came along and is closed in order goes on in its timeline", async () => {
  const { clock, disks, to, client } = await moved();
  await play(clock, client, 1_000);
  const { timeline } = client;
  to.tell({ type: "close", shard: SHARD, handedOver: false });
  await to.answer("closed");
  assert.deepEqual(await replicasOn(disks[1]), []);
  const again = new SimThread(clock, disks[1]);
  await again.open(settingsOf({ ownership: THIRD }));
  client.come(again, THIRD.epoch);
  await play(clock, client, 500);
  assert.equal(client.timeline, timeline);
  assert.equal(ticksOf(again)[0], (ticksOf(to).at(-1) ?? 0) + 1);
});

test("a disk that fails after the switch stops no tick; it is said and tried again, and a close waits for it", async () => {
  const { clock, disks, to, client } = await moved({}, (disk) => disk.setFaults({ writeError: 1 }));
  await play(clock, client, 2_000);
  assert.ok(ticksOf(to).length > 30);
  const errors = () => to.of("log").filter(({ level }) => level === "error");
  assert.ok(errors().length > 0);
  to.report();
  assert.notEqual(to.of("stats").at(-1)?.shards[0]?.storageProblem, "");
  assert.equal((await replicasOn(disks[1])).length, 1, "the copy is all there is");
  to.tell({ type: "close", shard: SHARD, handedOver: false });
  const { during } = await to.failure();
  assert.equal(during, "close");
  disks[1].setFaults({});
  // What it was at the switch is found again.
  const again = new SimThread(clock, disks[1]);
  await again.open(settingsOf({ ownership: THIRD }));
  await until(clock, () => ticksOf(again).length > 0);
  assert.ok((ticksOf(again)[0] ?? 0) > 1);
});

test("files that could not be opened after the switch are opened later, and hold all that came before", async () => {
  const { clock, disks, to, client } = await moved({}, (disk) => disk.setFaults({ writeError: 1 }));
  await play(clock, client, 1_000);
  disks[1].setFaults({});
  await play(clock, client, 8_000);
  to.report();
  assert.equal(to.of("stats").at(-1)?.shards[0]?.storageProblem, "");
  const reached = ticksOf(to).at(-1) ?? 0;
  assert.deepEqual(await replicasOn(disks[1]), []);
  disks[1].crash("power");
  const again = new SimThread(clock, disks[1]);
  await again.open(settingsOf({ ownership: THIRD }));
  await until(clock, () => ticksOf(again).length > 0);
  assert.ok(reached - (ticksOf(again)[0] ?? 0) <= 24);
});

test("a copy that was left behind counts only where nothing newer is known", async () => {
  const disk = simDisk();
  const clock = new SimClock();
  const from = new SimThread(clock, simDisk());
  const to = new SimThread(clock, disk);
  await from.open(settingsOf({ ownership: FIRST }));
  await until(clock, () => ticksOf(from).length > 20);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  const tick = await move.keep();
  // The move fails, and this node ends before it has removed the copy; the source is lost after that.
  disk.crash("process");
  const reopen = async (recorded: { epoch: number; tick: number }) => {
    const again = new SimThread(clock, disk);
    again.tell({ type: "open", settings: settingsOf({ ownership: SECOND, recorded }) });
    return { again, post: await again.either("opened") };
  };
  const newer = await reopen({ epoch: FIRST.epoch, tick: tick + 1 });
  assert.equal(newer.post.type === "failed" ? newer.post.error.code : "", "state-elsewhere");
  assert.deepEqual(await replicasOn(disk), [], "it is of no use any more");
});

test("who goes on from less than it had first gives up the copies of it that others kept", async () => {
  const { clock, disks, from, to } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  await until(clock, () => ticksOf(from).length > 20);
  const move = new Move(from, to, { shard: SHARD, epoch: FIRST.epoch, copy: 1 });
  await move.follow(settingsOf());
  await move.keep();
  // Both end: the copy is left behind, and what the source had not synced is gone. Nobody else had it in between.
  for (const disk of disks) disk.crash("power");
  const recorded = { epoch: FIRST.epoch, tick: 1 };
  const back = settingsOf({ ownership: { ...SECOND, lastTurn: FIRST.turn }, recorded });
  const again = new SimThread(clock, disks[0]);
  again.tell({ type: "open", settings: { ...back } });
  const refused = await again.either("opened");
  assert.equal(refused.type === "failed" ? refused.error.code : "", "state-disputed");
  assert.deepEqual(ticksOf(again), [], "nobody is told of another branch than the copy's");
  await again.open({ ...back, othersGivenUp: true });
  await until(clock, () => ticksOf(again).length > 0);
  // The record is of the new owner's epoch by then.
  const late = new SimThread(clock, disks[1]);
  const taken = { epoch: SECOND.epoch, tick: 1 };
  const ownership = { ...THIRD, lastTurn: undefined };
  late.tell({ type: "open", settings: settingsOf({ ownership, recorded: taken }) });
  const old = await late.either("opened");
  assert.equal(old.type === "failed" ? old.error.code : "", "state-elsewhere");
});

test("who stopped in order and goes on where it was disputes nothing", async () => {
  const { clock, disks, from } = threads();
  await from.open(settingsOf({ ownership: FIRST }));
  await until(clock, () => ticksOf(from).length > 20);
  from.tell({ type: "close", shard: SHARD, handedOver: false });
  await from.answer("closed");
  const again = new SimThread(clock, disks[0]);
  const recorded = { epoch: FIRST.epoch, tick: 1 };
  const ownership = { ...SECOND, lastTurn: FIRST.turn };
  assert.equal(await again.open(settingsOf({ ownership, recorded })), SECOND.epoch);
});

test("a copy that was left behind is not another world's of the same name", async () => {
  const { clock, disks } = await moved({}, (disk) => disk.setFaults({ writeError: 1 }));
  disks[1].setFaults({});
  disks[1].crash("process");
  const again = new SimThread(clock, disks[1]);
  await again.open(settingsOf({ ownership: { ...THIRD, world: 2, lastTurn: "none" } }));
  await until(clock, () => ticksOf(again).length > 0);
  assert.equal(ticksOf(again)[0], 1);
});

test("without a journal the first snapshot is taken at once as well", async () => {
  const { clock, disks, client } = await moved({ durability: "snapshot" });
  await play(clock, client, 500);
  assert.deepEqual(await replicasOn(disks[1]), []);
});
