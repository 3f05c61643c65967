import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { after, before, test } from "node:test";
import type { WorldConfig } from "@atlasnet/core";
import { resolveModule } from "@atlasnet/gameserver";
import { clusterModules } from "./worlds.ts";

let work: string;
before(async () => {
  work = await mkdtemp(join(tmpdir(), "atlasnet-cluster-worlds-"));
  await writeFile(join(work, "typed.ts"), "export const world: number = 1;");
  await writeFile(join(work, "torn.ts"), "export const world: number = (;");
  await writeFile(join(work, "plain.mjs"), "export const world = 1;");
});
after(() => rm(work, { recursive: true, force: true }));

function modules(module: string) {
  const world: WorldConfig = {
    name: "game",
    module,
    from: work,
    config: { bots: 1 },
    durability: "none",
    graceSeconds: 5,
  };
  const services = [{ name: "clock", module: "./plain.mjs", from: work }];
  return clusterModules(
    { config: { worlds: [world], services }, workingDir: work },
    { resolveModule },
  );
}

test("a module in JavaScript is where it is, with what its world was configured to be", async () => {
  const file = join(work, "plain.mjs");
  assert.deepEqual(await modules("./plain.mjs"), {
    worlds: [
      {
        ...{ name: "game", file, config: { bots: 1 }, durability: "none" },
        ...{ graceSeconds: 5, sleepAfterSeconds: 0 },
      },
    ],
    services: [{ name: "clock", file }],
  });
});

test("one in TypeScript is built where its packages are found", async () => {
  const { worlds } = await modules("./typed.ts");
  const file = worlds[0]?.file ?? "";
  assert.equal(relative(work, file), join(".atlasnet", "worlds", "game", "game.cluster.mjs"));
  assert.match(await readFile(file, "utf8"), /var world = 1/);
});

test("what cannot be built or is not there is said", async () => {
  await assert.rejects(modules("./torn.ts"), {
    code: "build-failed",
    message: /world game .*\n.*torn\.ts/,
  });
  await assert.rejects(modules("./nowhere.js"), { code: "module-not-found" });
});
