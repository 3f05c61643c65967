import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { apiScene } from "@atlasnet/apiserver/testing";
import {
  decodeRecord,
  encodeRecord,
  firstShard,
  type MigrationProgress,
  type MigrationRecord,
  type MovedRecord,
  migrationKey,
  movedKey,
  nodeKey,
  type Operation,
  ownerKey,
  shardKey,
  worldKey,
} from "@atlasnet/core";
import { nodeRecord, worldRecord } from "@atlasnet/core/testing";
import { startCommand } from "../testing/command.ts";

/** A cluster's API over records that the test writes, with worlds on gs-1. */
async function scene(t: TestContext, worlds: readonly string[] = ["arena"]) {
  const reported: (MigrationProgress & { readonly node: string })[] = [];
  const moves = {
    target: () => ({ ok: true, node: "gs-2" }) as const,
    refusal: (shard: string) => (shard === "stuck/0" ? "has no room for it" : undefined),
    crowded: () => undefined,
    reports: async () => reported,
  };
  const asleep = new Set<string>();
  const placement = {
    problems: () => undefined,
    failures: async () => [],
    asleep: async () => asleep,
  };
  const api = await apiScene({}, { moves, placement });
  const workingDir = await mkdtemp(join(tmpdir(), "atlasnet-cli-"));
  t.after(async () => {
    await api.close();
    await rm(workingDir, { recursive: true, force: true });
  });
  const { store } = api;
  const put = async (...then: readonly Operation[]) => await store.txn({ compare: [], then });
  for (const node of ["gs-1", "gs-2"]) {
    const record = { ...nodeRecord({ boot: node, state: "ready" }), cordoned: false };
    await put({ type: "put", key: nodeKey(node), value: encodeRecord("node", record) });
  }
  for (const world of worlds) {
    const made = await put({
      type: "put",
      key: worldKey(world),
      value: encodeRecord("world", worldRecord()),
    });
    const shard = firstShard(world);
    const owner = { world: made.revision, node: "gs-1", boot: "gs-1", state: "owned" } as const;
    const wish = { wanted: "gs-1", reason: "placed" } as const;
    await put(
      { type: "put", key: ownerKey(shard), value: encodeRecord("owner", owner) },
      { type: "put", key: shardKey(shard), value: encodeRecord("shard", wish) },
    );
  }
  const migrationOf = async (world: string): Promise<MigrationRecord> => {
    const [item] = (await store.range({ key: migrationKey(firstShard(world)) })).items;
    const decoded = item && decodeRecord("migration", item.value);
    assert.ok(decoded?.ok);
    return decoded.record;
  };
  /** What gameservers do in the end. */
  const end = async (world: string, fields: Partial<MovedRecord> = {}) => {
    const shard = firstShard(world);
    const { id, from, to, reason, started, world: created } = await migrationOf(world);
    const moved: MovedRecord = {
      ...{ id, from, to, reason, outcome: "moved", by: to, problem: "", started },
      ...{ ended: started + 1_500, gapMs: 41, bytes: 2 ** 20 },
      ...fields,
    };
    const owner = { world: created, node: to, boot: to, state: "owned" } as const;
    const switched: Operation[] =
      moved.outcome === "moved"
        ? [{ type: "put", key: ownerKey(shard), value: encodeRecord("owner", owner) }]
        : [];
    await put(
      { type: "delete", key: migrationKey(shard) },
      { type: "put", key: movedKey(shard), value: encodeRecord("moved", moved) },
      ...switched,
    );
  };
  const [address = ""] = api.addresses;
  const env = { ATLASNET_API: address, ATLASNET_TOKEN: api.token, HOME: workingDir };
  const start = (args: readonly string[], more: Parameters<typeof startCommand>[1] = {}) =>
    startCommand(args, { env, workingDir, ...more });
  const run = (...args: string[]) => start(args).done;
  return { start, run, end, migrationOf, reported, asleep };
}

const figures = { bytes: 2 ** 19, totalBytes: 2 ** 20, lagTicks: 0 };

