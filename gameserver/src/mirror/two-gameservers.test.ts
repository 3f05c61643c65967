import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { dismissMirror, mirrorKey, snapshotKey } from "@atlasnet/core";
import { holdRecords, until } from "../testing/counting-node.ts";
import { mirroredNodes } from "../testing/mirrored-nodes.ts";
import { inOrder, last, oneStory, SHARD } from "../testing/two-nodes.ts";

test("a world's owner dies: its mirror goes on, and nothing that anybody was told is gone", async (t) => {
  const { g, h, ask, inSync, owner, mirror } = await mirroredNodes(t);
  const before = await g.watch();
  await until(() => last(before.counts) > 10);
  ask("h");
  await inSync();
  const count = last(before.counts);
  await until(() => last(before.counts) > count + 20);
  const waited = g.server.mirrorWaits;
  assert.ok(waited.count > 0, "what it lets out waits for the mirror");
  g.control.silent = true;
  await g.stop();
  await until(() => owner().record?.node === "h");
  assert.equal(mirror(), undefined);
  const after = await h.watch(before);
  assert.deepEqual([after.session, after.timeline], [before.session, before.timeline]);
  await until(() => last(after.counts) > last(before.counts) + 20);
  assert.ok(oneStory(before, after), "no count is lost or said twice");
  assert.deepEqual(
    h.told.filter(({ type }) => type === "placed"),
    [{ type: "placed", world: "arena", shard: SHARD, epoch: after.epoch }],
  );
  await h.host.drain();
  const { state, promotedOver } = owner().record ?? {};
  assert.deepEqual([state, promotedOver], ["released", before.epoch], "the next owner knows, too");
});

for (const failover of ["manual", "automatic"] as const)
  test(`a mirrored world with failover ${failover} ${failover === "manual" ? "plays on" : "stands still"} without a lease`, async (t) => {
    const { g, ask, inSync, mirror, owner } = await mirroredNodes(t, undefined, {
      record: { failover },
    });
    const { counts } = await g.watch();
    ask("h");
    await inSync();
    await until(() => g.mirrors?.unleased === (failover === "manual" ? 1 : 0));
    assert.equal(mirror()?.unleased, failover === "manual" ? true : undefined);
    g.control.seal();
    if (failover === "manual") {
      const count = last(counts);
      await until(() => last(counts) > count + 100);
    } else await standsStill(counts);
    g.control.unseal();
    const count = last(counts);
    await until(() => last(counts) > count + 20);
    assert.ok(inOrder(counts));
    assert.equal(owner().record?.node, "g");
  });

test("a mirrored world without a lease stands still when its mirror is gone, and goes on with the lease", async (t) => {
  const { g, h, ask, inSync } = await mirroredNodes(t, undefined, {
    record: { failover: "manual" },
  });
  const { counts } = await g.watch();
  ask("h");
  await inSync();
  await until(() => g.mirrors?.unleased === 1);
  g.control.seal();
  h.control.silent = true;
  await h.stop();
  await standsStill(counts);
  g.control.unseal();
  const count = last(counts);
  await until(() => last(counts) > count + 20);
  assert.ok(inOrder(counts));
});

test("a mirror that is asked to go withdraws, and the world plays on without it", async (t) => {
  const { g, tiny, ask, inSync, mirror } = await mirroredNodes(t, undefined, {
    record: { failover: "manual" },
  });
  const { counts } = await g.watch();
  ask("h");
  await inSync();
  await until(() => g.mirrors?.unleased === 1);
  const made = dismissMirror(SHARD, tiny.seen("mirror", mirrorKey(SHARD)));
  assert.ok(made.ok);
  assert.ok(tiny.txn(made.txn).succeeded);
  await until(() => mirror() === undefined);
  const count = last(counts);
  await until(() => last(counts) > count + 20);
  assert.ok(inOrder(counts));
  assert.equal(g.mirrors?.unleased, 0);
});

test("a world whose owner is lost before its mirror was in sync is opened where that was made", async (t) => {
  let asks = 0;
  const { g, h, ask, owner, mirror } = await mirroredNodes(t, (message) => {
    if (message.type !== "replica-copy") return message;
    asks += 1;
    return undefined;
  });
  await g.watch();
  ask("h");
  await until(() => asks > 0);
  await g.control.lose();
  g.control.want("arena", "h");
  await until(() => owner().record?.node === "h");
  assert.equal(mirror(), undefined);
  const { counts } = await h.watch();
  await until(() => last(counts) > 5);
});

