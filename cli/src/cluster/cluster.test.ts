import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { isDeepStrictEqual } from "node:util";
import { connect } from "@atlasnet/client";
import { runCli } from "../program.ts";
import { until } from "../testing/until.ts";
import { CONTEXTS, freeBase, RunningCluster } from "./testing/running-cluster.ts";

const WORLD = (name: string) => `
  import { defineWorld, implementWorld, text } from ${JSON.stringify(import.meta.resolve("@atlasnet/world"))};
  const definition = defineWorld({
    name: "${name}",
    tickRate: 30,
    components: {},
    clientMessages: { shout: { words: text(20) } },
    serverMessages: { echo: { words: text(40) } },
  });
  export const world = implementWorld(definition, {
    message: { shout: (_ctx, player, { words }) => player.send("echo", { words: "${name} heard " + words }) },
  });
`;

let folder: string;
before(async () => {
  folder = await mkdtemp(join(tmpdir(), "atlasnet-dev-cluster-"));
  for (const name of ["east", "west"]) await writeFile(join(folder, `${name}.mjs`), WORLD(name));
});
after(() => rm(folder, { recursive: true, force: true }));

/** Signals that ask for a stop exist on POSIX systems only. */
const posix = process.platform !== "win32";
const where = posix ? "" : " (not here: Windows has no signals that ask for a stop)";

