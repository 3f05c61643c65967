import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { askMirror, type LinkMessage, mirrorKey, snapshotKey } from "@atlasnet/core";
import { mirrorView } from "@atlasnet/core/testing";
import { until } from "../testing/counting-node.ts";
import { inOrder, last, SHARD, twoNodes } from "../testing/two-nodes.ts";

async function scene(t: TestContext, hears?: (message: LinkMessage) => LinkMessage | undefined) {
  const nodes = await twoNodes(t, hears);
  const { tiny } = nodes;
  const mirror = () => tiny.seen("mirror", mirrorKey(SHARD)).record;
  let ids = 0;
  const ask = (node: string) => {
    const id = String(++ids).padStart(16, "0");
    const { generation } = tiny;
    const made = askMirror(SHARD, mirrorView(tiny, "arena", node), { id, node, generation });
    assert.ok(made.ok, JSON.stringify(made));
    assert.ok(tiny.txn(made.txn).succeeded);
  };
  const inSync = () => until(() => mirror()?.state === "in-sync");
  return { ...nodes, mirror, ask, inSync };
}

test("a world's owner dies: its mirror goes on, and nothing that anybody was told is gone", async (t) => {
  const { g, h, ask, inSync, owner, mirror } = await scene(t);
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
  assert.ok(inOrder([...before.counts, ...after.counts]), "no count is lost or said twice");
  assert.ok(inOrder([...before.seqs, ...after.seqs]));
  assert.deepEqual(
    h.told.filter(({ type }) => type === "placed"),
    [{ type: "placed", world: "arena", shard: SHARD, epoch: after.epoch }],
  );
});

test("an owner that its mirror cannot reach is owner no more, and has let nothing out since", async (t) => {
  let isCut = false;
  const { g, h, ask, inSync, owner } = await scene(t, (message) => (isCut ? undefined : message));
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
  assert.ok(inOrder([...before.counts, ...after.counts]));
  assert.ok(inOrder([...before.seqs, ...after.seqs]));
  // And the other way round, with what was the owner as the mirror.
  isCut = false;
  ask("g");
  await inSync();
  h.control.silent = true;
  await h.stop();
  await until(() => owner().record?.node === "g");
  const again = await g.watch(after);
  await until(() => last(again.counts) > last(after.counts) + 10);
  assert.ok(inOrder([...before.counts, ...after.counts, ...again.counts]));
});

test("a world whose mirror dies or leaves goes on without it, at its epoch", async (t) => {
  const { g, h, ask, inSync, owner, mirror } = await scene(t);
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

test("links that end in the middle are opened again, and the mirror stays", async (t) => {
  const ends = new Set(["replica-copy", "replica-piece"]);
  const { g, ask, inSync, mirror } = await scene(t, (message) =>
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
  const { g, h, tiny, ask, inSync, owner, mirror } = await scene(t);
  const before = await g.watch();
  ask("h");
  await inSync();
  g.control.want("arena", "h");
  await until(() => owner().record?.node === "h");
  assert.equal(mirror(), undefined);
  const after = await h.watch(before);
  assert.ok(inOrder([...before.counts, ...after.counts]), "it goes on from its last state");
  assert.equal(tiny.seen("snapshot", snapshotKey(SHARD)).record?.final, true);
});