test("an owner that its mirror cannot reach is owner no more, and has let nothing out since", async (t) => {
  let isCut = false;
  const { g, h, ask, inSync, owner } = await mirroredNodes(t, (message) =>
    isCut ? undefined : message,
  );
  const before = await g.watch();
  ask("h");
  await inSync();
  const count = last(before.counts);
  await until(() => last(before.counts) > count + 10);
  isCut = true;
  await until(() => owner().record?.node === "h");
  const after = await h.watch(before);
  await until(() => g.epoch === undefined);
  await until(() => last(after.counts) > last(before.counts) + 10);
  assert.ok(oneStory(before, after));
  // And the other way round, with what was the owner as the mirror.
  isCut = false;
  ask("g");
  await inSync();
  h.control.silent = true;
  await h.stop();
  await until(() => owner().record?.node === "g");
  const again = await g.watch(after);
  await until(() => last(again.counts) > last(after.counts) + 10);
  assert.ok(oneStory(before, after, again));
});

test("what an owner had beyond its mirror does not come back when that one is lost before it records anything", async (t) => {
  let isCut = false;
  const { g, h, tiny, ask, inSync, owner } = await mirroredNodes(t, (message) =>
    isCut ? undefined : message,
  );
  const before = await g.watch();
  await until(() => tiny.seen("snapshot", snapshotKey(SHARD)).record !== undefined);
  await until(() => last(before.counts) > 60);
  ask("h");
  await inSync();
  const held = holdRecords(h);
  isCut = true;
  await until(() => owner().record?.node === "h");
  await h.watch(before);
  await until(() => held.length > 0 && g.epoch === undefined);
  await h.control.lose();
  g.control.want("arena", "g");
  // Somebody else: the player of before may have come behind the only snapshot.
  const back = await g.watch();
  assert.ok(back.timeline > before.timeline, "it went back, and says so");
  // To the recorded snapshot: that is of both branches. Its own files hold ticks that nobody was told of.
  assert.ok((back.counts[0] ?? 0) < 60, `it goes on at ${back.counts[0]}`);
});

test("with nothing recorded that comes back after all: under numbers that mean nothing to a player of the mirror's branch", async (t) => {
  let isCut = false;
  const { g, h, tiny, ask, inSync, owner } = await mirroredNodes(t, (message) =>
    isCut ? undefined : message,
  );
  const held = [holdRecords(g), holdRecords(h)];
  const before = await g.watch();
  await until(() => last(before.counts) > 20);
  ask("h");
  await inSync();
  isCut = true;
  await until(() => owner().record?.node === "h");
  const after = await h.watch(before);
  await until(() => g.epoch === undefined && last(after.counts) > last(before.counts) + 20);
  await h.control.lose();
  g.control.want("arena", "g");
  const back = await g.watch(after);
  assert.equal(tiny.seen("snapshot", snapshotKey(SHARD)).record, undefined);
  assert.deepEqual([back.session, back.outSeq, back.seqs[0]], [after.session, 0, 1]);
  assert.ok(back.timeline > after.timeline, "it went back, and says so");
  assert.ok(inOrder(back.seqs) && inOrder(back.counts));
  for (const record of held.flat()) record();
});

test("a world whose mirror dies or leaves goes on without it, at its epoch", async (t) => {
  const { g, h, ask, inSync, owner, mirror } = await mirroredNodes(t);
  const { counts, epoch } = await g.watch();
  ask("h");
  await inSync();
  h.control.silent = true;
  await h.stop();
  await until(() => mirror() === undefined);
  const count = last(counts);
  await until(() => last(counts) > count + 20);
  assert.ok(inOrder(counts), "its players notice a pause at most");
  assert.equal(owner().modified, epoch);
});

test("a mirrored world moves to its mirror and back: its players miss nothing", async (t) => {
  const { g, h, ask, inSync, move, moved, owner, mirror } = await mirroredNodes(t);
  const before = await g.watch();
  ask("h");
  await inSync();
  const count = last(before.counts);
  await until(() => last(before.counts) > count + 5);
  let id = move("h");
  await until(() => moved()?.id === id);
  assert.deepEqual([moved()?.outcome, moved()?.problem], ["moved", ""]);
  assert.equal(owner().record?.node, "h");
  const after = await h.watch(before);
  await until(() => last(after.counts) > last(before.counts) + 10);
  assert.ok(oneStory(before, after), "no count is lost or said twice");
  // What was the owner may mirror it, and have it back.
  if (mirror() === undefined) ask("g");
  await inSync();
  id = move("g");
  await until(() => moved()?.id === id);
  assert.deepEqual([moved()?.outcome, moved()?.problem], ["moved", ""]);
  const again = await g.watch(after);
  await until(() => last(again.counts) > last(after.counts) + 10);
  assert.ok(oneStory(before, after, again));
});

