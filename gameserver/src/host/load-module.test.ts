import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { loadWorld, resolveModule } from "./load-module.ts";

const root = realpathSync(mkdtempSync(join(tmpdir(), "atlasnet-load-")));
after(() => rmSync(root, { recursive: true, force: true }));

function file(path: string, text: string): string {
  const whole = join(root, ...path.split("/"));
  mkdirSync(dirname(whole), { recursive: true });
  writeFileSync(whole, text);
  return whole;
}

test("a module is found as a file, a folder, or an installed package", () => {
  const plain = file("plain/world.js", "");
  assert.equal(resolveModule("./plain/world.js", root), plain);
  assert.equal(resolveModule("plain/world.js", root), plain);
  assert.equal(resolveModule(plain, "/"), plain);
  const index = file("folder/index.js", "");
  assert.equal(resolveModule("folder", root), index);
  file("named/package.json", '{"exports": {".": {"types": "./x.d.ts", "import": "./lib/a.js"}}}');
  const named = file("named/lib/a.js", "");
  assert.equal(resolveModule("named", root), named);
  file("node_modules/game/package.json", '{"exports": {"import": "./game.js"}}');
  const installed = file("node_modules/game/game.js", "");
  assert.equal(resolveModule("game", join(root, "plain")), installed, "only to be imported");
});

test("what is not there, not built or not JSON is said", () => {
  assert.throws(() => resolveModule("./nowhere.js", root), { code: "module-not-found" });
  assert.throws(() => resolveModule("nobody", root), /neither the path .* nor an installed/);
  file("unbuilt/package.json", '{"main": "dist/index.js"}');
  assert.throws(() => resolveModule("unbuilt", root), /has no entry file/);
  file("torn/package.json", "{");
  assert.throws(() => resolveModule("torn", root), { code: "bad-package" });
});

test("TypeScript and modules without a world are refused with what to do", async () => {
  const ts = file("src/world.ts", "");
  await assert.rejects(loadWorld(ts, 0), { code: "module-is-typescript" });
  const empty = file("src/empty.mjs", "export const word = 1;");
  await assert.rejects(loadWorld(empty, 0), { code: "module-without-world" });
});

test("a module that cannot be loaded is told of in one line, with the file and the place", async () => {
  const torn = file("src/torn.mjs", "export const world = {{{;");
  await assert.rejects(loadWorld(torn, 0), {
    code: "module-failed",
    message: `world module ${torn} cannot be loaded: SyntaxError: Unexpected token '{'`,
  });
  const throwing = file(
    "src/throwing.mjs",
    'export const world = 1;\nthrow new Error("no\\nway");',
  );
  await assert.rejects(loadWorld(throwing, 0), {
    code: "module-failed",
    message: /cannot be loaded: Error: no \(file:.*throwing\.mjs:2:7\)$/,
  });
});

test("a new generation loads the file anew", async () => {
  const text = (n: number) =>
    `export const world = { definition: { data: { n: ${n} } }, behaviour: {} };`;
  const path = file("src/changing.mjs", text(1));
  const n = async (generation: number) => {
    const { definition } = await loadWorld(path, generation);
    return (definition.data as unknown as { n: number }).n;
  };
  assert.equal(await n(0), 1);
  file("src/changing.mjs", text(2));
  assert.equal(await n(0), 1);
  assert.equal(await n(1), 2);
});
