import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

const PACKAGE_DIR = fileURLToPath(new URL("..", import.meta.url));
const TEMPLATE_DIR = join(PACKAGE_DIR, "template");
/** Below the workspace, so that the packages are found. */
const OUT_DIR = join(PACKAGE_DIR, "dist", "template");

/** Runs Node on a script; what it printed and how it ended. */
async function run(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(process.execPath, args, { cwd: PACKAGE_DIR, env });
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on("data", (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { code, output: Buffer.concat(chunks).toString("utf8") };
}

test("the template compiles, and its own test passes", async (t) => {
  t.after(() => rm(OUT_DIR, { recursive: true, force: true }));
  const compiler = createRequire(import.meta.url).resolve("typescript/package.json");
  const tsc = join(dirname(compiler), "bin", "tsc");
  const compiled = await run([tsc, "-p", TEMPLATE_DIR, "--outDir", OUT_DIR]);
  assert.equal(compiled.code, 0, compiled.output);
  const tested = await run(["--test", join(OUT_DIR, "src", "world.test.js")]);
  assert.equal(tested.code, 0, tested.output);
  assert.match(tested.output, /^# pass 4$/m);
});
