import assert from "node:assert/strict";
import { test } from "node:test";
import { type ModuleSource, WORLDS } from "@atlasnet/core";
import { type DefinitionData, defineWorld, text, uint } from "@atlasnet/world";
import { until } from "../testing/counting-node.ts";
import { inOrder, last, twoNodes } from "../testing/two-nodes.ts";

const spec = { name: "tally", tickRate: 60, serverMessages: { said: { text: text(100) } } };
const first = defineWorld({ ...spec, components: { tally: { n: uint(2 ** 31) } } }).data;
const next = defineWorld({ ...spec, version: 2, components: { tally: { n: text(20) } } }).data;

const moduleText = (behaviour: string, data: DefinitionData) =>
  `export const world = { definition: { data: ${JSON.stringify(data)} }, behaviour: {${behaviour}} };`;

/** Counts ticks in an entity, and says how many there were; from `since` on in another voice. */
const counting = (since: number, write = "n") => `
  create(ctx) { ctx.spawn({ tally: { n: ${write === "n" ? 0 : '"0"'} } }); },
  tick(ctx) {
    for (const { tally } of ctx.query()) {
      const n = Number(tally.n) + 1;
      tally.n = ${write};
      ctx.broadcast("said", { text: String(${since} + n) });
    }
  },`;

/** What it says is told apart from what the first module says by being larger. */
const LOUD = 1e9;
const UPGRADE = "upgrade({ components }) { return { tally: { n: String(components.tally.n) } }; },";
const THROWS = `tick(ctx) { throw new Error("no paper left"); },`;

const MODULES = {
  "first.mjs": moduleText(counting(0), first),
  "louder.mjs": moduleText(counting(LOUD), first),
  "next.mjs": moduleText(counting(LOUD, "String(n)") + UPGRADE, next),
  "unprepared.mjs": moduleText(counting(LOUD, "String(n)"), next),
  "throws.mjs": moduleText(THROWS, first),
  "upgrade-throws.mjs": moduleText(
    `${counting(LOUD, "String(n)")} upgrade() { throw new Error("no ink left"); },`,
    next,
  ),
};

const named = (path: string): ModuleSource => ({ source: "node", path });
const running = (t: Parameters<typeof twoNodes>[0]) =>
  twoNodes(t, undefined, { modules: MODULES, module: "./first.mjs" });

for (const [what, path] of [
  ["new code", "./louder.mjs"],
  ["a changed definition, by its upgrade handler", "./next.mjs"],
] as const)
  test(`a world comes to ${what} by a move: nothing is lost, and its record names it with the switch`, async (t) => {
    const { g, h, move, moved, owner, world } = await running(t);
    const before = await g.watch();
    await until(() => last(before.counts) > 10);
    const module = named(path);
    move("h", { module, reason: "upgraded" });
    await until(() => moved() !== undefined);
    assert.deepEqual([moved()?.outcome, moved()?.problem], ["moved", ""]);
    assert.deepEqual(world().record?.module, module);
    assert.equal(world().modified, owner().modified);
    const after = await h.watch(before);
    assert.deepEqual([after.session, after.timeline], [before.session, before.timeline]);
    const count = last(after.counts);
    await until(() => last(after.counts) > count + 20);
    // Nobody closed it to open it anew: it is still at the epoch of the switch.
    assert.equal(h.epoch, owner().modified);
    assert.ok(before.counts.every((n) => n < LOUD) && after.counts.every((n) => n > LOUD));
    assert.ok(inOrder([...before.counts, ...after.counts.map((n) => n - LOUD)]));
    assert.ok(inOrder([...before.seqs, ...after.seqs]));
    // Wherever it goes next, it goes with that module.
    move("g");
    await until(() => owner().record?.node === "g");
    const again = await g.watch(after);
    await until(() => last(again.counts) > last(after.counts) + 10);
    assert.ok(inOrder([...after.counts, ...again.counts]));
  });

test("it runs on where it arrives while the watch of the worlds shows the module of before", async (t) => {
  const { g, h, move, moved, owner } = await running(t);
  const before = await g.watch();
  h.control.late = WORLDS;
  move("h", { module: named("./louder.mjs"), reason: "upgraded" });
  await until(() => moved() !== undefined);
  const after = await h.watch(before);
  await until(() => after.counts.length > 10);
  h.control.catchUp();
  const count = last(after.counts);
  await until(() => last(after.counts) > count + 10);
  assert.equal(h.epoch, owner().modified);
  assert.ok(inOrder([...before.counts, ...after.counts.map((n) => n - LOUD)]));
});

test("a module that cannot go on with the world is found out before the switch, and nothing has happened", async (t) => {
  const { g, h, move, moved, owner, world } = await running(t);
  const before = await g.watch();
  const record = world();
  for (const [path, problem] of [
    ["./unprepared.mjs", /tally.*n\b/],
    ["./upgrade-throws.mjs", /no ink left/],
    ["./throws.mjs", /no paper left/],
    ["./nowhere.mjs", /no such file/],
  ] as const) {
    const id = move("h", { module: named(path), reason: "upgraded" });
    await until(() => moved()?.id === id);
    assert.equal(moved()?.outcome, "aborted", path);
    assert.match(moved()?.problem ?? "", problem);
    const count = last(before.counts);
    await until(() => last(before.counts) > count + 10);
  }
  assert.ok(inOrder(before.counts));
  assert.deepEqual(world(), record);
  assert.equal(owner().modified, before.epoch);
  // It was not even sealed for any of them.
  assert.deepEqual(
    g.told.filter(({ type }) => type.startsWith("shard-")),
    [],
  );
  assert.equal(h.epoch, undefined);
  move("h", { module: named("./next.mjs"), reason: "upgraded" });
  await until(() => owner().record?.node === "h");
  const after = await h.watch(before);
  assert.ok(inOrder([...before.counts, ...after.counts.map((n) => n - LOUD)]));
});

test("a world whose record is changed while another module is on its way comes to what was said last", async (t) => {
  const { g, h, tiny, move, moved, world } = await running(t);
  await g.watch();
  const { record } = world();
  assert.ok(record !== undefined);
  move("h", { module: named("./next.mjs"), reason: "upgraded" });
  g.control.changeWorld("arena", { ...record, module: named("./louder.mjs") });
  await until(() => moved() !== undefined);
  assert.equal(moved()?.outcome, "aborted");
  assert.deepEqual(world().record?.module, named("./louder.mjs"));
  assert.ok(tiny.revision > 0 && h.epoch === undefined);
  const after = await g.watch();
  assert.ok(after.counts.every((n) => n > LOUD));
});
