import assert from "node:assert/strict";
import { test } from "node:test";
import { abortMigration } from "@atlasnet/core";
import { until } from "../testing/counting-node.ts";
import { mirroredNodes } from "../testing/mirrored-nodes.ts";
import { inOrder, last, SHARD } from "../testing/two-nodes.ts";

/** What the louder module says is told apart by being larger. */
const LOUD = 1e9;
const MODULES = {
  "louder.mjs": `
    import { world as counter } from "./counter.mjs";
    const tick = (ctx) => {
      ctx.kv.set("n", ctx.kv.get("n") + 1);
      ctx.broadcast("said", { text: String(${LOUD} + ctx.kv.get("n")) });
    };
    export const world = { ...counter, behaviour: { ...counter.behaviour, tick } };
  `,
};
const LOUDER = { source: "node", path: "./louder.mjs" } as const;

test("a mirrored world comes to new code by a move to its mirror's node, and nothing is lost", async (t) => {
  const { g, h, move, moved, ask, inSync, owner, world } = await mirroredNodes(t, undefined, {
    modules: MODULES,
  });
  const before = await g.watch();
  ask("h");
  await inSync();
  move("h", { module: LOUDER, reason: "upgraded" });
  await until(() => moved() !== undefined);
  assert.deepEqual([moved()?.outcome, moved()?.problem], ["moved", ""]);
  assert.deepEqual(world().record?.module, LOUDER);
  const after = await h.watch(before);
  ask("g");
  await inSync();
  const count = last(after.counts);
  await until(() => last(after.counts) > count + 10);
  h.control.silent = true;
  await h.stop();
  await until(() => owner().record?.node === "g");
  const again = await g.watch(after);
  await until(() => again.counts.length > 10);
  assert.ok(
    again.counts.every((n) => n > LOUD),
    "the mirror has the new code as well",
  );
  const loud = [...after.counts, ...again.counts].map((n) => n - LOUD);
  assert.ok(inOrder([...before.counts, ...loud]));
  assert.ok(inOrder([...before.seqs, ...after.seqs, ...again.seqs]));
});

test("a mirrored world gets new code where it is: what waited for the mirror leaves, and it can be mirrored again", async (t) => {
  const { g, h, ask, inSync, mirror, owner, world } = await mirroredNodes(t, undefined, {
    modules: MODULES,
  });
  const before = await g.watch();
  ask("h");
  await inSync();
  const { epoch } = before;
  const { record } = world();
  assert.ok(record !== undefined);
  g.control.changeWorld("arena", { ...record, module: LOUDER });
  await until(() => (g.epoch ?? 0) > epoch);
  assert.equal(mirror(), undefined, "it followed the code of before");
  const after = await g.watch(before);
  assert.deepEqual([after.session, after.timeline], [before.session, before.timeline]);
  ask("h");
  await inSync();
  const count = last(after.counts);
  await until(() => last(after.counts) > count + 10);
  g.control.silent = true;
  await g.stop();
  await until(() => owner().record?.node === "h");
  const again = await h.watch(after);
  await until(() => again.counts.length > 10);
  const loud = [...after.counts, ...again.counts].map((n) => n - LOUD);
  assert.ok(inOrder([...before.counts, ...loud]));
});

test("a world that is to be without a mirror stays so when a move to its mirror's node comes to nothing", async (t) => {
  let deltas = 0;
  const { g, tiny, ask, inSync, mirror, migration, move } = await mirroredNodes(t, (message) => {
    if (message.type === "replica-delta") deltas += 1;
    // The move waits for its copy.
    return message.type === "replica-piece" && migration().record ? undefined : message;
  });
  await g.watch();
  ask("h");
  await inSync();
  await g.mirrors?.free(SHARD, "its module is changed");
  assert.equal(mirror(), undefined);
  ask("h");
  move("h");
  await until(() => g.migrating !== undefined);
  const aborted = abortMigration(SHARD, migration(), { by: "g", problem: "cancelled", ended: 1 });
  assert.ok(aborted.ok && tiny.txn(aborted.txn).succeeded);
  await until(() => g.migrating === undefined);
  ask("h");
  deltas = 0;
  await until(() => deltas > 20);
  assert.equal(mirror()?.state, "asked");
  g.mirrors?.stay(SHARD);
  await inSync();
});

test("a world that sleeps wakes to be mirrored, and stays awake for its mirror", async (t) => {
  const { g, h, ask, inSync, owner, mirror } = await mirroredNodes(t, undefined, {
    record: { graceSeconds: 0, sleepAfterSeconds: 1 },
  });
  const asleep = () => until(() => g.server.asleep === 1);
  const ann = await g.watch();
  g.leave(ann);
  await asleep();
  ask("h");
  await inSync();
  assert.deepEqual([g.server.asleep, g.server.wakes.woken], [0, 1]);
  // Without anybody in it: it would sleep by now, were it not for its mirror.
  const bob = await g.watch();
  assert.ok((bob.counts[0] ?? 0) > last(ann.counts), "it goes on where it was");
  g.leave(bob);
  // Once the mirror is gone it sleeps again, and at another node that takes it over as well.
  g.control.silent = true;
  await g.stop();
  await until(() => owner().record?.node === "h");
  assert.equal(mirror(), undefined);
  await until(() => h.server.asleep === 1);
  const cid = await h.watch();
  assert.ok((cid.counts[0] ?? 0) > last(bob.counts));
});

test("a mirror whose state is another one than its owner's is given up, says in what, and follows anew", async (t) => {
  let isOther = true;
  const { g, h, ask, inSync, mirror, owner } = await mirroredNodes(t, (message) => {
    if (message.type !== "replica-delta" || message.sections === undefined || !isOther)
      return message;
    isOther = false;
    // The third section is that of the keys.
    const sections = message.sections.map((byte, at) => (at === 16 ? byte ^ 1 : byte));
    return { ...message, hash: new Uint8Array(16), sections };
  });
  const before = await g.watch();
  ask("h");
  await inSync();
  const lost = () => g.lines.find((line) => line.includes("has lost its mirror"));
  await until(() => lost() !== undefined);
  assert.match(
    lost() ?? "",
    /the states of tick \d+ differ in keys: hash \w+ here, \w+ at the owner/,
  );
  await until(() => mirror() === undefined);
  ask("h");
  await inSync();
  g.control.silent = true;
  await g.stop();
  await until(() => owner().record?.node === "h");
  const again = await h.watch(before);
  await until(() => again.counts.length > 10);
  assert.ok(inOrder([...before.counts, ...again.counts]));
});
