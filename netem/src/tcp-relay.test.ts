import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { reached } from "@atlasnet/core/testing";
import { type Relay, type RelayOptions, startRelay } from "./relay.ts";

interface TestServer {
  readonly port: number;
  readonly sockets: Socket[];
}

/** A TCP server; `serve` is told of every connection, default: it sends everything back. */
async function tcpServer(
  t: TestContext,
  serve: (socket: Socket) => void = (socket) => void socket.pipe(socket),
): Promise<TestServer> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on("error", () => socket.destroy());
    serve(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, sockets };
}

async function tcpRelay(
  t: TestContext,
  port: number,
  options: Partial<RelayOptions> = {},
): Promise<Relay> {
  const relay = await startRelay({ target: { host: "127.0.0.1", port }, udp: false, ...options });
  t.after(() => relay.stop());
  return relay;
}

interface TestClient {
  readonly socket: Socket;
  readonly text: () => string;
  readonly events: string[];
}

async function tcpClient(t: TestContext, relay: Relay): Promise<TestClient> {
  const socket = connect({ port: relay.address.port, host: "127.0.0.1", allowHalfOpen: true });
  t.after(() => socket.destroy());
  let text = "";
  const events: string[] = [];
  socket.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  socket.on("end", () => events.push("end"));
  socket.on("error", (error) => {
    events.push("code" in error ? String(error.code) : error.message);
  });
  socket.on("close", () => events.push("close"));
  // Or it is turned away so fast that it never was.
  await reached(() => !socket.connecting);
  return { socket, text: () => text, events };
}

const lines = (count: number) => Array.from({ length: count }, (_, n) => `line ${n}\n`).join("");

test("bytes keep their order through loss and jitter, both ways", async (t) => {
  const server = await tcpServer(t);
  const conditions = { loss: 0.1, delayMs: 10, jitterMs: 10, seed: 3 };
  const relay = await tcpRelay(t, server.port, { conditions });
  const client = await tcpClient(t, relay);
  const sent = lines(3_000);
  for (let at = 0; at < sent.length; at += 997) client.socket.write(sent.slice(at, at + 997));
  await reached(() => client.text().length === sent.length);
  assert.equal(client.text(), sent);
  const stats = relay.stats.tcp;
  assert.deepEqual([stats?.up.bytes, stats?.down.deliveredBytes], [sent.length, sent.length]);
  assert.ok((stats?.up.lost ?? 0) + (stats?.down.lost ?? 0) > 0, "some segments were lost");
});

test("an end in order passes, each direction by itself", async (t) => {
  const server = await tcpServer(t, (socket) => {
    socket.on("end", () => socket.end("bye")).resume();
  });
  const relay = await tcpRelay(t, server.port, { conditions: { delayMs: 5 } });
  const client = await tcpClient(t, relay);
  client.socket.end("hello");
  await reached(() => client.events.includes("close"));
  assert.equal(client.text(), "bye");
  assert.deepEqual(client.events, ["end", "close"]);
  await reached(() => relay.stats.tcp?.flows === 0);
  assert.equal(relay.stats.tcp?.socketErrors, 0);
});

test("a connection that breaks breaks on the other side, too", async (t) => {
  const server = await tcpServer(t);
  const relay = await tcpRelay(t, server.port);
  const client = await tcpClient(t, relay);
  await reached(() => server.sockets.length === 1);
  server.sockets[0]?.resetAndDestroy();
  await reached(() => client.events.includes("close"));
  assert.deepEqual(client.events, ["ECONNRESET", "close"]);
  await reached(() => relay.stats.tcp?.flows === 0);
  const other = await tcpClient(t, relay);
  await reached(() => server.sockets.length === 2);
  other.socket.resetAndDestroy();
  await reached(() => server.sockets[1]?.destroyed === true && relay.stats.tcp?.flows === 0);
});

