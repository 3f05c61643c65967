// npm run bench -- NAME [arguments]: builds, then runs bench/dist/NAME.js. Without a name: the list.
import "./lib/check-node.mjs";
import { readdirSync } from "node:fs";
import path from "node:path";
import { build } from "./lib/build.mjs";
import { main, runNode } from "./lib/run.mjs";
import { root } from "./lib/workspace.mjs";

// A benchmark is a file at the top of bench/src; what benchmarks share lives in folders below it.
const names = readdirSync(path.join(root, "bench", "src"), { withFileTypes: true })
  .filter((entry) => entry.isFile() && /^[a-z0-9-]+\.ts$/.test(entry.name))
  .map((entry) => entry.name.replace(/\.ts$/, ""))
  .filter((name) => name !== "index");

await main(async () => {
  const [name, ...args] = process.argv.slice(2);
  if (name === undefined || !names.includes(name)) {
    if (name !== undefined) {
      console.error(`There is no benchmark "${name}".`);
      process.exitCode = 1;
    }
    const list = names.length === 0 ? "  (none yet)" : names.map((n) => `  ${n}`).join("\n");
    console.log(`npm run bench -- NAME, with one of:\n${list}`);
    return;
  }
  await build();
  await runNode([path.join(root, "bench", "dist", `${name}.js`), ...args]);
});
