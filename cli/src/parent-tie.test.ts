import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { STOP_WITH_PARENT } from "./parent-tie.ts";

const MAIN = fileURLToPath(new URL("./main.js", import.meta.url));
/** A command that goes on until it is asked to stop, and then says so. */
const NETEM = ["dev", "netem", "--listen", "0", "--to", "127.0.0.1:1"];

test("a command ends, in order, when the channel to its parent closes", async () => {
  const child = fork(MAIN, [STOP_WITH_PARENT, ...NETEM], { silent: true });
  let out = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    out += String(chunk);
  });
  const { stderr } = child;
  assert.ok(stderr);
  // What it greets with.
  await once(stderr, "data");
  child.disconnect();
  const [code] = await once(child, "exit");
  assert.equal(code, 0);
  assert.match(out, /packets in/);
});
