import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type AtlasNetClient, connect } from "@atlasnet/client";
import { noopLogger, OperatingError } from "@atlasnet/core";
import { loadConfig, loadOrCreateKeyFile } from "@atlasnet/core/node";
import { type AtlasNetServer, createMonolith } from "./index.ts";
import { reached } from "./testing/reached.ts";

/** A world in plain JavaScript, as it stands in a user's folder. `extra` goes into the position. */
function worldSource(greeting: string, extra = ""): string {
  const world = import.meta.resolve("@atlasnet/world");
  return `
    import { defineWorld, grid2d, implementWorld, int, quantized, text } from ${JSON.stringify(world)};
    const definition = defineWorld({
      name: "meadow",
      space: grid2d({ component: "position", size: [100, 100], cell: 20 }),
      components: {
        position: {
          x: quantized({ min: 0, max: 100, step: 0.25 }),
          y: quantized({ min: 0, max: 100, step: 0.25 }),
          ${extra}
        },
        visits: { count: int(0, 1000) },
      },
      inputs: { go: { x: int(0, 100), y: int(0, 100) } },
      clientMessages: { say: { text: text(100) }, fail: {}, hang: {} },
      serverMessages: { said: { text: text(120) } },
      channels: { board: { public: true } },
    });
    export const world = implementWorld(definition, {
      create(ctx) {
        const board = ctx.spawn({ visits: {} });
        board.channel = "board";
        ctx.kv.set("board", board.id);
      },
      join(ctx, player) {
        player.entity = ctx.spawn({ position: { x: 50, y: 50 } });
        ctx.entity(ctx.kv.get("board")).visits.count += 1;
      },
      input: { go(ctx, player, { x, y }) { Object.assign(player.entity.position, { x, y }); } },
      message: {
        say(ctx, player, { text }) { ctx.broadcast("said", { text: "${greeting} " + text }); },
        fail() { throw new Error("planted"); },
        hang() { for (;;); },
      },
    });
  `;
}

const folders: string[] = [];
after(async () => {
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "atlasnet-monolith-"));
  folders.push(path);
  return path;
}

interface Running {
  server: AtlasNetServer;
  url(scheme: "ws" | "tcp" | "udp"): string;
  client(scheme: "ws" | "tcp" | "udp"): AtlasNetClient;
  faults: string[];
  stop(): Promise<void>;
}

async function start(dir: string, settings: { [path: string]: string } = {}): Promise<Running> {
  const given = {
    "data.dir": join(dir, "data"),
    "proxy.host": "127.0.0.1",
    "proxy.port": "0",
    "health.port": "0",
    "http.host": "127.0.0.1",
    "http.port": "0",
    "gameserver.threads": "1",
    worlds: "meadow=./meadow.mjs",
    ...settings,
  };
  const flags = Object.entries(given).map(([path, text]) => ({ name: `--${path}`, path, text }));
  const { config } = await loadConfig({ env: {}, flags, workingDir: dir });
  const faults: string[] = [];
  const server = createMonolith(
    { config },
    {
      logger: noopLogger,
      onFault: (_world, fault) => faults.push(`${fault.event}: ${fault.message}`),
    },
  );
  await server.start();
  const clients: AtlasNetClient[] = [];
  const url = (scheme: string) => `${scheme}://127.0.0.1:${server.addresses.players.port}`;
  return {
    server,
    url,
    faults,
    client(scheme) {
      const client = connect({ url: url(scheme) });
      clients.push(client);
      return client;
    },
    async stop() {
      for (const client of clients) client.close();
      await server.drain(1_000);
      await server.stop();
    },
  };
}

async function newServer(settings?: { [path: string]: string }): Promise<[Running, string]> {
  const dir = await folder();
  await writeFile(join(dir, "meadow.mjs"), worldSource("hello"));
  return [await start(dir, settings), dir];
}

