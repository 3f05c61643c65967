import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const main = fileURLToPath(new URL("./main.js", import.meta.url));

test("a reader that goes before the end is no fault", async () => {
  const child = spawn(process.execPath, [main, "config", "example"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  // Nobody reads: what is longer than a pipe holds waits, until the end of the pipe is gone.
  child.stdout.destroy();
  const code = await new Promise((resolve) => child.once("close", resolve));
  assert.deepEqual([code, said], [0, ""]);
});