/** Moves the world, which is mirrored nowhere, to `h`; what its player has heard by then. */
async function moved(nodes: Awaited<ReturnType<typeof mirroredNodes>>) {
  const { g, h, move, owner } = nodes;
  const before = await g.watch();
  await until(() => last(before.counts) > 10);
  move("h");
  await until(() => owner().record?.node === "h");
  const after = await h.watch(before);
  return { before, after };
}

test("a mirrored world moves, and its source is the mirror from the switch on: it goes on when the target dies", async (t) => {
  const nodes = await mirroredNodes(t, undefined, { record: { durability: "mirror" } });
  const { g, h, owner, mirror } = nodes;
  const { before, after } = await moved(nodes);
  const { node, boot, state } = mirror() ?? {};
  assert.deepEqual([node, boot, state], ["g", g.control.registration?.boot, "in-sync"]);
  await until(() => last(after.counts) > last(before.counts) + 20);
  const { epoch } = after;
  assert.equal(mirror()?.node, "g", "it follows, without a copy");
  assert.equal(owner().modified, epoch);
  h.control.silent = true;
  await h.stop();
  await until(() => owner().record?.node === "g");
  assert.equal(owner().record?.promotedOver, epoch);
  const again = await g.watch(after);
  assert.deepEqual([again.session, again.timeline], [before.session, before.timeline]);
  await until(() => last(again.counts) > last(after.counts) + 20);
  assert.ok(oneStory(before, after, again), "no count is lost or said twice");
});

test("a mirrored world moves there and back, and is mirrored where it comes from", async (t) => {
  const nodes = await mirroredNodes(t, undefined, { record: { durability: "mirror" } });
  const { g, move, owner, mirror } = nodes;
  const { before, after } = await moved(nodes);
  await until(() => last(after.counts) > last(before.counts) + 20);
  assert.equal(mirror()?.node, "g");
  move("g");
  await until(() => owner().record?.node === "g");
  const again = await g.watch(after);
  await until(() => last(again.counts) > last(after.counts) + 20);
  assert.equal(mirror()?.node, "h");
  assert.ok(oneStory(before, after, again));
});

test("a source that is gone right behind the switch is cleared, and the world goes on", async (t) => {
  const nodes = await mirroredNodes(t, undefined, { record: { durability: "mirror" } });
  const { g, h, mirror, move, owner } = nodes;
  const before = await g.watch();
  await until(() => last(before.counts) > 10);
  move("h");
  await until(() => owner().record?.node === "h");
  assert.equal(mirror()?.node, "g");
  g.control.silent = true;
  await g.stop();
  await until(() => mirror() === undefined);
  const after = await h.watch(before);
  await until(() => last(after.counts) > last(before.counts) + 20);
  assert.ok(oneStory(before, after));
});

test("a mirror whose node drains is there until its record is gone: an owner that dies meanwhile is replaced", async (t) => {
  const { g, h, tiny, ask, inSync, owner } = await mirroredNodes(t);
  const before = await g.watch();
  ask("h");
  await inSync();
  const count = last(before.counts);
  await until(() => last(before.counts) > count + 10);
  // It hears that there is another gameserver, which might be asked.
  await g.control.setState("ready");
  const drained = h.host.drain();
  await until(() => h.control.states.includes("draining"));
  g.control.silent = true;
  await g.stop();
  await until(() => owner().record?.node === "h");
  await drained;
  assert.equal(owner().record?.state, "released");
  const { record } = tiny.seen("snapshot", snapshotKey(SHARD));
  assert.deepEqual([record?.node, record?.final], ["h", true], "it is saved where it went on");
});

test("a mirror that nobody else can be is withdrawn before its node stops, and its world goes on", async (t) => {
  const { g, h, ask, inSync, owner, mirror } = await mirroredNodes(t);
  const { counts, epoch } = await g.watch();
  ask("h");
  await inSync();
  await h.host.drain();
  assert.equal(mirror(), undefined);
  assert.deepEqual([owner().record?.node, owner().modified], ["g", epoch]);
  const count = last(counts);
  await until(() => last(counts) > count + 20);
  assert.ok(inOrder(counts));
});

