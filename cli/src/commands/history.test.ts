import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { loadConfig } from "@atlasnet/core/node";
import { formsOf } from "@atlasnet/core/testing";
import { CHECKER_WORLD_FILE } from "@atlasnet/history/node";
import type { LoadResult } from "@atlasnet/loadgen";
import { createMonolith } from "@atlasnet/monolith";
import { startRelay } from "@atlasnet/netem";
import { runCommand } from "../testing/command.ts";

const MEADOW = `
  import { defineWorld, implementWorld, text } from ${JSON.stringify(import.meta.resolve("@atlasnet/world"))};
  const meadow = defineWorld({ name: "meadow", components: {}, clientMessages: { say: { words: text(20) } } });
  export const world = implementWorld(meadow, { message: { say() {} } });
`;

const folder = await mkdtemp(join(tmpdir(), "atlasnet-history-cli-"));
await writeFile(join(folder, "meadow.mjs"), MEADOW);

async function startServer() {
  const flags = Object.entries({
    "data.dir": join(folder, "data"),
    "proxy.host": "127.0.0.1",
    "proxy.port": "0",
    "health.port": "0",
    "apiserver.port": "0",
    "http.enabled": "false",
  }).map(([path, text]) => ({ name: `--${path}`, path, text }));
  for (const world of [`checker=${CHECKER_WORLD_FILE}`, "meadow=./meadow.mjs"])
    flags.push({ name: "--world", path: "worlds", text: world });
  const { config } = await loadConfig({ env: {}, flags, workingDir: folder });
  const started = createMonolith({ config }, { logger: noopLogger });
  await started.start();
  return started;
}

const server = await startServer();
const { port } = server.addresses.players;

after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const atlasnet = (...args: readonly string[]) => runCommand(args, { workingDir: folder });

function load(world: string, ...args: readonly string[]) {
  const short = ["--clients", "10", "--seconds", "1", "--warm-up", "0.2", "--grace", "20"];
  return atlasnet("loadgen", "--url", `127.0.0.1:${port}`, "--world", world, ...short, ...args);
}

for (const transport of formsOf(["tcp", "ws", "udp"]))
  test(`a load over ${transport} is proved, and so are the files it leaves`, async () => {
    const { code, out, talk } = await load(
      "checker",
      ...["--check", "--transport", transport, "--processes", "2"],
      ...["--history", `${transport}.jsonl`, "--json", `${transport}.json`],
    );
    assert.equal(code, 0, `${talk}\n${out}`);
    assert.match(out, /history +every reliable message applied and delivered once, and in order/);
    const result: LoadResult = JSON.parse(
      await readFile(join(folder, `${transport}.json`), "utf8"),
    );
    const { clients, figures } = result.history ?? {};
    assert.equal(clients, 10);
    assert.ok((figures?.sent ?? 0) >= 100 && figures?.sent === figures?.acknowledged);
    const checked = await atlasnet(
      "history",
      "check",
      `${transport}.jsonl.1`,
      `${transport}.jsonl.2`,
    );
    assert.equal(checked.code, 0, checked.talk);
    assert.match(checked.out, /upstream +\d+ messages of 10 clients sent/);
  });

test("connections that break while it lasts leave the proof whole", async () => {
  const relay = await startRelay({ target: { host: "127.0.0.1", port }, udp: false });
  const breaking = setInterval(() => relay.breakConnections(), 400);
  try {
    const { code, out, talk } = await atlasnet(
      ...["loadgen", "--url", `127.0.0.1:${relay.address.port}`, "--world", "checker", "--check"],
      ...["--clients", "5", "--seconds", "1.5", "--warm-up", "0", "--grace", "20", "--json", "-"],
    );
    assert.equal(code, 0, `${talk}\n${out}`);
    const result: LoadResult = JSON.parse(out);
    assert.ok((result.history?.figures.drops ?? 0) > 0, "connections were lost");
  } finally {
    clearInterval(breaking);
    await relay.stop();
  }
});

test("a message taken out of a recorded file is found, and named", async () => {
  assert.equal((await load("checker", "--history", "good.jsonl", "--check")).code, 0);
  const lines = (await readFile(join(folder, "good.jsonl"), "utf8")).split("\n");
  const at = lines.findIndex((line) => line.includes('"type":"delivered"'));
  lines.splice(at, 1);
  await writeFile(join(folder, "bad.jsonl"), lines.join("\n"));
  const { code, out, talk } = await atlasnet("history", "check", "bad.jsonl");
  assert.equal(code, 1);
  assert.match(out, /VIOLATION +not-delivered: client load-\d, stream [0-9a-f]{16}, message 1, at/);
  assert.match(talk, /violations? in the history/);
});

test("other worlds can be recorded, and only their numbers are checked", async () => {
  const { code, out, talk } = await load("meadow", "--history", "meadow.jsonl");
  assert.equal(code, 0, talk);
  assert.match(out, /proof +numbers alone/);
  const refused = await load("meadow", "--check");
  assert.equal(refused.code, 2);
  assert.match(refused.talk, /--check: found the world meadow .*\n.*atlasnet history world/);
});

test("what is no history, or not there, is said by name", async () => {
  const none = await atlasnet("history", "check", "meadow.mjs");
  assert.equal(none.code, 2);
  assert.match(none.talk, /meadow\.mjs:\d: not a line of JSON/);
  const missing = await atlasnet("history", "check", "nowhere.jsonl");
  assert.equal(missing.code, 1);
  assert.match(missing.talk, /nowhere\.jsonl/);
  const failed = await load("checker", "--history", join("no", "such", "folder"));
  assert.match(failed.out, /history-file/);
});

test("the world of the checker has a file", async () => {
  const { code, out } = await atlasnet("history", "world");
  assert.equal(code, 0);
  assert.equal(out, `${CHECKER_WORLD_FILE}\n`);
});
