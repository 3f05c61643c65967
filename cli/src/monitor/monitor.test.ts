import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type AtlasNetClient, connect } from "@atlasnet/client";
import { type Announcement, noopLogger, type TopicDatagram } from "@atlasnet/core";
import { loadConfig } from "@atlasnet/core/node";
import { systemClock } from "@atlasnet/core/system";
import { reached } from "@atlasnet/core/testing";
import { type AtlasNetServer, createMonolith } from "@atlasnet/monolith";
import { startCommand } from "../testing/command.ts";
import type { FollowedTopic } from "./followed-topic.ts";
import { GroupSocket } from "./group-socket.ts";
import { Monitor } from "./monitor.ts";

/** Multicast of these tests stays on the loopback interface. */
const LOOPBACK = "127.0.0.1";
const GROUP = "239.255.77.1";

const possible = await loopbackCarries();
const name = (text: string) =>
  possible ? text : `${text} (skipped: this machine's loopback interface carries no multicast)`;
const skip = { skip: !possible };

/** Sends a datagram to the group over loopback and waits for it to come back. */
async function loopbackCarries(): Promise<boolean> {
  const port = await freePort();
  const sender = createSocket("udp4");
  let heard = false;
  const socket = new GroupSocket(
    { group: GROUP, port, interface: LOOPBACK },
    {
      datagram: () => {
        heard = true;
      },
      failed: () => undefined,
    },
  );
  try {
    await socket.start();
    await new Promise<void>((resolve) => sender.bind(0, LOOPBACK, resolve));
    sender.setMulticastInterface(LOOPBACK);
    sender.setMulticastLoopback(true);
    for (let n = 0; n < 300 && !heard; n++) {
      await new Promise<void>((resolve) => sender.send("?", port, GROUP, () => resolve()));
      await delay(10);
    }
    return heard;
  } catch {
    // Whatever refuses here refuses the tests, too.
    return false;
  } finally {
    sender.close();
    await socket.stop();
  }
}

/** A UDP port nobody uses now: multicast needs one that all sides know. */
async function freePort(): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const socket = createSocket("udp4");
    const free = await new Promise<boolean>((resolve) => {
      socket.once("error", () => resolve(false));
      socket.bind(port, LOOPBACK, () => resolve(true));
    });
    await new Promise<void>((resolve) => socket.close(() => resolve()));
    if (free) return port;
  }
  throw new Error("no free port");
}

/** Walkers in one cell; every walk moves one, `words` go to a counter on the public channel. */
function worldSource(extra = ""): string {
  return `
    import { defineWorld, grid2d, implementWorld, int, uint } from ${JSON.stringify(import.meta.resolve("@atlasnet/world"))};
    const definition = defineWorld({
      name: "meadow",
      tickRate: 30,
      space: grid2d({ component: "position", size: [100, 100], cell: 50 }),
      components: { position: { x: int(0, 100), y: int(0, 100), ${extra} }, words: { count: uint(100_000) } },
      inputs: { go: { x: int(0, 100) } },
      clientMessages: { say: {} },
      channels: { board: { public: true } },
      publicCells: true,
    });
    export const world = implementWorld(definition, {
      create(ctx) {
        const board = ctx.spawn({ words: {} });
        board.channel = "board";
        ctx.kv.set("board", board.id);
      },
      join(ctx, player) { player.entity = ctx.spawn({ position: { x: 10, y: 10 } }); },
      leave(ctx, player) { player.entity?.despawn(); },
      input: { go(ctx, player, { x }) { player.entity.position.x = x; } },
      message: { say(ctx) { ctx.entity(ctx.kv.get("board")).words.count += 1; } },
      tick() {},
    });
  `;
}

interface Running {
  server: AtlasNetServer;
  dir: string;
  port: number;
  client(): AtlasNetClient;
}

const endings: (() => Promise<void>)[] = [];
after(async () => {
  for (const end of endings.reverse()) await end();
});

async function start(settings: { [path: string]: string } = {}): Promise<Running> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-multicast-"));
  endings.push(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, "meadow.mjs"), worldSource());
  const port = await freePort();
  const given = {
    "node.id": "g1",
    "data.dir": join(dir, "data"),
    "proxy.host": LOOPBACK,
    "proxy.port": "0",
    "health.port": "0",
    "apiserver.port": "0",
    "http.enabled": "false",
    "gameserver.threads": "1",
    "gameserver.graceSeconds": "0",
    "gameserver.multicast.address": `${GROUP}:${port}`,
    "gameserver.multicast.interface": LOOPBACK,
    "gameserver.multicast.topics": "meadow/board meadow/cell/0,0",
    worlds: "meadow=./meadow.mjs",
    ...settings,
  };
  const flags = Object.entries(given).map(([path, text]) => ({ name: `--${path}`, path, text }));
  const { config } = await loadConfig({ env: {}, flags, workingDir: dir });
  const server = createMonolith({ config }, { logger: noopLogger });
  await server.start();
  endings.push(() => server.stop());
  return {
    server,
    dir,
    port,
    client() {
      const { host, port: players } = server.addresses.players;
      const client = connect({ url: `tcp://${host}:${players}` });
      endings.push(async () => client.close());
      return client;
    },
  };
}

