import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { moduleOfNode, type StoredModule, WorldModules } from "./world-modules.ts";

const root = mkdtempSync(join(tmpdir(), "atlasnet-modules-"));
after(() => rmSync(root, { recursive: true, force: true }));
const dir = join(root, "worlds");
mkdirSync(join(dir, "deep"), { recursive: true });
for (const name of [join(dir, "arena.js"), join(dir, "deep", "in.js"), join(root, "beside.js")])
  writeFileSync(name, "");

test("a node's own modules lie in its folder, or where an absolute path says", () => {
  assert.equal(moduleOfNode("./arena.js", dir), join(dir, "arena.js"));
  assert.equal(moduleOfNode("deep/../deep/in.js", dir), join(dir, "deep", "in.js"));
  assert.equal(moduleOfNode(join(root, "beside.js"), dir), join(root, "beside.js"));
  for (const path of ["../beside.js", "./deep/../../beside.js", ".."])
    assert.throws(() => moduleOfNode(path, dir), { code: "module-outside" });
  assert.throws(() => moduleOfNode("./nothing.js", dir), { code: "module-not-found" });
});

test("a stored module is held from before it is fetched until its world is gone", async () => {
  const held = new Set<number>();
  let holds = 0;
  let fails = false;
  const stored = {
    fileOf: async () => {
      assert.ok(held.size > 0, "held before it is fetched");
      if (fails) throw new Error("planted");
      return "/cache/arena.js";
    },
    hold: () => {
      const hold = ++holds;
      held.add(hold);
      return () => void held.delete(hold);
    },
  };
  const modules = new WorldModules({ dir }, { stored });
  const source: StoredModule = {
    source: "store",
    name: "arena",
    version: "1.0.0",
    digest: new Uint8Array(32),
  };
  assert.equal(await modules.fileOf("arena/0", source), "/cache/arena.js");
  await modules.fileOf("arena/0", source);
  assert.equal(held.size, 1, "once for a shard");
  fails = true;
  await assert.rejects(modules.fileOf("lobby/0", source));
  assert.equal(held.size, 1);
  modules.release("arena/0");
  modules.release("arena/0");
  assert.equal(held.size, 0);
});
