import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { OperatingError } from "@atlasnet/core";
import { bundlePage, pageHtml } from "./page-bundle.ts";

test("TypeScript scripts are named as the JavaScript they become, others are left alone", () => {
  assert.equal(
    pageHtml('<script type="module" src="./a.ts"></script><SCRIPT SRC=\'b/c.tsx\'></SCRIPT>'),
    '<script type="module" src="./a.js"></script><SCRIPT SRC=\'b/c.js\'></SCRIPT>',
  );
  const other = '<script src="x.js"></script><a href="x.ts">x</a>';
  assert.equal(pageHtml(other), other);
});

test("a page is written with its scripts bundled and its assets beside them", async (t) => {
  const workingDir = await mkdtemp(join(tmpdir(), "atlasnet-page-"));
  t.after(() => rm(workingDir, { recursive: true, force: true }));
  await mkdir(join(workingDir, "page", "img"), { recursive: true });
  const files = {
    "index.html": '<script type="module" src="./main.ts"></script>',
    "main.ts": 'import { greeting } from "./greeting.ts"; document.title = greeting as string;',
    "greeting.ts": 'export const greeting: string = "hello page";',
    "style.css": "body { margin: 0 }",
    ".hidden": "secret",
    "img/a.svg": "<svg/>",
  };
  for (const [name, text] of Object.entries(files))
    await writeFile(join(workingDir, "page", name), text);
  const outDir = join(workingDir, "build", "page");
  const source = { dir: "page", workingDir };
  assert.deepEqual(await bundlePage(source, outDir), { ok: true, outDir });
  const names = await readdir(outDir, { recursive: true });
  assert.deepEqual(
    names.sort(),
    ["img", join("img", "a.svg"), "index.html", "main.js", "style.css"].sort(),
  );
  assert.match(await readFile(join(outDir, "index.html"), "utf8"), /src="\.\/main\.js"/);
  assert.match(await readFile(join(outDir, "main.js"), "utf8"), /hello page/);

  await writeFile(join(workingDir, "page", "greeting.ts"), "export const = 1;");
  const broken = await bundlePage(source, outDir);
  assert.ok(!broken.ok);
  assert.match(broken.errors[0] ?? "", /greeting\.ts:1:14/);

  await assert.rejects(bundlePage({ dir: "none", workingDir }, outDir), OperatingError);
});
