import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { loadConfig } from "@atlasnet/core/node";
import { openCa } from "@atlasnet/identity";
import { layoutCluster } from "./layout.ts";
import { caFolder } from "./node-config.ts";
import { prepareFolder } from "./prepare.ts";

async function scene(t: TestContext) {
  const work = await mkdtemp(join(tmpdir(), "atlasnet-cluster-prepare-"));
  t.after(() => rm(work, { recursive: true, force: true }));
  const loaded = await loadConfig({ env: {}, workingDir: work });
  const plans = layoutCluster({ proxies: 1, gameservers: 1, basePort: 2555, worlds: [] });
  const folder = { dir: join(work, "cluster") };
  const prepare = (dir = folder.dir) =>
    prepareFolder({ folder: { dir }, plans, loaded, worlds: [], services: [] });
  const exists = (...path: string[]) =>
    stat(join(folder.dir, ...path)).then(
      () => true,
      () => false,
    );
  return { work, folder, prepare, exists };
}

test("a CA and a configuration for each node; the CA stays", async (t) => {
  const { folder, prepare } = await scene(t);
  await prepare();
  const { authorities } = await openCa(caFolder(folder));
  for (const node of ["proxy-1", "gs-1"]) {
    const text = await readFile(join(folder.dir, node, "atlasnet.toml"), "utf8");
    assert.ok(text.includes(`node.id = "${node}"\n`), text);
  }
  await prepare();
  assert.equal((await openCa(caFolder(folder))).authorities, authorities);
});

test("with a new CA the certificates of the old one go, and the data stays", async (t) => {
  const { folder, prepare, exists } = await scene(t);
  await prepare();
  for (const part of ["identity", "data"]) {
    await mkdir(join(folder.dir, "gs-1", part));
    await writeFile(join(folder.dir, "gs-1", part, "file"), "");
  }
  await prepare();
  assert.equal(await exists("gs-1", "identity", "file"), true);
  await rm(caFolder(folder), { recursive: true });
  await prepare();
  assert.equal(await exists("gs-1", "identity", "file"), false);
  assert.equal(await exists("gs-1", "data", "file"), true);
});

test("a folder that cannot be made, and a CA that is damaged, are said", async (t) => {
  const { work, folder, prepare } = await scene(t);
  await writeFile(join(work, "file"), "");
  await assert.rejects(prepare(join(work, "file", "below")), {
    code: "unwritable-folder",
    message: /^--dir: .*below/,
  });
  await prepare();
  await rm(join(caFolder(folder), "ca.key"));
  await assert.rejects(prepare(), { code: "unreadable-file", message: /ca\.key/ });
});
