import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { OperatingError } from "@atlasnet/core";
import { reached } from "@atlasnet/core/testing";
import { meadowSource, seen } from "./testing/meadow.ts";
import { monolith } from "./testing/server-forms.ts";
import { type Settings, Workplace } from "./testing/workplace.ts";

/** What is about the process and its folder; what its players see is in the suites for every form of server. */

const MEADOW: Settings = { worlds: "meadow=./meadow.mjs" };

/** A workplace with the meadow in it, and the folder of the data to be. */
async function newPlace(t: TestContext): Promise<[Workplace, string]> {
  const place = await Workplace.create(t);
  await writeFile(join(place.dir, "meadow.mjs"), meadowSource("hello"));
  return [place, join(place.dir, "n1")];
}

test("a server without UDP takes no key and says no port", async (t) => {
  const [place, data] = await newPlace(t);
  const server = await monolith.start(place, { ...MEADOW, "proxy.udp.enabled": "false" });
  assert.equal(server.players.udpPort, undefined);
  assert.deepEqual(await readdir(join(data, "keys")), ["tickets.jwks.json"]);
});

test("a changed type is refused at the start by name, and --fresh starts empty", async (t) => {
  const [place] = await newPlace(t);
  const first = await monolith.start(place, MEADOW);
  await first.stop();
  const changed = meadowSource("hello").replace("count: int(0, 1000)", "count: text(10)");
  // A file is loaded once per process: the changed one has another name.
  await writeFile(join(place.dir, "changed.mjs"), changed.replace("visits.count += 1", "alive"));
  const worlds = "meadow=./changed.mjs";
  await assert.rejects(
    monolith.start(place, { worlds }),
    (error) =>
      error instanceof OperatingError &&
      error.message.includes("visits.count") &&
      (error.hint ?? "").includes("--fresh"),
  );
  await monolith.start(place, { worlds, "data.fresh": "true" });
});

test("what is in the way of a start is said", async (t) => {
  const [place] = await newPlace(t);
  const { players } = await monolith.start(place, MEADOW);
  await assert.rejects(monolith.start(place, MEADOW), { code: "data-dir-locked" });
  const [other] = await newPlace(t);
  const taken = { ...MEADOW, "proxy.port": String(players.port) };
  await assert.rejects(monolith.start(other, taken), { code: "port-in-use" });
  const worlds = "meadow=./none.mjs";
  await assert.rejects(monolith.start(other, { worlds }), { code: "module-not-found" });
});

test("a damaged snapshot is named and the one before it is used", async (t) => {
  const [place, data] = await newPlace(t);
  const first = await monolith.start(place, MEADOW);
  const ann = await first.client("ws").join({ world: "meadow" });
  ann.input("go", { x: 30, y: 30 });
  await reached(() => seen(ann).includes("30,30"));
  await first.stop();
  const second = await monolith.start(place, MEADOW);
  await second.stop();
  const files = await readdir(data, { recursive: true });
  const snapshots = files.filter((file) => file.endsWith(".snapshot")).sort();
  assert.ok(snapshots.length >= 2, `snapshots: ${files.join(", ")}`);
  await writeFile(join(data, snapshots.at(-1) ?? ""), "not a snapshot");
  await monolith.start(place, MEADOW);
  const left = await readdir(data, { recursive: true });
  assert.ok(
    left.some((file) => file.endsWith(".damaged")),
    left.join(", "),
  );
});
