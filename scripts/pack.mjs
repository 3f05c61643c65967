// npm run pack [-- FOLDER]: builds and packs every public package as it would be published
// (default folder: dist/packages).
import "./lib/check-node.mjs";
import path from "node:path";
import { build } from "./lib/build.mjs";
import { packAll } from "./lib/pack.mjs";
import { main } from "./lib/run.mjs";
import { root } from "./lib/workspace.mjs";

await main(async () => {
  await build();
  const destination = path.resolve(process.argv[2] ?? path.join(root, "dist", "packages"));
  for (const { name, file } of await packAll(destination)) console.log(`${name}  ${file}`);
});
