import assert from "node:assert/strict";
import { test } from "node:test";
import { publishedManifest, withJsImports } from "./pack.mjs";

test("relative imports of declarations end in .js, everything else stays", () => {
  const source = [
    'import type { A } from "./a.ts";',
    "export * from '../b/b.ts';",
    'export declare const c: import("./deep/c.ts").C;',
    'import "./effects.ts";',
    'import type { D } from "some-package/d.ts";',
    'declare const text: "./not-an-import.ts";',
  ].join("\n");
  const expected = [
    'import type { A } from "./a.js";',
    "export * from '../b/b.js';",
    'export declare const c: import("./deep/c.js").C;',
    'import "./effects.js";',
    'import type { D } from "some-package/d.ts";',
    'declare const text: "./not-an-import.ts";',
  ].join("\n");
  assert.equal(withJsImports(source), expected);
});

test("types go to dist on every subpath, siblings are pinned, development is left out", () => {
  const manifest = {
    name: "@atlasnet/core",
    version: "0.1.0",
    scripts: { bundle: "x" },
    exports: {
      ".": { types: "./src/index.ts", default: "./dist/index.js" },
      "./node": { types: "./src/node/index.ts", node: "./dist/node/index.js" },
      "./package.json": "./package.json",
    },
    dependencies: { "@atlasnet/world": "*", ws: "8.0.0" },
    devDependencies: { "fast-check": "1.0.0" },
  };
  const versions = new Map([["@atlasnet/world", "0.3.0"]]);
  assert.deepEqual(publishedManifest(manifest, versions, "core"), {
    name: "@atlasnet/core",
    version: "0.1.0",
    exports: {
      ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
      "./node": { types: "./dist/node/index.d.ts", node: "./dist/node/index.js" },
      "./package.json": "./package.json",
    },
    dependencies: { "@atlasnet/world": "0.3.0", ws: "8.0.0" },
  });
});

test("a dependency on a private package is refused by name", () => {
  const manifest = { name: "atlasnet", dependencies: { "@atlasnet/example-arena": "0.1.0" } };
  assert.throws(
    () => publishedManifest(manifest, new Map(), "cli"),
    /cli\/package\.json depends on @atlasnet\/example-arena, which is not published/,
  );
});
