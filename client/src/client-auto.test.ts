import assert from "node:assert/strict";
import { test } from "node:test";
import { definition, FakeServer } from "./testing/fake-server.ts";

const udp = { port: 2666, key: new Uint8Array(32).fill(7) };

/** Joined over the URL's transport; the welcome named UDP, and its handshake has begun. */
async function probing() {
  const server = new FakeServer();
  const seen: string[] = [];
  const client = server.connect({
    transport: "auto",
    observe: (direction, message) => seen.push(`${direction} ${message[1]}`),
  });
  const joining = client.join(definition, { world: "arena", ticket: "jwt" });
  const first = server.peer.accept().welcome({ udp });
  const world = await joining;
  server.clock.pass(0);
  assert.equal(server.peers.length, 2);
  return { server, client, world, first, second: server.peer, seen };
}

test("auto: UDP at the host that the session is connected to, with the key it named", async () => {
  const { second } = await probing();
  assert.equal(second.url, "udp://198.51.100.7:2666");
  assert.deepEqual(second.trust, { ticket: "jwt", key: udp.key });
});

test("auto: the session moves without the game noticing, and goes back when UDP breaks", async () => {
  const { server, world, first, second, seen } = await probing();
  const events: string[] = [];
  world.onDrop(() => events.push("drop"));
  world.onResume(() => events.push("resume"));
  world.onAdd(({ id }) => events.push(`+${id}`));
  world.onRemove(({ id }) => events.push(`-${id}`));
  first.state(101, [{ id: 7, x: 1, y: 2 }]);
  assert.equal(world.transport, "ws");

  seen.length = 0;
  second.accept();
  assert.deepEqual([first.open, second.open, world.connected], [false, true, true]);
  assert.deepEqual([second.hello["resume"], second.hello["attempt"]], ["token", 2]);
  assert.deepEqual(seen, ["out 1"], "observers see what goes over UDP, too");
  world.send("chat", { text: "hi" });
  second.welcome({ udp, attempt: 2 }).state(102, [{ id: 7, x: 2, y: 2 }]);
  assert.equal(world.transport, "udp");
  assert.deepEqual(events, ["+7"]);
  assert.deepEqual(second.got.slice(1), [[2, 1, 0, Uint8Array.of(2, 104, 105)]]);

  second.cut();
  assert.deepEqual(events, ["+7", "drop"]);
  server.clock.pass(250);
  assert.equal(server.peer.url, "ws://host");
  server.peer.accept().welcome({ udp, attempt: 3 });
  assert.deepEqual([world.transport, events.at(-1)], ["ws", "resume"]);
  server.clock.pass(1000);
  assert.equal(server.peers.length, 3, "UDP is left alone for a while");
});

test("auto: where UDP does not answer everything stays, and a developer is told once", async () => {
  const { server, world, first, second } = await probing();
  second.cut();
  assert.deepEqual([world.connected, world.transport, first.open], [true, "ws", true]);
  for (let i = 0; i < 60; i++) {
    first.send([4, 0, 101]);
    server.clock.pass(1000);
    if (server.peer !== second && server.peer.open) server.peer.cut();
  }
  assert.equal(server.peers.length, 3);
  assert.deepEqual(server.warnings, ["no UDP, the connection over ws stays"]);
});

test("auto: closing the client ends both connections", async () => {
  const { client, first, second } = await probing();
  client.close();
  assert.deepEqual([first.open, second.open], [false, false]);
});

test("without auto, or over UDP already, nothing is tried beside", async () => {
  for (const options of [{}, { url: "udp://host:1", transport: "auto" }] as const) {
    const server = new FakeServer();
    const joining = server.connect(options).join(definition, { world: "arena" });
    server.peer.accept().welcome({ udp });
    await joining;
    server.clock.pass(1000);
    assert.equal(server.peers.length, 1);
  }
});
