import assert from "node:assert/strict";
import { cp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type ClientWorld, connect } from "@atlasnet/client";
import { reached } from "@atlasnet/core/testing";
import { type FormerMonolith, startFormerMonolith } from "./testing/former-monolith.ts";
import { meadowSource, seen } from "./testing/meadow.ts";
import { monolith } from "./testing/server-forms.ts";
import { type Settings, Workplace } from "./testing/workplace.ts";

/** Data directories that were written before there was a control store in a monolith. */

const MEADOW: Settings = { worlds: "meadow=./meadow.mjs" };
const NODE = "n1";

interface Run {
  readonly epoch: number;
  readonly timeline: number;
}

/** The only world's epoch and timeline, as its folder has them. */
async function runIn(data: string): Promise<Run> {
  const files = await readdir(join(data, "worlds"), { recursive: true });
  const file = files.find((name) => /(^|[\\/])run(\.json)?$/.test(name));
  assert(file !== undefined, files.join(", "));
  const [line = ""] = (await readFile(join(data, "worlds", file), "utf8")).split("\n");
  const { epoch, timeline }: { epoch?: number; timeline?: number } = Object(JSON.parse(line));
  assert(epoch !== undefined && timeline !== undefined);
  return { epoch, timeline };
}

/** A world that a former version ran a few times, and a player who was at a place in it. */
async function formerScene(t: TestContext) {
  const place = await Workplace.create(t);
  await writeFile(join(place.dir, "meadow.mjs"), meadowSource("hello"));
  for (let start = 0; start < 3; start++)
    await (await startFormerMonolith(place, NODE, MEADOW)).stop();
  const former = await startFormerMonolith(place, NODE, { ...MEADOW, "journal.syncMs": "1" });
  const client = connect({ url: `ws://127.0.0.1:${former.players.port}` });
  place.undo(() => client.close());
  const ann = await client.join({ world: "meadow" });
  const events: string[] = [];
  ann.onDrop(() => events.push("drop"));
  ann.onResume(() => events.push("resume"));
  ann.onRollback(() => events.push("rollback"));
  ann.onClose(({ code }) => events.push(`closed: ${code}`));
  ann.input("go", { x: 10, y: 90 });
  await reached(() => seen(ann).includes("10,90"));
  return { place, former, ann, events, data: join(place.dir, NODE) };
}

function upgraded(place: Workplace, former: FormerMonolith) {
  return monolith.start(place, { ...MEADOW, "proxy.port": String(former.players.port) });
}

async function answers(ann: ClientWorld): Promise<void> {
  const heard: unknown[] = [];
  ann.onMessage("said", (message) => heard.push(message));
  ann.send("say", { text: "again" });
  await reached(() => heard.length === 1);
}

test("after a stop in order the world goes on under the new version, and so do sessions", async (t) => {
  const { place, former, ann, events, data } = await formerScene(t);
  await former.stop();
  const before = await runIn(data);
  assert.ok(before.epoch >= 4);
  const first = await upgraded(place, former);
  await reached(() => events.includes("resume"));
  await answers(ann);
  assert.deepEqual(events, ["drop", "resume"]);
  assert.deepEqual(seen(ann), ["10,90"]);
  const now = await runIn(data);
  assert.ok(now.epoch > before.epoch, `${now.epoch} after ${before.epoch}`);
  assert.equal(now.timeline, before.timeline);

  // And from then on.
  await first.stop();
  await upgraded(place, former);
  await reached(() => events.length === 4);
  assert.deepEqual(events, ["drop", "resume", "drop", "resume"]);
  const later = await runIn(data);
  assert.ok(later.epoch > now.epoch, `${later.epoch} after ${now.epoch}`);
  assert.equal(later.timeline, before.timeline);
});

test("what a crash of the former version left is restored, on another timeline", async (t) => {
  const { place, former, data, ann } = await formerScene(t);
  // The folder as it is while the world runs: nothing is marked as ended in order.
  await answers(ann);
  await ann.leave();
  const crashed = join(place.dir, "crashed");
  await cp(data, crashed, { recursive: true, filter: (from) => !from.endsWith("lock") });
  const before = await runIn(crashed);
  await former.stop();
  const server = await monolith.start(place, { ...MEADOW, "data.dir": crashed });
  const bob = await server.client("ws").join({ world: "meadow" });
  await answers(bob);
  const now = await runIn(crashed);
  assert.ok(now.epoch > before.epoch && now.timeline > before.timeline, JSON.stringify(now));
});