/** Positions by account, as a client sees them. */
function seen(world: { entities: ReadonlyMap<number, unknown> }): string[] {
  return [...world.entities.values()].flatMap((entity) => {
    const { position }: { position?: { x: number; y: number } } = Object(entity);
    return position === undefined ? [] : [`${position.x},${position.y}`];
  });
}

test("players over TCP, WebSocket and UDP see each other, move and talk", async () => {
  const [running] = await newServer();
  const { players } = running.server.addresses;
  assert.equal(players.udpPort, players.port);
  const ann = await running.client("ws").join({ world: "meadow" });
  const bob = await running.client("tcp").join({ world: "meadow" });
  const cid = await running.client("udp").join({ world: "meadow" });
  const heard: unknown[] = [];
  for (const world of [bob, cid]) world.onMessage("said", (message) => heard.push(message));
  ann.input("go", { x: 60, y: 40 });
  cid.input("go", { x: 70, y: 30 });
  ann.send("say", { text: "there" });
  cid.send("say", { text: "all" });
  const all = ["50,50", "60,40", "70,30"];
  await reached(
    () =>
      heard.length === 4 &&
      [ann, bob, cid].every((world) => seen(world).sort().join() === all.join()),
  );
  assert.equal(new Set(heard.map((message) => JSON.stringify(message))).size, 2);
  await running.stop();
});

test("a server without UDP takes no key and says no port", async () => {
  const [running, dir] = await newServer({ "proxy.udp.enabled": "false" });
  assert.equal(running.server.addresses.players.udpPort, undefined);
  assert.deepEqual(await readdir(join(dir, "data", "keys")), ["tickets.jwks.json"]);
  await running.stop();
});

test("after a stop in order the world goes on, and sessions with it", async () => {
  const [first, dir] = await newServer();
  const port = String(first.server.addresses.players.port);
  const client = connect({ url: first.url("ws") });
  const ann = await client.join({ world: "meadow" });
  const events: string[] = [];
  ann.onDrop(() => events.push("drop"));
  ann.onResume(() => events.push("resume"));
  ann.onRollback(() => events.push("rollback"));
  ann.input("go", { x: 10, y: 90 });
  await reached(() => seen(ann).includes("10,90"));
  await first.stop();
  await reached(() => events.includes("drop"));
  ann.send("say", { text: "again" });
  const second = await start(dir, { "proxy.port": port });
  const heard: unknown[] = [];
  ann.onMessage("said", (message) => heard.push(message));
  await reached(() => events.includes("resume") && heard.length === 1);
  assert.deepEqual(events, ["drop", "resume"]);
  assert.deepEqual(seen(ann), ["10,90"]);
  client.close();
  await second.stop();
});

test("a changed module is swapped in under its players, also with another definition", async () => {
  const [running, dir] = await newServer();
  const ann = await running.client("ws").join({ world: "meadow" });
  const heard: unknown[] = [];
  ann.onMessage("said", (message) => heard.push(message));
  ann.input("go", { x: 70, y: 70 });
  await reached(() => seen(ann).includes("70,70"));
  await writeFile(join(dir, "second.mjs"), worldSource("bye", "z: int(0, 9),"));
  await running.server.swap("meadow", join(dir, "second.mjs"));
  ann.send("say", { text: "now" });
  await reached(() => heard.length === 1);
  assert.deepEqual(heard, [{ text: "bye now" }]);
  assert.deepEqual(seen(ann), ["70,70"]);

  await writeFile(join(dir, "third.mjs"), "export const world = 3;");
  await assert.rejects(running.server.swap("meadow", join(dir, "third.mjs")), OperatingError);
  ann.send("say", { text: "still" });
  await reached(() => heard.length === 2);
  await running.stop();
});