test("breakConnections breaks both sides at once, and new ones are made", async (t) => {
  const server = await tcpServer(t);
  const relay = await tcpRelay(t, server.port, { conditions: { delayMs: 10_000 } });
  const client = await tcpClient(t, relay);
  client.socket.write("lost");
  await reached(() => relay.stats.tcp?.up.packets === 1);
  relay.breakConnections();
  await reached(() => client.events.includes("close") && server.sockets[0]?.destroyed === true);
  await reached(() => relay.stats.tcp?.flows === 0);
  relay.setConditions({ delayMs: 0 });
  const next = await tcpClient(t, relay);
  next.socket.write("new");
  await reached(() => next.text() === "new");
  assert.equal(relay.stats.tcp?.up.delivered, 1);
});

test("a target where nobody listens is a connection that breaks", async (t) => {
  const relay = await tcpRelay(t, 1);
  const client = await tcpClient(t, relay);
  await reached(() => client.events.includes("close"));
  assert.equal(relay.stats.tcp?.socketErrors, 1);
  assert.equal(relay.stats.tcp?.flows, 0);
});

test("a cut lets nothing through, not even an end, and heals", async (t) => {
  const server = await tcpServer(t);
  const relay = await tcpRelay(t, server.port);
  const client = await tcpClient(t, relay);
  client.socket.write("a");
  await reached(() => client.text() === "a");
  relay.setConditions({ loss: 1 });
  client.socket.write("b");
  await reached(() => relay.stats.tcp?.up.lost === 1);
  client.socket.end();
  await reached(() => relay.stats.tcp?.up.lost === 2);
  assert.deepEqual([client.text(), client.events], ["a", []]);
  relay.setConditions({ loss: 0 });
  await reached(() => client.events.includes("close"));
  assert.equal(client.text(), "ab");
});

test("behind a slow line the sender is not read on", async (t) => {
  const server = await tcpServer(t, (socket) => void socket.resume());
  const relay = await tcpRelay(t, server.port, {
    conditions: { rateBytesPerSecond: 100_000, queueBytes: 20_000 },
  });
  const client = await tcpClient(t, relay);
  const sent = 20_000_000;
  client.socket.write(Buffer.alloc(sent));
  const { up } = relay.stats.tcp ?? {};
  await reached(() => (up?.delivered ?? 0) > 5);
  // The queue and one chunk of the socket: far from all that the client has to say.
  const held = (up?.bytes ?? sent) - (up?.deliveredBytes ?? 0);
  assert.ok(held <= 20_000 + 65_536, `${held} bytes are held`);
  // It goes on when there is room again.
  relay.setConditions({ rateBytesPerSecond: 0 });
  await reached(() => up?.deliveredBytes === sent);
});

test("a reader that does not read holds up its sender", async (t) => {
  const server = await tcpServer(t, (socket) => void socket.pause());
  const relay = await tcpRelay(t, server.port, { limits: { maxStreamBytes: 50_000 } });
  const client = await tcpClient(t, relay);
  const sent = 40_000_000;
  client.socket.write(Buffer.alloc(sent));
  const { up } = relay.stats.tcp ?? {};
  let before = -1;
  // Until everything in between is full and nothing moves.
  await reached(() => {
    const still = up?.bytes === before && before > 50_000;
    before = up?.bytes ?? 0;
    return still;
  });
  assert.ok(before < sent);
  server.sockets[0]?.resume();
  await reached(() => up?.deliveredBytes === sent);
});

test("more connections than maxFlows are turned away", async (t) => {
  const server = await tcpServer(t);
  const relay = await tcpRelay(t, server.port, { limits: { maxFlows: 1 } });
  const first = await tcpClient(t, relay);
  const second = await tcpClient(t, relay);
  await reached(() => second.events.includes("close"));
  first.socket.write("here");
  await reached(() => first.text() === "here");
  assert.equal(relay.stats.tcp?.refused, 1);
});
