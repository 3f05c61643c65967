import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "@atlasnet/world";
import type { CborValue } from "./cbor.ts";
import { compiled, definition, FakeServer, joined } from "./testing/fake-server.ts";
import { JoinError } from "./types.ts";

test("connect opens nothing; join says hello with schema and params", async () => {
  const server = new FakeServer();
  const client = server.connect();
  assert.equal(server.peers.length, 0);
  const joining = client.join(definition, { world: "arena", ticket: "jwt", params: { color: 5 } });
  server.peer.accept();
  const { schema, params, ticket, world: name } = server.peer.hello;
  assert.deepEqual(
    [schema, params, ticket, name],
    [compiled.hash, Uint8Array.of(5), "jwt", "arena"],
  );
  server.peer.welcome();
  const world = await joining;
  assert.deepEqual(
    [world.name, world.account, world.session, world.tick, world.tickRate, world.connected],
    ["arena", "ada", 5, 100, 20, true],
  );
});

test("what comes right behind the welcome waits for the listeners", async () => {
  const server = new FakeServer();
  const joining = server.connect().join(definition, { world: "arena" });
  server.peer
    .accept()
    .welcome()
    .state(101, [{ id: 7, x: 1, y: 2 }])
    .send([2, 1, 0, Uint8Array.of(7, 2, 104, 105)]);
  const world = await joining;
  const seen: unknown[] = [];
  world.onAdd((entity) => seen.push([entity.id, entity.position?.x]));
  world.onMessage("chat", (message) => seen.push(message));
  server.clock.pass(0);
  assert.deepEqual(seen, [[7, 1], { from: 7, text: "hi" }]);
});

test("entities come, change and go; messages and inputs are packed by name", async () => {
  const { server, world } = await joined();
  const seen: string[] = [];
  world.onAdd(({ id }) => seen.push(`+${id}`));
  const stop = world.onChange(({ id }) => seen.push(`~${id}`));
  world.onRemove(({ id }) => seen.push(`-${id}`));
  server.peer.state(101, [{ id: 7, x: 1, y: 2 }]);
  server.peer.state(
    102,
    [
      { id: 7, x: 2, y: 2 },
      { id: 8, x: 0, y: 0 },
    ],
    false,
  );
  stop();
  server.peer.state(103, [{ id: 7, x: 3, y: 2 }], false);
  assert.deepEqual(seen, ["+7", "+8", "~7", "-8"]);
  assert.deepEqual([world.tick, world.entities.get(7)?.position], [103, { x: 3, y: 2 }]);

  world.send("chat", { text: "hi" });
  world.input("move", { up: true });
  assert.deepEqual(server.peer.got.slice(1), [
    [2, 1, 0, Uint8Array.of(2, 104, 105)],
    [5, 1, 0, Uint8Array.of(1)],
  ]);
  assert.throws(() => world.send("chat", { text: "x".repeat(50) }), /chat\.text: .*40 bytes/);
});

test("a cut connection is mended without the game noticing but for onDrop and onResume", async () => {
  const { server, world } = await joined();
  const seen: string[] = [];
  world.onDrop(() => seen.push("drop"));
  world.onResume(() => seen.push("resume"));
  world.onRemove(({ id }) => seen.push(`-${id}`));
  world.onAdd(({ id }) => seen.push(`+${id}`));
  world.onRollback(() => seen.push("rollback"));
  server.peer
    .state(101, [
      { id: 7, x: 1, y: 2 },
      { id: 8, x: 1, y: 2 },
    ])
    .cut();
  assert.equal(world.connected, false);
  world.send("chat", { text: "hi" });
  server.clock.pass(250);
  assert.equal(server.peers.length, 2);
  server.peer.accept();
  assert.deepEqual([server.peer.hello["resume"], server.peer.hello["attempt"]], ["token", 2]);
  server.peer.welcome({ attempt: 2 }).state(140, [{ id: 7, x: 5, y: 5 }]);
  assert.deepEqual(seen, ["+7", "+8", "drop", "resume", "-8"]);
  assert.deepEqual(server.peer.got[1], [2, 1, 0, Uint8Array.of(2, 104, 105)]);
});

