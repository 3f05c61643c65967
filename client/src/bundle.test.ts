import assert from "node:assert/strict";
import { dirname } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** Most bytes of the file that pages without a build load, minified. */
const MAX_BUNDLE_BYTES = 80_000;

test("client and definitions fit in one file that needs nothing of Node", async () => {
  const folder = dirname(dirname(fileURLToPath(import.meta.url)));
  // For browsers esbuild refuses every import of node:.
  const { outputFiles } = await build({
    stdin: {
      contents: 'export * from "./dist/index.js"; export * from "@atlasnet/world";',
      resolveDir: folder,
    },
    bundle: true,
    format: "esm",
    platform: "browser",
    minify: true,
    write: false,
    logLevel: "silent",
  });
  const code = outputFiles[0]?.text ?? "";
  assert.ok(code.length < MAX_BUNDLE_BYTES, `${code.length} bytes`);
  const url = `data:text/javascript,${encodeURIComponent(code)}`;
  const loaded: unknown = await import(url);
  assert.ok(typeof loaded === "object" && loaded !== null);
  for (const name of ["connect", "defineWorld", "quantized", "grid2d", "JoinError"])
    assert.ok(name in loaded, name);
});
