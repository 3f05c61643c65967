import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { connect } from "@atlasnet/client";
import { noopLogger } from "@atlasnet/core";
import { reached } from "@atlasnet/core/testing";
import { type AtlasNetServer, createMonolith } from "./monolith.ts";
import { assertAllIsWell, LEDGER_FILE, LedgerPlayer, ledger } from "./testing/index.ts";
import { meadowSource, seen } from "./testing/meadow.ts";
import { MonolithApi } from "./testing/monolith-api.ts";
import { type Settings, Workplace } from "./testing/workplace.ts";

/** A monolith as operators see it: by its API, its health and its metrics. */

async function newPlace(t: TestContext): Promise<Workplace> {
  const place = await Workplace.create(t);
  await writeFile(join(place.dir, "meadow.mjs"), meadowSource("hello"));
  await writeFile(join(place.dir, "tally.mjs"), tallySource());
  return place;
}

async function start(place: Workplace, settings: Settings): Promise<AtlasNetServer> {
  const { config } = await place.load("n1", { "gameserver.modulesDir": place.dir, ...settings });
  const server = createMonolith({ config }, { logger: noopLogger });
  place.undo(() => server.stop());
  await server.start();
  return server;
}

async function stop(server: AtlasNetServer): Promise<void> {
  await server.drain(1_000);
  await server.stop();
}

async function enter(place: Workplace, server: AtlasNetServer, world: string) {
  const client = connect({ url: `ws://127.0.0.1:${server.addresses.players.port}` });
  place.undo(() => client.close());
  return client.join({ world });
}

/** Counts in the key-value store of the cluster. */
function tallySource(): string {
  const world = import.meta.resolve("@atlasnet/world");
  return `
    import { defineWorld, implementWorld, int, text } from ${JSON.stringify(world)};
    const definition = defineWorld({
      name: "tally",
      components: {},
      clientMessages: { put: { value: text(20) } },
      serverMessages: { got: { text: text(200) } },
    });
    export const world = implementWorld(definition, {
      message: {
        put(ctx, player, { value }) {
          ctx.request("kv.cluster", { op: "put", key: "tally", value });
        },
      },
      response(ctx, answer) {
        ctx.broadcast("got", { text: JSON.stringify(answer) });
      },
    });
  `;
}

test("worlds of the configuration are in the catalogue, beside those that operators make", async (t) => {
  const place = await newPlace(t);
  const first = await start(place, { worlds: "meadow=./meadow.mjs" });
  const api = await MonolithApi.of(first, join(place.dir, "n1"));
  assert.deepEqual(await api.worlds(), { meadow: true });
  await api.createWorld("garden", "./meadow.mjs");
  const ann = await enter(place, first, "garden");
  ann.input("go", { x: 30, y: 30 });
  await reached(() => seen(ann).includes("30,30"));
  await stop(first);

  // Another world is configured now: the one before is nowhere, and not forgotten.
  const second = await start(place, { worlds: "pond=./meadow.mjs" });
  const later = await MonolithApi.of(second, join(place.dir, "n1"));
  assert.deepEqual(await later.worlds(), { garden: true, meadow: false, pond: true });
  const bob = await enter(place, second, "garden");
  await reached(() => seen(bob).length > 0);
  const closed = new Promise((resolve) => bob.onClose(resolve));
  await later.removeWorld("garden");
  await closed;
  await stop(second);
});

test("why a world does not open is said by the API, not by the log alone", async (t) => {
  const place = await newPlace(t);
  const server = await start(place, { worlds: "meadow=./meadow.mjs" });
  const api = await MonolithApi.of(server, join(place.dir, "n1"));
  await api.createWorld("lost", "./nope.mjs");
  await api.untilItSays("lost", /Node monolith could not run it: .*no such file: .*nope\.mjs/);
});

test("nodes, state and key-value store are those of a cluster", async (t) => {
  const place = await newPlace(t);
  const server = await start(place, { worlds: "tally=./tally.mjs" });
  const api = await MonolithApi.of(server, join(place.dir, "n1"));
  const ann = await enter(place, server, "tally");
  const heard: unknown[] = [];
  ann.onMessage("got", (message) => heard.push(message));
  ann.send("put", { value: "7" });
  await reached(() => heard.length > 0);
  assert.match(JSON.stringify(heard), /revision/);
  assert.equal(await api.kv("tally"), "7");
  assert.deepEqual(await api.nodesWithin(["ready"]), ["monolith", "monolith-proxy"]);
  const { host, port } = server.addresses.health;
  const health = await fetch(`http://${host}:${port}/ready`);
  const text = await health.text();
  for (const name of ["group", "control plane", "placement", "placements", "worlds", "storage"])
    assert.match(text, new RegExp(`"name":"${name}","ok":true`), text);
  const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
  const types = [...metrics.matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  assert.deepEqual(types, [...new Set(types)], "no metric is there twice");
  for (const name of ["atlasnet_node_may_act 1", "atlasnet_raft_is_leader 1"])
    assert.ok(metrics.includes(name), name);
});

test("the port of the API is taken: it is named, and the API can be turned off", async (t) => {
  const place = await newPlace(t);
  const other = createServer();
  await new Promise<void>((listens) => other.listen(0, "127.0.0.1", listens));
  place.undo(() => other.close());
  const address = other.address();
  assert(typeof address === "object" && address !== null);
  const taken = { worlds: "meadow=./meadow.mjs", "apiserver.port": String(address.port) };
  await assert.rejects(start(place, taken), {
    code: "port-in-use",
    message: /^apiserver\.port: /,
    hint: /apiserver\.http/,
  });
  const server = await start(place, { ...taken, "apiserver.http": "false" });
  assert.equal(server.addresses.api, undefined);
  await enter(place, server, "meadow");
});

test("given up by its own leader, a monolith registers anew; nobody loses anything", async (t) => {
  const place = await newPlace(t);
  const server = await start(place, { worlds: `ledger=${LEDGER_FILE}` });
  const api = await MonolithApi.of(server, join(place.dir, "n1"));
  const players = await Promise.all(
    ["ws", "tcp", "udp"].map(async (scheme) => {
      const client = connect({ url: `${scheme}://127.0.0.1:${server.addresses.players.port}` });
      place.undo(() => client.close());
      const player = new LedgerPlayer(await client.join(ledger, { world: "ledger" }));
      place.undo(() => player.stop());
      return player;
    }),
  );
  for (const player of players) player.talk(1e6);
  for (let losses = 0; losses < 3; losses++) {
    const due = players.map(({ said }) => said.length + 5);
    await api.declareLost("monolith");
    await reached(() => players.every(({ said }, at) => said.length >= (due[at] ?? 0)));
  }
  for (const player of players) player.stop();
  await assertAllIsWell(players);
  for (const { drops } of players) assert.equal(drops, 0, "no connection was touched");
});