test("a new welcome on a connection that runs (the world moved) tells the game of nothing but changes", async () => {
  const { server, world } = await joined();
  const seen: string[] = [];
  const things = [7, 8, 9].map((id) => ({ id, x: id, y: 2 }));
  server.peer.state(101, things);
  world.send("chat", { text: "hi" });
  world.onDrop(() => seen.push("drop"));
  world.onResume(() => seen.push("resume"));
  world.onRollback(() => seen.push("rollback"));
  world.onAdd(({ id }) => seen.push(`+${id}`));
  world.onChange(({ id }) => seen.push(`~${id}`));
  world.onRemove(({ id }) => seen.push(`-${id}`));
  const entities = [...world.entities.values()];
  server.peer.welcome({ epoch: 2, tick: 101 });
  assert.ok(world.connected);
  assert.deepEqual([...world.entities.values()], entities);
  server.peer.state(102, [{ id: 7, x: 7.5, y: 2 }, ...things.slice(1)]);
  assert.deepEqual(seen, ["~7"]);
  assert.equal(server.peers.length, 1);
  // What was not acknowledged goes out again.
  assert.deepEqual(server.peer.got.slice(1), [
    [2, 1, 0, Uint8Array.of(2, 104, 105)],
    [2, 1, 0, Uint8Array.of(2, 104, 105)],
  ]);
});

test("a gap in a topic is answered with resync", async () => {
  const { server } = await joined();
  server.peer.state(101, [{ id: 7, x: 1, y: 2 }]);
  server.peer.send([1, Uint8Array.of(110, 0, 1, 0x01)]);
  assert.deepEqual(server.peer.got.at(-1), [7]);
});

/** Topic 0's update of one entity's place, or its whole new state. */
function update(tick: number, previous: number, x: number): CborValue {
  const writer = new ByteWriter();
  for (const n of [tick, 0, 1]) writer.varint(n);
  const section = new ByteWriter();
  for (const n of [(1 << 4) | previous, 4, 0]) section.u8(n);
  compiled.publicComponents[0]?.codec.encode(section, { x, y: 0 });
  writer.block(section.view8());
  return [10, writer.finish()];
}

test("updates come in any order; each tick is told once, and time does not go back", async () => {
  const { server, world } = await joined();
  const seen: unknown[] = [];
  world.onChange(({ position }) => seen.push(position?.x));
  world.onTick((tick) => seen.push(`tick ${tick}`));
  server.peer.state(101, [{ id: 7, x: 1, y: 0 }]);
  server.peer.send(update(103, 1, 3)).send(update(103, 1, 3));
  server.peer.send(update(102, 1, 2)).send(update(104, 1, 4));
  assert.deepEqual(seen, ["tick 101", "tick 103", 3, 4, "tick 104"]);
  assert.equal(world.tick, 104);
  // State messages are told even when they are of an earlier tick.
  server.peer.send([1, Uint8Array.of(103, 4, 0xf4, 3, 0)]);
  assert.deepEqual([seen.at(-1), world.tick, world.dilation], ["tick 104", 104, 0.5]);
  assert.deepEqual(server.peer.got.slice(1), []);
});

test("an update that waits for too long is answered with resync, also when nothing else comes", async () => {
  for (const quiet of [false, true]) {
    const { server } = await joined();
    server.peer.state(101, [{ id: 7, x: 1, y: 0 }]).send(update(103, 1, 3));
    server.clock.pass(1_999);
    server.peer.send(update(104, 1, 4));
    assert.deepEqual(server.peer.got.slice(1), []);
    // Pings go on meanwhile, so that time is looked at.
    for (let i = 0; quiet && i < 12; i++) {
      server.clock.pass(1_000);
      server.peer.send([4, i, 104]);
    }
    if (!quiet) {
      server.clock.pass(1);
      server.peer.send(update(105, 1, 5));
    }
    assert.deepEqual(server.peer.got.slice(1), [[7]], quiet ? "quiet" : "busy");
  }
});

