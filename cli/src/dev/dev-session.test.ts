import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connect } from "@atlasnet/client";
import { loadConfig } from "@atlasnet/core/node";
import { createMonolith } from "@atlasnet/monolith";
import type { CliIo } from "../cli-io.ts";
import { DevSession } from "./dev-session.ts";

const world = (greeting: string, body = "") => `
  import { defineWorld, implementWorld, text } from "@atlasnet/world";
  const definition = defineWorld({
    name: "echo",
    components: {},
    clientMessages: { say: { text: text(50) } },
    serverMessages: { said: { text: text(99) } },
  });
  export const world = implementWorld(definition, {
    message: {
      say(_ctx, player, { text }: { text: string }) {
        ${body}
        player.send("said", { text: "${greeting} " + text });
      },
    },
  });
`;

const folders: string[] = [];
after(async () => {
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** A project folder with one world, whose packages are this workspace's. */
async function project(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "atlasnet-dev-"));
  folders.push(folder);
  const scope = join(folder, "node_modules", "@atlasnet");
  await mkdir(scope, { recursive: true });
  const entry = fileURLToPath(import.meta.resolve("@atlasnet/world"));
  await symlink(dirname(dirname(entry)), join(scope, "world"), "junction");
  await writeFile(join(folder, "world.ts"), world("hello"));
  return folder;
}

async function until(state: () => boolean): Promise<void> {
  for (let tries = 0; !state(); tries++) {
    if (tries > 2_000) throw new Error(`never reached: ${state.toString()}`);
    await delay(10);
  }
}

/** A session that runs `echo`, and a player in it. */
async function dev() {
  const folder = await project();
  const told = { talk: "" };
  const io: CliIo = {
    out: () => undefined,
    talk: (text) => {
      told.talk += text;
    },
    width: 100,
    env: {},
    workingDir: folder,
    stop: new AbortController().signal,
  };
  const flags = Object.entries({
    worlds: "echo=world.ts",
    "proxy.host": "127.0.0.1",
    "proxy.port": "0",
    "health.port": "0",
    "apiserver.port": "0",
    "http.enabled": "false",
    "log.level": "silent",
  }).map(([path, text]) => ({ name: `--${path}`, path, text }));
  const loaded = await loadConfig({ env: {}, flags, workingDir: folder });
  let port = 0;
  const session = new DevSession(
    { loaded, page: undefined },
    {
      io,
      createMonolith: (options, dependencies) => {
        const server = createMonolith(options, dependencies);
        return {
          ...server,
          start: async () => {
            await server.start();
            port = server.addresses.players.port;
          },
          drain: (ms) => server.drain(ms),
          stop: () => server.stop(),
          swap: (name, file) => server.swap(name, file),
          notice: (name, text) => server.notice(name, text),
          get addresses() {
            return server.addresses;
          },
        };
      },
    },
  );
  await session.start();
  const client = connect({ url: `ws://127.0.0.1:${port}` });
  const echo = await client.join({ world: "echo" });
  const heard: unknown[] = [];
  const notices: string[] = [];
  echo.onMessage("said", (message) => heard.push(message));
  echo.onNotice((notice) => notices.push(notice.text));
  const said = async (text: string): Promise<unknown> => {
    const count = heard.length;
    echo.send("say", { text });
    await until(() => heard.length > count);
    return heard.at(-1);
  };
  const stop = async () => {
    client.close();
    await session.drain();
    await session.stop();
  };
  return { folder, told, notices, echo, said, stop };
}

test("a changed world is swapped in while the player stays, and faults are shown", async () => {
  const { folder, told, notices, echo, said, stop } = await dev();
  assert.deepEqual(await said("one"), { text: "hello one" });

  await writeFile(join(folder, "world.ts"), world("bye"));
  await until(() => told.talk.includes("echo is reloaded"));
  assert.deepEqual(await said("two"), { text: "bye two" });

  await writeFile(join(folder, "world.ts"), world("x", "this is not TypeScript"));
  await until(() => /world\.ts:\d+:\d+/.test(told.talk));
  await until(() => notices.some((text) => text.includes("world.ts:")));
  assert.deepEqual(await said("three"), { text: "bye three" }, "the last good module goes on");

  await writeFile(join(folder, "world.ts"), world("x", "if (text === 'four') Math.random();"));
  await until(() => told.talk.split("echo is reloaded").length === 3);
  echo.send("say", { text: "four" });
  await until(() => told.talk.includes("Math.random is not allowed in a world"));
  assert.match(told.talk, /world\.ts:\d+/, "the stack names the TypeScript file");
  assert.deepEqual(await said("five"), { text: "x five" });
  await stop();
  const kept = await readFile(
    join(folder, ".atlasnet", "data", "keys", "tickets.jwks.json"),
    "utf8",
  );
  assert.ok(kept.includes("keys"), "development keeps its data apart");
});

test("players of a world whose changed module is refused stay as they are, and are told", async () => {
  const { folder, told, notices, said, stop } = await dev();
  assert.deepEqual(await said("one"), { text: "hello one" });
  await writeFile(join(folder, "world.ts"), 'throw new Error("not today");');
  await until(() => notices.some((text) => text.includes("not today")));
  assert.match(told.talk, /echo goes on as before the change/);
  assert.deepEqual(await said("two"), { text: "hello two" });
  await stop();
});
