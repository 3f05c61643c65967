import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { defineWorld, uint } from "@atlasnet/world";
import { FETCHED_FILE } from "./file-names.ts";
import { openShardStorage } from "./shard-storage.ts";

const { data: schema } = defineWorld({ name: "arena", components: { box: { size: uint(9) } } });
const facts = (tick: number) => ({ module: { name: "arena", version: "1" }, schema, tick });
const claim = (epoch: number, turn: number) => ({ epoch, world: 7, turn, lastTurn: undefined });

function scene() {
  const disk = new SimDisk({}, { random: new SeededRandom(1) }).process();
  const open = (dir: string, world = "arena") =>
    openShardStorage(
      { dir, world, shard: "arena/0", journalSyncMs: 1 },
      { disk, clock: new SimClock(), logger: noopLogger },
    );
  /** A node has run the world at an epoch, from nothing to a tick. */
  const ran = async (dir: string, epoch: number, tick: number) => {
    const storage = open(dir);
    await storage.recover();
    const { timeline } = await storage.nextEpoch(claim(epoch, epoch));
    const { path } = await storage.writeSnapshot(facts(tick), Buffer.from(`${dir} ${tick}`));
    await storage.stop();
    return { timeline, bytes: await disk.read(path), dir: storage.dir };
  };
  const fetched = async (dir: string, bytes: Uint8Array) => {
    await disk.makeDir(dir);
    const file = await disk.open(join(dir, FETCHED_FILE));
    await file.write(bytes);
    await file.sync();
    await file.close();
  };
  return { disk, open, ran, fetched };
}

for (const exact of [true, false])
  test(`a snapshot of another node is gone on from: ${exact ? "its" : "a new"} timeline`, async () => {
    const { disk, open, ran, fetched } = scene();
    const here = await ran("/h", 5, 900);
    const there = await ran("/g", 9, 40);
    await fetched(here.dir, there.bytes);
    const storage = open("/h");
    await storage.recover();
    assert.equal(storage.lastOwner?.epoch, 5);
    const { state, header } = await storage.take(exact);
    assert.deepEqual([Buffer.from(state).toString(), header.tick], ["/g 40", 40]);
    const { epoch, timeline } = await storage.nextEpoch(claim(12, 12));
    assert.deepEqual([epoch, timeline], [12, exact ? there.timeline : 12]);
    storage.continueRecovered();
    assert.ok(storage.append(41, Buffer.from("delta")));
    await storage.markClean(41);
    await storage.stop();
    const again = open("/h");
    const { snapshot, deltas } = await again.recover();
    assert.equal(Buffer.from(snapshot?.state ?? []).toString(), "/g 40");
    assert.deepEqual(
      deltas.map(({ tick }) => tick),
      [41],
    );
    const names = await disk.list(here.dir);
    assert.ok(!names.includes(FETCHED_FILE));
    assert.ok(
      names.some((name) => name.endsWith(".snapshot.discarded")),
      "what was here is aside",
    );
  });

test("one of another world, and one that is none, are refused and change nothing", async () => {
  const { open, ran, fetched } = scene();
  const here = await ran("/h", 5, 900);
  const { bytes } = await ran("/g", 9, 40);
  for (const wrong of [bytes.subarray(0, 60), Uint8Array.from(bytes, (byte) => byte ^ 1)]) {
    const storage = open("/h");
    await storage.recover();
    await storage.forgetFetched();
    await fetched(here.dir, wrong);
    await assert.rejects(storage.take(true), { code: "bad-snapshot" });
  }
  const storage = open("/h");
  assert.equal((await storage.recover()).tip?.tick, 900);
  const other = open("/h", "lobby");
  await other.recover();
  await fetched(other.dir, bytes);
  await assert.rejects(other.take(true), { message: /belongs to shard arena\/0 of world arena/ });
});