test("world migrate --wait tells each phase, and how long the world stood still", async (t) => {
  const { start, end, migrationOf, reported } = await scene(t);
  const command = start([
    "world",
    "migrate",
    "arena",
    "--to",
    "gs-2",
    "--wait",
    "--deadline",
    "30s",
  ]);
  await command.wrote("talk", /arena to gs-2: asked for\n/);
  const { id, deadlineMs } = await migrationOf("arena");
  assert.equal(deadlineMs, 30_000);
  const of = { node: "gs-2", shard: "arena/0", id };
  reported.push({ ...of, phase: "copying", ...figures });
  await command.wrote("talk", /arena to gs-2: copying, 512\.0 KiB of 1\.0 MiB\n/);
  reported.splice(0, 1, { ...of, phase: "following", ...figures, lagTicks: 1 });
  await command.wrote("talk", /following, 1 tick behind\n/);
  await end("arena");
  const { code, talk, out } = await command.done;
  assert.equal(code, 0, talk);
  assert.match(
    talk,
    /arena moved from gs-1 to gs-2 in 1\.5 s; it stood still for 41 ms, 1\.0 MiB were sent\.\n$/,
  );
  assert.equal(out, "");
});

test("world upgrade moves a world to its module with the same progress; one that does not run has it recorded", async (t) => {
  const { start, run, end, migrationOf, reported } = await scene(t);
  const command = start(["world", "upgrade", "arena", "--module", "./next.js", "--wait"]);
  await command.wrote("talk", /arena to gs-2: asked for\n/);
  const { id, reason, module } = await migrationOf("arena");
  assert.deepEqual([reason, module], ["upgraded", { source: "node", path: "./next.js" }]);
  reported.push({ node: "gs-2", shard: "arena/0", id, phase: "copying", ...figures });
  await command.wrote("talk", /copying, 512\.0 KiB/);
  await end("arena");
  const { code, talk } = await command.done;
  assert.equal(code, 0, talk);
  assert.match(talk, /arena moved from gs-1 to gs-2 in 1\.5 s/);
  assert.match((await run("migration", "ls", "--ended")).out, / upgraded /);
  await run("world", "create", "idle", "--module", "./a.js");
  const idle = await run("world", "upgrade", "idle", "--module", "./next.js");
  assert.deepEqual([idle.code, /idle does not run/.test(idle.talk)], [0, true], idle.talk);
  assert.match((await run("world", "ls")).out, /idle .* \.\/next\.js\n/);
  const none = await run("world", "upgrade", "arena", "--module", "arena@2.0.0");
  assert.deepEqual([none.code, /no module arena@2\.0\.0/.test(none.talk)], [3, true], none.talk);
  assert.equal((await run("world", "upgrade", "arena")).code, 2);
});

