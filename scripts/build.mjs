// npm run build: installs what the lock file asks for, compiles every package, makes the bundles.
import "./lib/check-node.mjs";
import { build } from "./lib/build.mjs";
import { main } from "./lib/run.mjs";

await main(build);
