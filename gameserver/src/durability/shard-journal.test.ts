import assert from "node:assert/strict";
import { test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { ShardJournal } from "./shard-journal.ts";

const DELTA = Buffer.from("what a tick changed");

async function begun({ isKept = true } = {}): Promise<ShardJournal> {
  const disk = new SimDisk({}, { random: new SeededRandom(1) }).process();
  await disk.makeDir("/data");
  const journal = new ShardJournal(
    { dir: "/data", world: "Arena", shard: "main", isKept, syncMs: 0, maxBytes: 1000 },
    { disk, clock: new SimClock(), logger: noopLogger },
  );
  journal.begin({ epoch: 3, timeline: 2 }, { epoch: 2, tick: 10 });
  return journal;
}

test("what is found on the disk is continued only when the run goes on from exactly that", async () => {
  const journal = await begun();
  assert.ok(journal.needsSnapshot);
  assert.equal(journal.append(11, DELTA), false);
  journal.continueFromTip();
  assert.equal(journal.append(11, DELTA), true);
  await journal.flush();
  assert.ok(journal.isWhole);
  assert.deepEqual(journal.end, { epoch: 3, tick: 11 });
  await journal.stop();
});

test("deltas behind a snapshot that fails are lost with it, and said to be, until another one is there", async () => {
  const journal = await begun();
  const failing = journal.rebase({ epoch: 3, tick: 10 });
  assert.equal(failing.isAnchored, false, "the same tick of another epoch is another state");
  assert.equal(journal.append(11, DELTA), true);
  const flushed = journal.flush();
  journal.baseFailed(failing, new Error("the disk is full"));
  await assert.rejects(flushed, /the disk is full/);
  await assert.rejects(journal.flush(), { code: "journal-gap" });
  assert.equal(journal.append(12, DELTA), false);
  const base = journal.rebase({ epoch: 3, tick: 12 });
  assert.equal(journal.append(13, DELTA), true);
  assert.equal(journal.isWhole, false, "the snapshot may fail yet");
  journal.baseWritten(base);
  await journal.flush();
  assert.ok(journal.isWhole);
  await journal.stop();
});

test("a snapshot of the state that the journal reaches is not needed by what follows", async () => {
  const journal = await begun();
  journal.continueFromTip();
  journal.append(11, DELTA);
  const base = journal.rebase({ epoch: 3, tick: 11 });
  assert.ok(base.isAnchored);
  journal.append(12, DELTA);
  await journal.flush();
  journal.baseFailed(base, new Error("the disk is full"));
  assert.ok(journal.isWhole);
  assert.equal(journal.append(13, DELTA), true);
  await journal.stop();
});

test("a journal that is off takes everything, and ends where the last good snapshot does", async () => {
  const journal = await begun({ isKept: false });
  journal.baseWritten(journal.rebase({ epoch: 3, tick: 20 }));
  assert.equal(journal.append(21, DELTA), true);
  journal.baseFailed(journal.rebase({ epoch: 3, tick: 30 }), new Error("the disk is full"));
  assert.deepEqual(journal.end, { epoch: 3, tick: 20 });
  assert.equal(journal.needsSnapshot, false);
  assert.equal(journal.health().journal, "off");
});