test("on a terminal the progress is one line, which goes away", async (t) => {
  const { start, end, migrationOf, reported } = await scene(t);
  const command = start(["world", "migrate", "arena", "--wait"], { live: true, width: 78 });
  await command.wrote("talk", /\rarena to gs-2 \[-{24}\] asked for/);
  const { id } = await migrationOf("arena");
  reported.push({ node: "gs-2", shard: "arena/0", id, phase: "copying", ...figures });
  await command.wrote("talk", /\[#{12}-{12}\] copying, 512\.0 KiB of 1\.0 MiB/);
  await end("arena");
  const { talk } = await command.done;
  assert.ok(talk.includes("\r\u001b[Karena moved from gs-1"), talk);
  assert.ok(!talk.slice(0, talk.lastIndexOf("\u001b[K")).includes("\n"));
});

test("a world that stays is an error with the reason; for programs the end is JSON", async (t) => {
  const { start, end } = await scene(t);
  const command = start(["world", "migrate", "arena", "--wait", "-o", "json"]);
  await command.wrote("talk", /asked for/);
  await end("arena", { outcome: "aborted", by: "gs-1", problem: "gs-2 is gone", gapMs: undefined });
  const { code, talk, out } = await command.done;
  assert.equal(code, 1);
  assert.match(
    talk,
    /arena did not move from gs-1 to gs-2: gs-2 is gone\..*\(migration-aborted\)\n.*`atlasnet world show arena`/,
  );
  const { outcome, by } = JSON.parse(out);
  assert.deepEqual([outcome, by], ["aborted", "gs-1"]);
});

test("world ls says which worlds sleep; one that is on its way is awake for that", async (t) => {
  const { run, asleep } = await scene(t, ["arena", "lobby"]);
  asleep.add("arena/0");
  const { out } = await run("world", "ls");
  assert.match(out, /^arena +owned, asleep +gs-1 /m);
  assert.match(out, /^lobby +owned +gs-1 /m);
  const json: readonly { placements: readonly { asleep?: boolean }[] }[] = JSON.parse(
    (await run("world", "ls", "-o", "json")).out,
  );
  assert.deepEqual(
    json.map(({ placements }) => placements[0]?.asleep),
    [true, undefined],
  );
  assert.match((await run("world", "show", "arena")).out, /asleep: true/);
  assert.equal((await run("world", "migrate", "arena")).code, 0);
  assert.match((await run("world", "ls")).out, /^arena +owned, moving to gs-2 /m);
  assert.doesNotMatch((await run("world", "show", "arena")).out, /asleep/);
});

test("without --wait it is only asked for; the second operator is refused; ls, cancel and the end", async (t) => {
  const { run, end, migrationOf } = await scene(t);
  const none = await run("migration", "ls");
  assert.deepEqual([none.out, none.talk], ["", "No world is on its way.\n"]);
  const asked = await run("world", "migrate", "arena", "-o", "json");
  assert.equal(asked.code, 0, asked.talk);
  const { id } = await migrationOf("arena");
  assert.equal(JSON.parse(asked.out).id, id);
  const second = await run("world", "migrate", "arena");
  assert.equal(second.code, 3);
  assert.match(
    second.talk,
    new RegExp(`from gs-1 to gs-2 already: migration ${id}.*migrating`, "s"),
  );
  const listed = await run("migration", "ls");
  assert.match(listed.out, /^WORLD .*\narena +gs-1 +gs-2 +operator .*asked for\n$/);
  assert.match((await run("world", "ls")).out, /arena +owned, moving to gs-2 +gs-1/);
  assert.match((await run("world", "show", "arena")).out, new RegExp(`migration:\\s+id: "?${id}`));
  const cancelled = await run("migration", "cancel", "arena");
  assert.match(cancelled.talk, /Cancelled: arena stays on gs-1/);
  const again = await run("migration", "cancel", "arena");
  assert.deepEqual([again.code, /no migration/.test(again.talk)], [3, true]);
  const ended = await run("migration", "ls", "--ended");
  assert.match(ended.out, /arena +gs-1 +gs-2 .* - +aborted by operator .*: cancelled by/);
  await run("world", "migrate", "arena");
  await end("arena");
  assert.match((await run("migration", "ls", "--ended")).out, /41 ms +moved\n$/);
});

test("--all-from moves all that can go, some at a time, and says what stays", async (t) => {
  const { start, end } = await scene(t, ["a", "b", "stuck"]);
  const command = start(["world", "migrate", "--all-from", "gs-1", "--at-once", "1"]);
  await command.wrote("talk", /a to gs-2: asked for/);
  await end("a");
  await command.wrote("talk", /b to gs-2: asked for/);
  assert.match(command.said.talk, /a moved from gs-1 to gs-2/);
  await end("b");
  const { code, talk } = await command.done;
  assert.equal(code, 1);
  assert.match(talk, /b moved from gs-1/);
  assert.match(talk, /stuck\/0: gs-2 has no room for it\n2 moved away from gs-1\.\n/);
  assert.match(talk, /gs-1 still has worlds/);
});

test("events say where a world is on its way to, and how that ended", async (t) => {
  const { start, run, end } = await scene(t);
  const stop = new AbortController();
  const events = start(["events", "--after", "1"], { stop: stop.signal });
  await run("world", "migrate", "arena");
  await events.wrote("out", /migration arena\/0 from gs-1 to gs-2\n/);
  await run("migration", "cancel", "arena");
  await events.wrote("out", /migration arena\/0 removed\n/);
  await events.wrote(
    "out",
    /moved arena\/0 aborted, not moved from gs-1 to gs-2: cancelled by operator/,
  );
  await run("world", "migrate", "arena");
  await end("arena");
  await events.wrote("out", /moved arena\/0 moved from gs-1 to gs-2, stood still for 41 ms\n/);
  stop.abort();
  assert.equal((await events.done).code, 0);
});

test("what is asked for wrongly is said before anything is asked", async (t) => {
  const { run } = await scene(t);
  for (const args of [
    [],
    ["arena", "--all-from", "gs-1"],
    ["--all-from", "gs-1", "--to", "gs-2"],
    ["arena", "--at-once", "2"],
    ["arena", "--deadline", "soon"],
  ]) {
    const { code, talk } = await run("world", "migrate", ...args);
    assert.equal(code, 2, `${args.join(" ")}: ${talk}`);
  }
  const nowhere = await run("world", "migrate", "nowhere");
  assert.deepEqual([nowhere.code, /no world nowhere/.test(nowhere.talk)], [3, true]);
});