test("links that end in the middle are opened again, and the mirror stays", async (t) => {
  const ends = new Set(["replica-copy", "replica-piece"]);
  const { g, ask, inSync, mirror } = await mirroredNodes(t, (message) =>
    ends.delete(message.type) ? undefined : message,
  );
  const { counts } = await g.watch();
  ask("h");
  await inSync();
  assert.equal(ends.size, 0);
  const count = last(counts);
  await until(() => last(counts) > count + 40);
  assert.equal(mirror()?.state, "in-sync");
  assert.ok(inOrder(counts));
});

test("a mirrored world that is taken away is saved in its last state, and given back", async (t) => {
  const { g, h, tiny, ask, inSync, owner, mirror } = await mirroredNodes(t);
  const before = await g.watch();
  ask("h");
  await inSync();
  g.control.want("arena", "h");
  await until(() => owner().record?.node === "h");
  assert.equal(mirror(), undefined);
  const after = await h.watch(before);
  assert.ok(oneStory(before, after), "it goes on from its last state");
  assert.equal(tiny.seen("snapshot", snapshotKey(SHARD)).record?.final, true);
});

test("a world's owner dies while it moves to its mirror: that has what anybody was told, and goes on", async (t) => {
  let isCut = false;
  const { g, h, ask, inSync, owner, move } = await mirroredNodes(t, (message) =>
    isCut ? undefined : message,
  );
  const before = await g.watch();
  ask("h");
  await inSync();
  const count = last(before.counts);
  await until(() => last(before.counts) > count + 10);
  // The owner hears of the move no more.
  g.control.silent = true;
  isCut = true;
  move("h");
  await g.stop();
  await until(() => owner().record?.node === "h");
  const after = await h.watch(before);
  assert.deepEqual([after.session, after.timeline], [before.session, before.timeline]);
  await until(() => last(after.counts) > last(before.counts) + 10);
  assert.ok(oneStory(before, after), "no count is lost or said twice");
});

test("the thread of a mirrored world dies: the mirror, which has more than its disk, goes on", async (t) => {
  const dir = mkdtempSync(join(tmpdir(), "atlasnet-mirror-"));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const flag = join(dir, "die");
  const fragile = `
    import { existsSync, rmSync } from "node:fs";
    import { world as counter } from "./counter.mjs";
    const { tick } = counter.behaviour;
    const dies = (ctx) => {
      if (existsSync(${JSON.stringify(flag)})) {
        rmSync(${JSON.stringify(flag)});
        process.exit(1);
      }
      tick(ctx);
    };
    export const world = { ...counter, behaviour: { ...counter.behaviour, tick: dies } };
  `;
  const modules = { "fragile.mjs": fragile };
  const { g, h, ask, inSync, owner } = await mirroredNodes(t, undefined, {
    modules,
    module: "./fragile.mjs",
  });
  const before = await g.watch();
  ask("h");
  await inSync();
  const count = last(before.counts);
  await until(() => last(before.counts) > count + 10);
  writeFileSync(flag, "");
  await until(() => owner().record?.node === "h");
  assert.ok(!existsSync(flag));
  const after = await h.watch(before);
  await until(() => last(after.counts) > last(before.counts) + 10);
  assert.ok(oneStory(before, after));
  assert.equal(g.epoch, undefined);
});

test("until a lost mirror is known to be cleared, nothing leaves", async (t) => {
  const { g, h, ask, inSync } = await mirroredNodes(t);
  const { counts } = await g.watch();
  ask("h");
  await inSync();
  // Whether its transactions are applied, nobody says.
  g.control.silent = true;
  await h.stop();
  await until(() => g.lines.some((line) => line.startsWith("A world has lost its mirror")));
  await until(() => g.server.heldBytes > 2_000);
  const count = last(counts);
  await until(() => g.server.heldBytes > 6_000);
  assert.equal(last(counts), count);
});

/** Nothing is heard any more, for many looks. */
async function standsStill(counts: readonly number[]): Promise<void> {
  let [heard, alike] = [counts.length, 0];
  await until(() => {
    alike = counts.length === heard ? alike + 1 : 0;
    heard = counts.length;
    return alike >= 60;
  });
}