interface Watching {
  monitor: Monitor;
  announcements: Announcement[];
  datagrams: TopicDatagram[];
  topic(): FollowedTopic | undefined;
  values(component: string): unknown[];
}

async function watch(
  { port }: Running,
  topic: string,
  lose: (datagram: TopicDatagram) => boolean = () => false,
): Promise<Watching> {
  const announcements: Announcement[] = [];
  const datagrams: TopicDatagram[] = [];
  const monitor = new Monitor(
    { group: GROUP, port, interface: LOOPBACK, topic: { world: "meadow", topic } },
    {
      clock: systemClock,
      announced: (announcement) => announcements.push(announcement),
      failed: (error) => assert.fail(error),
      lose: (datagram) => {
        if (lose(datagram)) return true;
        datagrams.push(datagram);
        return false;
      },
    },
  );
  await monitor.start();
  endings.push(() => monitor.stop());
  const followed = () => monitor.followed.get("g1");
  return {
    monitor,
    announcements,
    datagrams,
    topic: followed,
    values: (component) =>
      [...(followed()?.entities.values() ?? [])].map((entity) => entity[component]),
  };
}

test(name("one datagram serves every watcher, and what they see is the world"), skip, async () => {
  const running = await start();
  const [one, two] = [await watch(running, "cell/0,0"), await watch(running, "cell/0,0")];
  const ann = await running.client().join({ world: "meadow" });
  for (const watching of [one, two])
    await reached(
      () => watching.values("position").length === 1 && watching.announcements.length > 0,
    );
  for (let x = 11; x <= 40; x++) {
    ann.input("go", { x });
    await reached(() => Object(one.values("position")[0]).x === x);
  }
  await reached(() => Object(two.values("position")[0]).x === 40);
  assert.deepEqual(one.values("position"), [{ x: 40, y: 10 }]);
  assert.deepEqual(two.values("position"), one.values("position"));
  // Both took the same numbers by multicast, and neither asked for more than its first state.
  const numbers = ({ datagrams }: Watching) =>
    datagrams.filter(({ parts }) => parts > 0).map(({ number }) => number);
  const [first, second] = [numbers(one), numbers(two)];
  const last = Math.min(first.at(-1) ?? 0, second.at(-1) ?? 0);
  const shared = (all: number[]) => all.filter((n) => n > last - 20 && n <= last);
  assert.equal(shared(first).length, 20);
  assert.deepEqual(shared(second), shared(first));
  assert.deepEqual([one.topic()?.follower.filled, two.topic()?.follower.fulls], [0, 1]);
  ann.leave();
  await reached(() => one.values("position").length === 0);
});

test(name("lost datagrams are noticed and filled over TCP, also the last one"), skip, async () => {
  const running = await start();
  let losing = false;
  const lost: number[] = [];
  const watching = await watch(running, "board", ({ parts, number }) => {
    if (losing && parts > 0) lost.push(number);
    return losing && parts > 0;
  });
  const ann = await running.client().join({ world: "meadow" });
  const counted = () => Object(watching.values("words")[0]).count;
  const say = async (count: number) => {
    ann.send("say", {});
    await reached(() => counted() === count);
  };
  await reached(() => counted() === 0);
  await say(1);
  losing = true;
  ann.send("say", {});
  await reached(() => lost.length === 1);
  assert.equal(counted(), 1);
  losing = false;
  ann.send("say", {});
  await reached(() => counted() === 3);
  assert.deepEqual([watching.topic()?.follower.gaps, watching.topic()?.follower.filled], [1, 1]);
  losing = true;
  ann.send("say", {});
  // Nothing follows it: the sign of life tells.
  await reached(() => counted() === 4);
  assert.deepEqual([watching.topic()?.follower.filled, watching.topic()?.follower.fulls], [2, 1]);
});

test(name("a watcher goes on across a changed module with another definition"), skip, async () => {
  const running = await start();
  const watching = await watch(running, "cell/0,0");
  const ann = await running.client().join({ world: "meadow" });
  ann.input("go", { x: 22 });
  await reached(() => Object(watching.values("position")[0]).x === 22);
  const file = join(running.dir, "second.mjs");
  await writeFile(file, worldSource("z: int(0, 9),"));
  await running.server.swap("meadow", file);
  await reached(() => Object(watching.values("position")[0]).z === 0);
  ann.input("go", { x: 33 });
  await reached(() => Object(watching.values("position")[0]).x === 33);
  assert.equal(watching.topic()?.entities.size, 1);
  assert.ok(new Set(watching.datagrams.map(({ run }) => run)).size >= 2);
});

