import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import type { ChildCommand } from "../child.ts";

/** What a fake process does, by its first argument. The second is a port of a listener that is told of it. */
const SCRIPT = `
import { connect } from "node:net";
import { tieToParent } from ${JSON.stringify(new URL("../../parent-tie.js", import.meta.url).href)};
const [kind, port] = process.argv.slice(2);
const keep = setInterval(() => {}, 1_000_000);
const socket = port === undefined ? undefined : connect(Number(port), "127.0.0.1");
socket?.write("up\\n");
tieToParent(() => {
  if (kind === "stubborn") return;
  clearInterval(keep);
  // To nobody, when the parent is gone.
  console.log("stopping");
  console.error("last words");
  setImmediate(() => socket?.end("in order\\n"));
});
if (kind === "crash") process.exit(3);
console.log("up");
`;

/** Starts fakes instead of servers. */
export async function fakeProcesses(
  t: TestContext,
): Promise<(...args: readonly string[]) => ChildCommand> {
  const folder = await mkdtemp(join(tmpdir(), "atlasnet-fake-process-"));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const script = join(folder, "fake.mjs");
  await writeFile(script, SCRIPT);
  return (...args) => ({
    file: process.execPath,
    args: [script, ...args],
    cwd: folder,
    env: process.env,
  });
}