test("a late update is drawn where it belongs", async () => {
  const { server, world } = await joined();
  server.peer.state(101, [{ id: 7, x: 1, y: 0 }]);
  const entity = world.entities.get(7);
  assert.ok(entity !== undefined);
  world.position(entity);
  for (let tick = 102; tick <= 110; tick++) {
    server.clock.pass(50);
    if (tick < 108) server.peer.send(update(tick, 1, tick - 100));
  }
  const places: (number | undefined)[] = [];
  const draw = () => places.push(world.position(entity)?.x);
  draw();
  server.peer.send(update(110, 1, 10)).send(update(109, 1, 9));
  draw();
  server.clock.pass(50);
  server.peer.send(update(108, 1, 8));
  for (let i = 0; i < 6; i++) {
    draw();
    server.clock.pass(25);
  }
  const sorted = [...places].sort((a, b) => Number(a) - Number(b));
  assert.deepEqual(places, sorted, "it never goes back");
  assert.equal(places.at(-1), 10);
});

test("unreadable bytes cost the connection; the next one heals", async () => {
  const { server, world } = await joined();
  for (const bytes of [[0xff], [0x82, 0x01, 0x41, 0x00], [0x84, 2, 1, 9, 0x40]]) {
    const { peer } = server;
    peer.raw(...bytes);
    assert.equal(peer.open, false);
    server.clock.pass(5000);
    server.peer.accept().welcome({ attempt: server.peers.length });
    assert.equal(world.connected, true);
  }
});

test("the world tells what its connections carried, over a reconnect", async () => {
  const { server, world } = await joined();
  const { stats } = world;
  const { bytesIn, bytesOut, messagesIn, messagesOut } = stats;
  assert.ok(bytesIn > 100 && bytesOut > 40, `${bytesIn} bytes in, ${bytesOut} out`);
  // The welcome; the hello and the first ping.
  assert.deepEqual([messagesIn, messagesOut], [1, 2]);
  server.peer.raw(0x83, 3, 0, 5);
  world.send("chat", { text: "hi" });
  assert.deepEqual(
    [stats.bytesIn - bytesIn, stats.bytesOut - bytesOut, stats.messagesIn, stats.messagesOut],
    [4, 8, 2, 3],
  );
  server.peer.cut();
  server.clock.pass(250);
  server.peer.accept().welcome({ attempt: 2 });
  // The second welcome; the hello, the first ping and the message once more.
  assert.deepEqual([stats.messagesIn, stats.messagesOut], [3, 6]);
});

test("a refused join rejects with the code", async () => {
  const server = new FakeServer();
  const joining = server.connect().join(definition, { world: "nowhere" });
  server.peer.accept().close("unknown-world");
  await assert.rejects(joining, (error: unknown) => {
    assert.ok(error instanceof JoinError);
    assert.deepEqual([error.code, error.reason, error.retry], ["unknown-world", "because", false]);
    return true;
  });
});

test("a server that cannot be reached is tried until the time is over", async () => {
  const server = new FakeServer();
  const joining = server.connect().join(definition, { world: "arena", timeoutMs: 2000 });
  while (server.clock.now() < 2500) {
    if (server.peer.open) server.peer.cut();
    server.clock.pass(50);
  }
  await assert.rejects(joining, { code: "unreachable", retry: true });
  assert.ok(server.peers.length > 3);
});

test("a reloaded page returns to its session as a new stream; the older tab stays away", async () => {
  const { server, world } = await joined();
  const closed: string[] = [];
  world.onClose(({ code }) => closed.push(code));
  const older = server.peer;
  const joining = server.connect().join(definition, { world: "arena" });
  server.peer.accept();
  const { resume, attempt, firstUnacked } = server.peer.hello;
  assert.deepEqual([resume, attempt, firstUnacked], ["token", 2, 1]);
  server.peer.welcome({ attempt: 2, resume: "newer" });
  await joining;
  older.close("superseded");
  server.clock.pass(60_000);
  assert.deepEqual(closed, ["superseded"]);
  // What the newer tab saved is not the older one's to forget.
  assert.match(server.storage.get("ws://host|arena|guest") ?? "", /newer/);
});

