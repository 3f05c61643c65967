import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { Ear } from "../testing/ear.ts";
import { UdpServer } from "../testing/udp-server.ts";
import { dialUdp } from "./dial-udp.ts";

/** A message of no meaning: its second byte is that of a reliable one. */
const item = (n: number, size = 6) => {
  const bytes = new Uint8Array(size);
  bytes.set([0x84, 2, n >> 8, n & 0xff]);
  return bytes;
};
const numberOf = (bytes: Uint8Array) => (bytes[2] ?? 0) * 256 + (bytes[3] ?? 0);
const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

async function server(t: TestContext): Promise<UdpServer> {
  const started = await new UdpServer().start();
  t.after(() => started.stop());
  return started;
}

async function opened(url: URL, key: Uint8Array) {
  const ear = new Ear();
  const transport = dialUdp(url, ear, () => key);
  await ear.until(() => ear.isOpen);
  return { ear, transport };
}

test("items go both ways, all, once and in order, though packets are lost", async (t) => {
  const udp = await server(t);
  let packets = 0;
  udp.loses = () => {
    packets += 1;
    return packets % 7 === 0;
  };
  const { ear, transport } = await opened(udp.url, udp.key);
  for (const n of upTo(300)) transport.send(item(n, 6 + n));
  await ear.until(() => ear.got.length === 300);
  assert.deepEqual(ear.got.map(numberOf), upTo(300));
  assert.deepEqual(udp.got.map(numberOf), upTo(300));
  transport.close("left", "enough");
});

test("the end is told both ways", async (t) => {
  const udp = await server(t);
  const { transport, ear } = await opened(udp.url, udp.key);
  transport.send(item(1));
  await ear.until(() => ear.got.length === 1);
  transport.close("left", "enough");
  const second = await opened(udp.url, udp.key);
  second.transport.send(item(2));
  await second.ear.until(() => second.ear.got.length === 1);
  assert.deepEqual(udp.closes, [{ code: 4000, reason: "enough" }]);
  udp.closeAll(4020, "for today");
  await second.ear.until(() => second.ear.end !== undefined);
  assert.deepEqual(second.ear.end, { number: 4020, reason: "for today", untrusted: false });
  assert.equal(ear.end, undefined, "who closes is not told of it");
});

test("a server with another key is not believed", async (t) => {
  const udp = await server(t);
  const ear = new Ear();
  dialUdp(udp.url, ear, () => new Uint8Array(32).fill(1));
  await ear.until(() => ear.end !== undefined);
  assert.ok(ear.end?.untrusted);
  assert.match(ear.end.reason, /its key is .*, not AQEBAQ/);
});

test("without a key only this machine is taken, and the error says what to do", async (t) => {
  const udp = await server(t);
  const near = new Ear();
  const transport = dialUdp(udp.url, near, () => undefined);
  await near.until(() => near.isOpen);
  transport.close("left", "enough");
  const far = new Ear();
  // An address for documentation: nothing is sent there.
  dialUdp(new URL("udp://192.0.2.1:2555"), far, () => undefined);
  await far.until(() => far.end !== undefined);
  assert.ok(far.end?.untrusted);
  assert.match(far.end.reason, /serverKey/);
});

test("nobody listens: it ends at once, with that reason", async () => {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  await once(socket, "close");
  const ear = new Ear();
  dialUdp(new URL(`udp://127.0.0.1:${port}`), ear, () => undefined);
  await ear.until(() => ear.end !== undefined);
  assert.match(ear.end?.reason ?? "", /nobody listens/);
});

test("lost packets of the handshake are sent again", async (t) => {
  const udp = await server(t);
  let left = 2;
  udp.loses = (direction) => direction === "out" && left-- > 0;
  const { transport } = await opened(udp.url, udp.key);
  transport.close("left", "enough");
});

test("a server that knows nothing of the connection any more says so", async (t) => {
  const udp = await server(t);
  const { ear, transport } = await opened(udp.url, udp.key);
  transport.send(item(1));
  await ear.until(() => ear.got.length === 1);
  udp.forget();
  transport.send(item(2));
  await ear.until(() => ear.end !== undefined);
  assert.match(ear.end?.reason ?? "", /does not know this connection/);
});

test("a server that is gone is noticed", async () => {
  const udp = await new UdpServer().start();
  const { ear, transport } = await opened(udp.url, udp.key);
  transport.send(item(1));
  await ear.until(() => ear.got.length === 1);
  await udp.stop();
  transport.send(item(2));
  await ear.until(() => ear.end !== undefined);
  assert.match(ear.end?.reason ?? "", /no answer/);
});

test("a path that carries nothing any more is replaced: same connection, other local port", async (t) => {
  const udp = await server(t);
  const { ear, transport } = await opened(udp.url, udp.key);
  const ports = new Set<number>();
  udp.loses = (_direction, port) => {
    if (ports.size === 0) ports.add(port);
    return ports.has(port) && ear.got.length > 0;
  };
  transport.send(item(0));
  await ear.until(() => ear.got.length === 1);
  for (const n of upTo(20).slice(1)) transport.send(item(n));
  await ear.until(() => ear.got.length === 20);
  assert.deepEqual(ear.got.map(numberOf), upTo(20));
  assert.equal(udp.moves, 1);
  transport.close("left", "enough");
});
