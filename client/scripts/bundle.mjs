// Makes dist/atlasnet-client.js: the client and the definition builders in one file, for pages without a
// build step: <script type="module"> import { connect } from "./atlasnet-client.js".

import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const folder = dirname(dirname(fileURLToPath(import.meta.url)));
const outfile = join(folder, "dist", "atlasnet-client.js");

await build({
  stdin: {
    contents: 'export * from "./dist/index.js"; export * from "@atlasnet/world";',
    resolveDir: folder,
  },
  outfile,
  bundle: true,
  format: "esm",
  platform: "browser",
  target: "es2022",
  minify: true,
  sourcemap: "linked",
  legalComments: "none",
  logLevel: "warning",
});

const { size } = await stat(outfile);
const gzipped = gzipSync(readFileSync(outfile)).length;
process.stdout.write(`${outfile}: ${size} bytes, ${gzipped} with gzip\n`);
