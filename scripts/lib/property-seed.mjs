// Loaded before every test file by scripts/test.mjs: properties draw from the seed of ATLASNET_TEST_SEED, so that the
// same code passes or fails the same way on every machine. Without it they draw a new one.
import { readFileSync } from "node:fs";

const seed = Number(process.env.ATLASNET_TEST_SEED);
const file = process.argv[1] ?? "";
// NODE_OPTIONS reaches the processes that tests start, too.
const isTest = /\.test\.m?js$/.test(file);
if (Number.isSafeInteger(seed) && isTest && readFileSync(file, "utf8").includes('"fast-check"')) {
  const { default: fc } = await import("fast-check");
  fc.configureGlobal({ seed });
}
