import assert from "node:assert/strict";
import { test } from "node:test";
import {
  abortMigration,
  firstShard,
  type LinkMessage,
  migrationKey,
  movedKey,
  SHARDS,
  snapshotKey,
} from "@atlasnet/core";
import { until } from "../testing/counting-node.ts";
import { inOrder, last, SHARD, twoNodes } from "../testing/two-nodes.ts";

test("a world moves while it ticks: its players miss nothing, and it goes on at the tick behind the last", async (t) => {
  const { g, h, move, moved, owner, tiny } = await twoNodes(t);
  const before = await g.watch();
  await until(() => last(before.counts) > 10);
  const id = move("h");
  await until(() => moved()?.outcome === "moved");
  assert.deepEqual([moved()?.id, moved()?.by], [id, "h"]);
  assert.equal(owner().record?.node, "h");
  const after = await h.watch(before);
  assert.deepEqual([after.session, after.timeline], [before.session, before.timeline]);
  assert.equal(after.epoch, owner().modified);
  assert.ok(after.epoch > before.epoch);
  const count = last(after.counts);
  await until(() => last(after.counts) > count + 20);
  assert.ok(inOrder([...before.counts, ...after.counts]), "no count is lost or said twice");
  assert.ok(inOrder([...before.seqs, ...after.seqs]));
  await until(() => g.epoch === undefined);
  assert.deepEqual(
    g.told.filter(({ type }) => type === "shard-sealed"),
    [{ type: "shard-sealed", shard: SHARD, epoch: before.epoch, to: "h" }],
  );
  assert.deepEqual(
    h.told.filter(({ type }) => type === "placed"),
    [{ type: "placed", world: "arena", shard: SHARD, epoch: after.epoch }],
  );
  await until(() => moved()?.gapMs !== undefined);
  await until(() => tiny.seen("snapshot", snapshotKey(SHARD)).record?.epoch === after.epoch);
  // And back, with what was found out on the way.
  move("g");
  await until(() => owner().record?.node === "g");
  const again = await g.watch(after);
  assert.deepEqual([again.session, again.timeline], [before.session, before.timeline]);
  await until(() => last(again.counts) > last(after.counts) + 10);
  assert.ok(inOrder([...before.counts, ...after.counts, ...again.counts]));
});

test("links that end in the middle are opened again, and nothing is lost by it", async (t) => {
  const ends = new Set(["replica-copy", "replica-piece", "replica-delta", "replica-sealed"]);
  const { g, h, move, moved } = await twoNodes(t, (message) =>
    ends.delete(message.type) ? undefined : message,
  );
  const before = await g.watch();
  move("h");
  await until(() => moved() !== undefined);
  assert.deepEqual([moved()?.outcome, moved()?.problem], ["moved", ""]);
  assert.equal(ends.size, 0);
  const after = await h.watch(before);
  assert.equal(after.timeline, before.timeline);
  assert.ok(inOrder([...before.counts, ...after.counts]));
});

test("nothing moves while the source has something to say and may not", async (t) => {
  const { g, h, move, moved, owner } = await twoNodes(t, (message) => {
    if (message.type === "replica-copy") g.control.expire();
    return message;
  });
  const before = await g.watch();
  move("h", { deadlineMs: 1_500 });
  await until(() => moved() !== undefined);
  // Its last words have not left: with the seal among them, the target would have gone on.
  assert.deepEqual([moved()?.outcome, owner().record?.node], ["aborted", "g"]);
  const count = last(before.counts);
  g.control.unseal();
  await until(() => last(before.counts) > count + 10);
  assert.ok(inOrder(before.counts));
  assert.equal(h.epoch, undefined);
});