test("a changed type is refused at the start by name, and --fresh starts empty", async () => {
  const [first, dir] = await newServer();
  await first.stop();
  const changed = worldSource("hello").replace("count: int(0, 1000)", "count: text(10)");
  await writeFile(join(dir, "meadow.mjs"), changed);
  // A file is loaded once per process: the changed one has another name.
  await writeFile(join(dir, "changed.mjs"), changed.replace("visits.count += 1", "alive"));
  await assert.rejects(
    start(dir, { worlds: "meadow=./changed.mjs" }),
    (error) =>
      error instanceof OperatingError &&
      error.message.includes("visits.count") &&
      (error.hint ?? "").includes("--fresh"),
  );
  const second = await start(dir, { worlds: "meadow=./changed.mjs", "data.fresh": "true" });
  await second.stop();
});

test("faults of world code are reported, and the world goes on", async () => {
  const [running] = await newServer({ "gameserver.tickLimitMs": "100" });
  const ann = await running.client("ws").join({ world: "meadow" });
  const heard: unknown[] = [];
  ann.onMessage("said", (message) => heard.push(message));
  ann.send("fail", {});
  ann.send("hang", {});
  ann.send("say", { text: "after" });
  await reached(() => heard.length === 1);
  assert.deepEqual(
    running.faults.map((fault) => fault.split(":")[0]),
    ["message.fail", "message.hang"],
  );
  await running.stop();
});

test("text lines: PING, public topics, tickets", async () => {
  const [running, dir] = await newServer({ "proxy.allowGuests": "false" });
  const { keys } = await loadOrCreateKeyFile(join(dir, "data", "keys", "tickets.jwks.json"));
  const ticket = await keys.issue({
    account: "ann",
    world: "meadow",
    name: "Ann",
    data: null,
    expiresAt: Math.floor(Date.now() / 1000) + 600,
  });
  const socket = connectSocket(running.server.addresses.players.port, "127.0.0.1");
  let text = "";
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const lines = () => text.split("\n");
  socket.write("PI");
  await once(socket, "connect");
  socket.write("NG\nSUB meadow/board\nSUB meadow/cell/2,2\nSUB nowhere/x\n");
  await reached(() => lines().length >= 6);
  assert.equal(lines()[0], "PONG");
  assert.ok(text.includes("ERR unknown-topic") && text.includes("ERR unknown-world"), text);
  const board = lines().find((line) => line.startsWith("{"));
  assert.deepEqual(JSON.parse(board ?? "").enter[0].visits, { count: 0 });
  socket.write(`AUTH ${ticket}\nSUB meadow/cell/2,2\n`);
  await running.client("ws").join({ world: "meadow", ticket });
  await reached(() => text.includes('"topic":"cell/2,2"') && text.includes('"count":1'));
  await assert.rejects(running.client("tcp").join({ world: "meadow" }), /unauthorized/);
  socket.destroy();
  await running.stop();
});

test("what is in the way of a start is said", async () => {
  const [running, dir] = await newServer();
  await assert.rejects(start(dir), { code: "data-dir-locked" });
  const other = await folder();
  await writeFile(join(other, "meadow.mjs"), worldSource("hello"));
  const port = String(running.server.addresses.players.port);
  await assert.rejects(start(other, { "proxy.port": port }), { code: "port-in-use" });
  await assert.rejects(start(other, { worlds: "meadow=./none.mjs" }), { code: "module-not-found" });
  await running.stop();
});

test("a damaged snapshot is named and the one before it is used", async () => {
  const [first, dir] = await newServer();
  const ann = await first.client("ws").join({ world: "meadow" });
  ann.input("go", { x: 30, y: 30 });
  await reached(() => seen(ann).includes("30,30"));
  await first.stop();
  await (await start(dir)).stop();
  const files = await readdir(join(dir, "data"), { recursive: true });
  const snapshots = files.filter((file) => file.endsWith(".snapshot")).sort();
  assert.ok(snapshots.length >= 2, `snapshots: ${files.join(", ")}`);
  await writeFile(join(dir, "data", snapshots.at(-1) ?? ""), "not a snapshot");
  const third = await start(dir);
  const left = await readdir(join(dir, "data"), { recursive: true });
  assert.ok(
    left.some((file) => file.endsWith(".damaged")),
    left.join(", "),
  );
  await third.stop();
});
