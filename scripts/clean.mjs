// npm run clean: removes what the build made. With --all also node_modules. World data is never touched.
import "./lib/check-node.mjs";
import { rmSync } from "node:fs";
import path from "node:path";
import { root, workspaces } from "./lib/workspace.mjs";

for (const dir of [root, ...workspaces().map((workspace) => workspace.dir)])
  for (const made of ["dist", "tsconfig.tsbuildinfo"])
    rmSync(path.join(dir, made), { recursive: true, force: true });
if (process.argv.includes("--all"))
  rmSync(path.join(root, "node_modules"), { recursive: true, force: true });
