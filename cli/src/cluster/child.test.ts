import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { startChild } from "./child.ts";
import { fakeProcesses } from "./testing/fake-process.ts";

test("its lines come out, it ends in order when asked, and all is told before it counts as gone", async (t) => {
  const fake = await fakeProcesses(t);
  const lines: string[] = [];
  let up: () => void = () => undefined;
  const isUp = new Promise<void>((resolve) => {
    up = resolve;
  });
  const child = startChild(fake("steady"), (line) => {
    lines.push(line);
    up();
  });
  await isUp;
  child.askToStop();
  child.askToStop();
  assert.deepEqual(await child.exited, { code: 0, text: "exited with code 0" });
  assert.deepEqual(lines.sort(), ["last words", "stopping", "up"]);
});

test("one that was asked before it could hear it ends, too", async (t) => {
  const fake = await fakeProcesses(t);
  const child = startChild(fake("steady"), () => undefined);
  child.askToStop();
  assert.equal((await child.exited).code, 0);
});

test("a crash, a kill, and a program that is none", async (t) => {
  const fake = await fakeProcesses(t);
  const crashed = startChild(fake("crash"), () => undefined);
  assert.deepEqual(await crashed.exited, { code: 3, text: "exited with code 3" });
  const stubborn = startChild(fake("stubborn"), (line) => {
    if (line === "up") stubborn.kill();
  });
  const killed = await stubborn.exited;
  if (process.platform !== "win32")
    assert.deepEqual(killed, { code: undefined, text: "was ended by SIGKILL" });
  const command = fake("steady");
  const none = startChild({ ...command, file: join(command.cwd, "nothing") }, () => undefined);
  assert.equal(none.pid, undefined);
  assert.match((await none.exited).text, /^could not be started: .*ENOENT/);
});

test("when the parent is killed, its children notice, and end in order", async (t) => {
  const fake = await fakeProcesses(t);
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const port = String(address.port);
  // Each child tells the test by itself, as nobody reads what it writes any more.
  const told = new Map<Socket, string>();
  let changed: () => void = () => undefined;
  const reached = async (state: () => boolean) => {
    while (!state()) {
      await new Promise<void>((resolve) => {
        changed = resolve;
      });
    }
  };
  server.on("connection", (socket) => {
    told.set(socket, "");
    const add = (text: string) => {
      told.set(socket, (told.get(socket) ?? "") + text);
      changed();
    };
    socket.on("data", (chunk) => add(String(chunk)));
    socket.on("close", () => add("closed"));
    socket.on("error", (error) => add(error.message));
  });
  const command = fake("steady", port);
  const script = join(command.cwd, "parent.mjs");
  await writeFile(
    script,
    `import { startChild } from ${JSON.stringify(new URL("./child.js", import.meta.url).href)};
     const command = JSON.parse(process.argv[2]);
     for (let n = 0; n < 2; n++) startChild(command, () => {});`,
  );
  const parent = spawn(process.execPath, [script, JSON.stringify({ ...command, env: {} })], {
    stdio: "inherit",
  });
  await reached(() => [...told.values()].join("") === "up\nup\n");
  parent.kill("SIGKILL");
  await reached(() => [...told.values()].every((text) => text === "up\nin order\nclosed"));
  assert.equal(told.size, 2);
});