test("a target whose clock is wrong refuses before anything is copied", async (t) => {
  const asked: string[] = [];
  const { g, move, moved, owner } = await twoNodes(t, (message) => {
    asked.push(message.type);
    return message;
  });
  const before = await g.watch();
  for (const [started, problem] of [
    [Date.now() + 3_600_000, /the clock of h is 3600 s behind the control plane's/],
    [Date.now() - 3_600_000, /the clock of h is 3600 s ahead of the control plane's/],
  ] as const) {
    const id = move("h", { started });
    await until(() => moved()?.id === id);
    assert.equal(moved()?.outcome, "aborted");
    assert.match(moved()?.problem ?? "", problem);
  }
  assert.equal(owner().modified, before.epoch);
  assert.deepEqual(
    asked.filter((type) => type.startsWith("replica-")),
    [],
  );
});

test("of two moves at the same time to a node with room for one, the node refuses the other before it is copied", async (t) => {
  const copied = new Set<string>();
  const { g, h, tiny, move } = await twoNodes(t, (message) => {
    if (message.type === "replica-copy") copied.add(message.shard);
    return message;
  });
  const names = ["bay", "cove"] as const;
  // What the node carries is 100.
  for (const name of names)
    g.control.createWorld(
      name,
      { module: { source: "node", path: "./counter.mjs" }, weight: 60 },
      "g",
    );
  await until(() => g.server.hosted.length === 3);
  for (const name of names) move("h", {}, name);
  const ends = () => names.map((name) => tiny.seen("moved", movedKey(firstShard(name))).record);
  await until(() => ends().every((end) => end !== undefined));
  assert.deepEqual(
    ends()
      .map((end) => end?.outcome)
      .sort(),
    ["aborted", "moved"],
  );
  const refused = names.find((_, at) => ends()[at]?.outcome === "aborted") ?? assert.fail("none");
  const { problem } = tiny.seen("moved", movedKey(firstShard(refused))).record ?? {};
  assert.match(problem ?? "", /no room: its worlds would weigh 120, it carries 100/);
  assert.equal(copied.has(firstShard(refused)), false);
  // It runs on where it was.
  assert.ok(g.server.hosted.some(({ shard }) => shard === firstShard(refused)));
  await until(() => h.server.hosted.length === 1);
});

test("a source that does not know of the move yet is asked again", async (t) => {
  let refusals = 0;
  let id = "";
  const { g, h, move, moved } = await twoNodes(t, (message) => {
    if (message.type !== "replica-copy" || ++refusals > 2) return message;
    const { shard, epoch } = message;
    const reason = "planted";
    return { type: "replica-close", shard, epoch, id, code: "unknown-ticket", reason };
  });
  const before = await g.watch();
  id = move("h");
  await until(() => moved() !== undefined);
  assert.deepEqual([moved()?.outcome, moved()?.problem], ["moved", ""]);
  assert.ok(refusals > 2);
  const after = await h.watch(before);
  assert.ok(inOrder([...before.counts, ...after.counts]));
});

for (const [what, problem, sealed, hears] of [
  [
    "a state that differs",
    /the states of tick \d+ differ in timers: hash [0-9a-f]{32} here, [0-9a-f]{32} at the owner \(hash-differs\)/,
    true,
    (message: LinkMessage) =>
      message.type === "replica-sealed"
        ? {
            ...message,
            hash: message.hash.map((b) => b ^ 1),
            sections: (message.sections ?? message.hash).map((b, at) => (at === 32 ? b ^ 1 : b)),
          }
        : message,
  ],
  [
    "a damaged piece",
    /the copy's piece at byte \d+ is damaged \(bad-data\)/,
    false,
    (message: LinkMessage) =>
      message.type === "replica-piece"
        ? { ...message, data: message.data.map((b) => b ^ 1) }
        : message,
  ],
] as const)
  test(`${what} ends the move, and the world goes on where it was`, async (t) => {
    let isPlanted = true;
    const { g, h, move, moved, owner } = await twoNodes(t, (message) =>
      isPlanted ? hears(message) : message,
    );
    const { epoch, counts } = await g.watch();
    move("h");
    await until(() => moved() !== undefined);
    assert.equal(moved()?.outcome, "aborted");
    assert.match(moved()?.problem ?? "", problem);
    const count = last(counts);
    await until(() => last(counts) > count + 20);
    assert.ok(inOrder(counts), "its players notice a pause at most");
    assert.equal(owner().modified, epoch);
    const words = g.told.map(({ type }) => type).filter((type) => type.startsWith("shard-"));
    assert.deepEqual(words, sealed ? ["shard-sealed", "shard-unsealed"] : []);
    assert.equal(h.epoch, undefined);
    isPlanted = false;
    move("h");
    await until(() => owner().record?.node === "h");
  });

test("a migration that is ended by somebody else, or takes too long, leaves the world where it is", async (t) => {
  const { g, h, tiny, move, moved, migration, owner } = await twoNodes(t, (message) =>
    message.type === "replica-copy" ? undefined : message,
  );
  const { counts, epoch } = await g.watch();
  move("h");
  const how = { by: "an operator", problem: "not today", ended: 0 };
  const abort = abortMigration(SHARD, migration(), how);
  assert.ok(abort.ok && tiny.txn(abort.txn).succeeded);
  const count = last(counts);
  await until(() => last(counts) > count + 10 && h.server.hosted.length === 0);
  const id = move("h", { deadlineMs: 1_000 });
  await until(() => moved()?.id === id);
  assert.match(moved()?.problem ?? "", /longer than 1000 ms/);
  assert.equal(owner().modified, epoch);
  assert.ok(inOrder(counts));
});

test("a node that stops has its worlds moved away while they run; what does not move is saved", async (t) => {
  const { g, h, move, moved, owner } = await twoNodes(t);
  const before = await g.watch();
  const drained = g.host.drain(20_000);
  await until(() => g.control.states.includes("draining"));
  move("h");
  await drained;
  assert.equal(moved()?.outcome, "moved");
  assert.deepEqual(g.control.states.slice(-1), ["stopped"]);
  const after = await h.watch(before);
  assert.ok(inOrder([...before.counts, ...after.counts]));
  // Nobody is left to take it.
  await h.host.drain(20_000);
  assert.equal(owner().record?.state, "released");
});

test("what is sealed for a move when its node stops is closed as it is: nobody is told that it goes on", async (t) => {
  const { g, h, move, moved, owner } = await twoNodes(t);
  const { counts } = await g.watch();
  await until(() => last(counts) > 5);
  h.control.silent = true;
  // The abort has committed, and this node hears of it when its world is given back already.
  const { store } = g.control;
  const { txn } = store;
  const answers: (() => void)[] = [];
  let isHeld = true;
  store.txn = async (request) => {
    const result = await txn(request);
    const ends = request.then.some((each) => "key" in each && each.key === migrationKey(SHARD));
    if (ends && isHeld) await new Promise<void>((answer) => answers.push(answer));
    return result;
  };
  move("h");
  await until(() => g.told.some(({ type }) => type === "shard-sealed"));
  g.control.late = SHARDS;
  const drained = g.host.drain(200);
  await until(() => owner().record?.state === "released" && answers.length > 0);
  assert.equal(moved()?.outcome, "aborted");
  isHeld = false;
  for (const answer of answers) answer();
  g.control.catchUp();
  await drained;
  await until(() => g.migrating === undefined);
  // What it said has come by then.
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    g.told.map(({ type }) => type).filter((type) => type.startsWith("shard-")),
    ["shard-sealed"],
  );
});