test(`two proxies and two gameservers: joined through each, a killed proxy, an orderly end${where}`, {
  skip: !posix,
  timeout: 120_000,
}, async (t) => {
  const base = await freeBase(2, 2);
  const cluster = new RunningCluster(
    [
      ...["--port", String(base), "--http.port", String(base - 1), "--proxy.host", "127.0.0.1"],
      ...["--apiservers", "0"],
      // So that players can come back only through the other proxy.
      "--no-restart",
      ...["--world", "east=./east.mjs", "--world", "west=./west.mjs"],
    ],
    folder,
  );
  t.after(async () => {
    cluster.signal("SIGTERM");
    await cluster.ended;
  });
  const [, pid = ""] = await cluster.said(/kill -9 (\d+) {2}\(ends proxy-1/);
  assert.match(cluster.text, /gs-1: east\n +gs-2: west\n/);
  const info: unknown = await (await fetch(`http://127.0.0.1:${base - 1}/atlasnet.json`)).json();
  assert.deepEqual(info, { port: base, secure: false, worlds: ["east", "west"] });

  const joins = [base, base + 10].flatMap((port) =>
    ["east", "west"].map((world) => ({ port, world })),
  );
  const players = await Promise.all(
    joins.map(async ({ port, world }) => {
      const client = connect({ url: `ws://127.0.0.1:${port}` });
      t.after(() => client.close());
      return { name: world, port, world: await client.join({ world }) };
    }),
  );
  const echo = ({ name, world }: (typeof players)[number], words: string) =>
    new Promise<void>((resolve) => {
      const off = world.onMessage("echo", (message) => {
        if (message["words"] !== `${name} heard ${words}`) return;
        off();
        resolve();
      });
      world.send("shout", { words });
    });
  await Promise.all(players.map((player) => echo(player, "hello")));

  const moved = players.filter(({ port }) => port === base);
  const resumed = moved.map(
    ({ world }) =>
      new Promise<void>((resolve) => {
        world.onResume(() => resolve());
      }),
  );
  process.kill(Number(pid), "SIGKILL");
  await Promise.all(resumed);
  await Promise.all(players.map((player) => echo(player, "again")));
  await cluster.said(/^\[cluster\] proxy-1 has ended: was ended by SIGKILL and stays down$/m);

  cluster.signal("SIGINT");
  assert.equal(await cluster.ended, 0, cluster.text);
  const ends = [...cluster.text.matchAll(/^\[cluster\] (\S+) has ended/gm)].map(
    ([, node = ""]) => node,
  );
  assert.deepEqual(
    [ends.slice(0, 2), ends.slice(2).sort()],
    [
      ["proxy-1", "proxy-2"],
      ["gs-1", "gs-2"],
    ],
  );
});

test(`with apiservers: worlds are in the catalogue, a killed leader comes back, the next run goes on${where}`, {
  skip: !posix,
  timeout: 120_000,
}, async (t) => {
  const base = await freeBase(1, 2, 3);
  const run = (...worlds: string[]) => {
    const cluster = new RunningCluster(
      [
        ...["--port", String(base), "--http.enabled=false", "--proxy.host", "127.0.0.1"],
        ...[
          "--proxies",
          "1",
          "--gameservers",
          "1",
          "--dir",
          "three",
          ...worlds.flatMap((name) => ["--world", name]),
        ],
      ],
      folder,
    );
    t.after(async () => {
      cluster.signal("SIGTERM");
      await cluster.ended;
    });
    return cluster;
  };
  const atlasnet = async (...args: string[]) => {
    let out = "";
    let talk = "";
    const code = await runCli(
      [...args, "--context", "dev"],
      {
        out: (text) => {
          out += text;
        },
        talk: (text) => {
          talk += text;
        },
        width: 80,
        env: { ATLASNET_CONTEXTS: join(folder, CONTEXTS) },
        workingDir: folder,
        stop: new AbortController().signal,
      },
      { loadMonolith: () => Promise.reject(new Error("no monolith in this test")) },
    );
    assert.equal(code, 0, talk);
    return out;
  };
  const first = run("east=./east.mjs", "west=./west.mjs");
  const [, pid = "", leader = ""] = await first.said(
    /kill -9 (\d+) {2}\(ends (api-\d), the leader/,
  );
  assert.match(first.text, /3 apiservers, 1 proxy and 1 gameserver are running/);
  const client = connect({ url: `ws://127.0.0.1:${base}` });
  t.after(() => client.close());
  await client.join({ world: "west" });
  assert.match(await atlasnet("world", "ls"), /^east +owned +gs-\d.*\nwest +owned +gs-\d/m);
  assert.match(await atlasnet("world", "show", "west"), /^failover: automatic$/m);
  process.kill(Number(pid), "SIGKILL");
  await first.said(
    new RegExp(`^\\[cluster\\] ${leader} died: was ended by SIGKILL; starts again`, "m"),
  );
  await atlasnet("world", "create", "third", "--module", join(folder, "east.mjs"));
  await first.said(new RegExp(`${leader} died[^]* ${leader} is ready`));
  first.signal("SIGINT");
  assert.equal(await first.ended, 0, first.text);
  const ends = [...first.text.matchAll(/^\[cluster\] (\S+) has ended/gm)].map(([, node]) => node);
  assert.deepEqual(ends.slice(0, 1), ["proxy-1"]);
  assert.deepEqual(ends.slice(-3).sort(), ["api-1", "api-2", "api-3"]);

  const second = run("west=./west.mjs");
  await second.said(/are running/);
  // The greeting waits for the worlds of its command line. The others are given back, or placed, in their own time.
  const wanted = [
    // Of the first command line, not of the second.
    ["east", "disabled"],
    // By hand.
    ["third", "owned"],
    ["west", "owned"],
  ];
  await until("the worlds are as they are to be", async () => {
    const lines = (await atlasnet("world", "ls")).split("\n");
    return isDeepStrictEqual(
      lines.slice(1, 4).map((line) => line.split(/ +/, 2)),
      wanted,
    );
  });
});

test("a port in use is said by name before anything starts", { timeout: 60_000 }, async (t) => {
  const base = await freeBase(1, 1);
  const server = createServer().listen(base + 4, "127.0.0.1");
  t.after(() => server.close());
  await once(server, "listening");
  const cluster = new RunningCluster(
    [
      ...["--port", String(base), "--http.port", String(base - 1), "--dir", join(folder, "none")],
      ...["--proxies", "1", "--gameservers", "1", "--apiservers", "1"],
      ...["--world", "east=./east.mjs"],
    ],
    folder,
  );
  assert.equal(await cluster.ended, 1);
  assert.equal(
    cluster.text,
    `error: port ${base + 4} (gs-1, health, TCP) is in use by another program (port-in-use)\n` +
      "  Stop the program that listens there (a cluster or monolith that still runs?), or choose other ports: --port for the processes, --http.port for the pages.\n",
  );
});