test("another player's saved session is not returned to", async () => {
  const { server } = await joined();
  const claims = Buffer.from(JSON.stringify({ sub: "bob" })).toString("base64url");
  const joining = server.connect().join(definition, { world: "arena", ticket: `x.${claims}.y` });
  server.peer.accept().welcome();
  assert.equal(server.peer.hello["resume"], undefined);
  await joining;
  assert.notEqual(server.storage.get("ws://host|arena|=bob"), null);
});

test("leave tells the server, forgets the session, and is the end", async () => {
  const { server, world } = await joined();
  const closed: string[] = [];
  world.onClose(({ code }) => closed.push(code));
  const leaving = world.leave();
  assert.deepEqual(server.peer.got.at(-1), [6]);
  server.peer.close("left");
  await leaving;
  await world.leave();
  assert.deepEqual([closed, server.peer.open], [["left"], false]);
  assert.equal(server.storage.get("ws://host|arena|guest"), null);
  assert.throws(() => world.send("chat", { text: "hi" }), /was left or closed/);
});

test("closing the client ends the connection and keeps the session for later", async () => {
  const { server, client, world } = await joined();
  const closed: string[] = [];
  world.onClose(({ code }) => closed.push(code));
  client.close();
  assert.deepEqual([closed, server.peer.open], [["left"], false]);
  assert.deepEqual(server.peer.got.length, 1);
  assert.notEqual(server.storage.get("ws://host|arena|guest"), null);
  await assert.rejects(client.join(definition, { world: "arena" }), /was closed/);
});

test("without a definition the welcome brings it", async () => {
  const server = new FakeServer();
  const joining = server.connect().join({ world: "arena" });
  server.peer.accept();
  assert.equal(server.peer.hello["schema"], undefined);
  const data: CborValue = JSON.parse(JSON.stringify(definition.data));
  server.peer.welcome({ definition: data });
  const world = await joining;
  server.clock.pass(0);
  server.peer.state(101, [{ id: 7, x: 1, y: 2 }]);
  assert.deepEqual(world.entities.get(7)?.["position"], { x: 1, y: 2 });
  world.send("chat", { text: "hi" });
  assert.deepEqual(server.peer.got.at(-1), [2, 1, 0, Uint8Array.of(2, 104, 105)]);
  assert.throws(() => world.send("shout", {}), /no client message "shout"; it has: chat/);
});

test("transfer, notice and rollback are told; a listener that throws harms nobody", async () => {
  const { server, world } = await joined();
  const seen: unknown[] = [];
  world.onTransfer(() => {
    throw new Error("mine");
  });
  world.onTransfer((name) => seen.push(name));
  world.onNotice((notice) => seen.push(notice));
  world.onRollback(() => seen.push("rollback"));
  server.peer.send([8, "cellar"]).send([9, "dev-error", "boom"]).welcome({ timeline: 2 });
  assert.deepEqual(seen, ["cellar", { kind: "dev-error", text: "boom" }, "rollback"]);
  assert.deepEqual(server.warnings, ["a listener of onTransfer threw"]);
});

test("positions are interpolated a little behind the newest state", async () => {
  const { server, world } = await joined();
  server.peer.state(101, [{ id: 7, x: 0, y: 0 }]);
  const entity = world.entities.get(7);
  assert.ok(entity !== undefined);
  assert.deepEqual(world.position(entity), { x: 0, y: 0, z: 0 });
  for (let tick = 102; tick <= 140; tick++) {
    server.clock.pass(50);
    server.peer.state(tick, [{ id: 7, x: tick - 101, y: 0 }], false);
  }
  const drawn: number[] = [];
  for (let i = 0; i < 5; i++) {
    drawn.push(world.position(entity)?.x ?? Number.NaN);
    server.clock.pass(10);
  }
  // One unit per tick of 50 ms, two ticks late: 0.2 units per 10 ms.
  drawn.forEach((x, i) => {
    assert.ok(Math.abs(x - (37 + i * 0.2)) < 0.01, `${x} at ${i}`);
  });
  assert.equal(world.position(entity, "newest")?.x, 39);
});
