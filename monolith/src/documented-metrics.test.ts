import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const NAME = /["`](atlasnet_[a-z0-9_]+)["`]/g;

/** Sources of all packages but their tests. */
async function sources(): Promise<string[]> {
  const { workspaces } = Object(JSON.parse(await readFile(join(ROOT, "package.json"), "utf8")));
  const files: string[] = [];
  for (const workspace of workspaces) {
    const dir = join(ROOT, workspace, "src");
    const found = await readdir(dir, { recursive: true }).catch(() => []);
    for (const file of found)
      if (/(?<!\.test)\.ts$/.test(file)) files.push(await readFile(join(dir, file), "utf8"));
  }
  return files;
}

test("docs/operations.md lists every metric that a source names, also those that few processes have", async () => {
  const documented = await readFile(join(ROOT, "docs", "operations.md"), "utf8");
  const texts = await sources();
  const names = new Set(texts.flatMap((text) => [...text.matchAll(NAME)].map(([, name]) => name)));
  assert.ok(names.size > 100, `${names.size} metrics were found`);
  const missing = [...names].filter((name) => !documented.includes(`\`${name}\``));
  assert.deepEqual(missing.sort(), []);
});