test(name("the figures follow the load"), skip, async () => {
  const running = await start();
  const { announcements } = await watch(running, "board");
  const last = () => announcements.at(-1);
  await reached(() => (last()?.tick_hz ?? 0) > 0);
  assert.deepEqual([last()?.connected_clients, last()?.events_per_sec], [0, 0]);
  const clients = [running.client(), running.client(), running.client()];
  const [ann, bob] = await Promise.all(clients.map((client) => client.join({ world: "meadow" })));
  assert.ok(ann !== undefined && bob !== undefined);
  await reached(() => last()?.connected_clients === 3);
  let talking = true;
  const talk = (async () => {
    while (talking) {
      for (const player of [ann, bob]) player.send("say", {});
      await delay(25);
    }
  })();
  await reached(() => (last()?.events_per_sec ?? 0) >= 10);
  assert.deepEqual(
    last()?.worlds.map((world) => [world.name, world.connected_clients]),
    [["meadow", 3]],
  );
  talking = false;
  await talk;
  for (const player of [ann, bob]) player.leave();
  await reached(() => last()?.connected_clients === 1 && last()?.events_per_sec === 0);
  const { seq = 0 } = announcements[0] ?? {};
  assert.deepEqual(
    announcements.map((announcement) => announcement.seq - seq),
    announcements.map((_, index) => index),
  );
});

test(
  name("what is not multicast is not given, and what cannot be is said at the start"),
  skip,
  async () => {
    const running = await start();
    const { port } = running.server.addresses.health;
    const ask = (path: string) => fetch(`http://${LOOPBACK}:${port}/multicast/${path}`);
    const watching = await watch(running, "board");
    // By then the world has said what it is made of.
    await reached(() => watching.values("words").length === 1);
    const definition = await ask("meadow");
    assert.equal(Object(await definition.json()).name, "meadow");
    assert.deepEqual(
      await Promise.all(
        ["meadow/cell/1,1", "other/board"].map(async (path) => (await ask(path)).status),
      ),
      [404, 404],
    );
    assert.match(await (await ask("meadow/board?after=x")).text(), /^ask for \/multicast\/WORLD/);
    const topics = "gameserver.multicast.topics";
    await assert.rejects(start({ [topics]: "none/board" }), /none\/board is of world none/);
    const by = "gameserver.multicast.interface";
    await assert.rejects(start({ [by]: "192.0.2.1" }), { code: "cannot-multicast" });
  },
);

function cli(args: string[], terminal?: { rows: number }) {
  const stop = new AbortController();
  const line = ["monitor", "--interface", LOOPBACK, ...args];
  const { said, done } = startCommand(line, { terminal, stop: stop.signal });
  return { said, done, stop: () => stop.abort() };
}

test(name("atlasnet monitor: JSON, lines and a screen in place"), skip, async () => {
  const { port } = await start();
  const group = ["--multicast", `${GROUP}:${port}`];
  const json = cli([...group, "--json", "--seconds", "2"]);
  const plain = cli([...group, "--topic", "meadow/board"]);
  const screen = cli([...group, "--topic", "meadow/board"], { rows: 12 });
  await reached(() => /meadow\/board on g1: 1 entities/.test(plain.said.out));
  await reached(() => /meadow\/board on g1: 1 entities/.test(screen.said.out));
  plain.stop();
  screen.stop();
  const ends = await Promise.all([json.done, plain.done, screen.done]);
  assert.deepEqual(
    ends.map(({ code }) => code),
    [0, 0, 0],
  );
  const [line = ""] = json.said.out.split("\n");
  const { server, tick_hz, source } = Object(JSON.parse(line));
  assert.deepEqual([server, typeof tick_hz, source], ["g1", "number", LOOPBACK]);
  assert.match(plain.said.out, /^g1 +0 +0\.0 +\d+\.\d +0\.0 s /m);
  const { out } = screen.said;
  assert.ok(
    out.startsWith("\u001b[?1049h") && out.endsWith("\u001b[?1049l"),
    "the screen is given back",
  );
  assert.equal(json.said.talk + plain.said.talk + screen.said.talk, "");
});

test("atlasnet monitor refuses what it does not understand", async () => {
  const cases: [string[], RegExp][] = [
    [
      ["--multicast", "10.0.0.1:1"],
      /--multicast: found "10\.0\.0\.1:1", allowed: an IPv4 multicast/,
    ],
    [["--topic", "arena"], /--topic: found "arena", allowed: WORLD\/CHANNEL/],
    [["--seconds", "0"], /--seconds: found "0", allowed: a whole number from 1/],
  ];
  for (const [args, pattern] of cases) {
    const { done, said } = cli(args);
    assert.equal((await done).code, 2);
    assert.match(said.talk, pattern);
  }
});
