import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import type { Logger } from "@atlasnet/core";
import { SeededRandom, SimDisk } from "@atlasnet/core/sim";
import { defineWorld } from "@atlasnet/world";
import { replicaName, shardFolder } from "./file-names.ts";
import { ReplicaFile } from "./replica-file.ts";

const place = { dir: "/data", world: "arena", shard: "arena/0" };
const folder = shardFolder(place.dir, place.world, place.shard);
const facts = {
  module: { name: "arena", version: "1" },
  schema: defineWorld({ name: "arena", components: {} }).data,
  ...{ epoch: 7, timeline: 3, tick: 100, createdAtMs: 1 },
};
const state = new Uint8Array(3_000).fill(9);

function setup() {
  const disk = new SimDisk({}, { random: new SeededRandom(1) });
  const errors: string[] = [];
  const quiet = () => undefined;
  const logger: Logger = {
    ...{ debug: quiet, info: quiet, warn: quiet, child: () => logger },
    error: (message) => errors.push(message),
  };
  return { disk, errors, file: () => new ReplicaFile(place, { disk: disk.process(), logger }) };
}

test("a copy that was written is there after a power loss, for its own world only", async () => {
  const { disk, errors, file } = setup();
  await file().write(5, facts, state);
  disk.crash("power");
  const read = await file().read(5);
  assert.deepEqual(read?.header, { ...facts, world: "arena", shard: "arena/0" });
  assert.deepEqual(new Uint8Array(read?.state ?? []), state);
  assert.equal(await file().read(6), undefined);
  await file().write(5, { ...facts, tick: 200 }, state);
  assert.equal((await file().read(5))?.header.tick, 200);
  await file().remove();
  assert.equal(await file().read(5), undefined);
  assert.deepEqual(await disk.process().list(folder), []);
  assert.deepEqual(errors, []);
});

test("a damaged copy is said to be one, and does not count", async () => {
  const { disk, errors, file } = setup();
  await file().write(5, facts, state);
  const name = join(folder, replicaName(5));
  const bytes = Uint8Array.from(await disk.process().read(name));
  bytes[bytes.length - 100] = 1;
  await disk.process().remove(name);
  const damaged = await disk.process().open(name);
  await damaged.write(bytes);
  await damaged.close();
  assert.equal(await file().read(5), undefined);
  assert.equal(errors.length, 1);
});

test("a disk that takes nothing is an error that says which world", async () => {
  const { disk, file } = setup();
  disk.setFaults({ writeError: 1 });
  await assert.rejects(file().write(5, facts, state), /a copy of world arena cannot be kept/);
});
