import assert from "node:assert/strict";
import { request } from "node:http";
import { connect } from "node:net";
import { test } from "node:test";
import { connect as tlsConnect } from "node:tls";
import { OperatingError } from "@atlasnet/core";
import { WebSocket } from "ws";
import { frame } from "../session/framing.ts";
import { testCertificate } from "../testing/test-certificate.ts";
import { cbor, framedOver, hello, portOf } from "../testing/test-clients.ts";
import { bench, startBench } from "../testing/test-proxy.ts";

function open(address: string): ReturnType<typeof connect> {
  return connect({ port: portOf(address), host: "127.0.0.1", noDelay: true });
}

/** Sends bytes one by one, each in a packet of its own, and gives all that came back. */
async function drip(address: string, bytes: Uint8Array): Promise<string> {
  const socket = open(address);
  const answer: Uint8Array[] = [];
  socket.on("data", (chunk: Uint8Array) => answer.push(chunk));
  const closed = new Promise((resolve) => socket.on("close", resolve));
  for (const byte of bytes) {
    await new Promise((resolve) => socket.write(Uint8Array.of(byte), resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await closed;
  return Buffer.concat(answer).toString("latin1");
}

test("every protocol is recognized when its bytes come one by one", async (t) => {
  const { address } = await bench(t);
  const port = portOf(address);
  const upgrade = await drip(
    address,
    Buffer.from(
      `GET / HTTP/1.1\r\nHost: a:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x88\x80\0\0\0\0",
    ),
  ).then((text) => text.split("\r\n")[0]);
  assert.equal(upgrade, "HTTP/1.1 101 Switching Protocols");
  const garbage = cbor("x");
  const framed = await drip(
    address,
    Buffer.concat([Uint8Array.of(0xa7, 0x4e, 0x45, 0x54), frame("length", garbage)]),
  );
  // Close 4001 in a frame: length, array of three, 6, 0x0fa1.
  assert.equal(Buffer.from(framed, "latin1").subarray(1, 6).toString("hex"), "8306190fa1");
  const http = await drip(address, Buffer.from("POST / HTTP/1.1\r\nHost: a\r\n\r\n"));
  assert.match(http, /^HTTP\/1\.1 426 Upgrade Required\r\n/);
  const broken = await drip(address, Buffer.from("GET \0\0\r\n\r\n"));
  assert.match(broken, /^HTTP\/1\.1 426 /);
});

test("HTTP that is no WebSocket upgrade is answered with 426 and counted", async (t) => {
  const { address, proxy } = await bench(t);
  const status = await new Promise((resolve, reject) => {
    const sent = request({ host: "127.0.0.1", port: portOf(address), path: "/x" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    sent.on("error", reject);
    sent.end();
  });
  assert.equal(status, 426);
  assert.equal(proxy.counters.httpRefused, 1);
  const other = open(address);
  other.write("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n");
  const [first] = await new Promise<string[]>((resolve) =>
    other.once("data", (chunk) => resolve(String(chunk).split("\r\n"))),
  );
  assert.equal(first, "HTTP/1.1 426 Upgrade Required");
});

test("TLS carries framed, WebSocket and text lines; TLS in TLS does not", async (t) => {
  const { address } = await bench(t, { tls: testCertificate });
  const secure = () =>
    tlsConnect({ port: portOf(address), host: "127.0.0.1", ca: testCertificate.cert });
  const socket = secure();
  await new Promise((resolve) => socket.once("secureConnect", resolve));
  const framed = framedOver(socket);
  framed.send(hello("arena"));
  assert.equal((await framed.messages.next())[0], 5);
  framed.end();

  const webSocket = new WebSocket(`wss://127.0.0.1:${portOf(address)}`, {
    ca: testCertificate.cert,
  });
  webSocket.on("open", () => webSocket.send(cbor([4, 5])));
  const pong = await new Promise((resolve) => webSocket.once("message", resolve));
  assert.deepEqual(pong, Buffer.from(cbor([4, 5, 0])));
  webSocket.close(4000, "bye");
  assert.equal(await new Promise((resolve) => webSocket.once("close", resolve)), 4000);

  const lines = secure();
  lines.write("PING\r\n");
  assert.equal(String(await new Promise((resolve) => lines.once("data", resolve))), "PONG\n");
  lines.destroy();

  const nested = secure();
  nested.on("error", () => undefined);
  const gone = new Promise((resolve) => nested.once("close", resolve));
  nested.write(Uint8Array.of(0x16, 3, 1));
  await gone;
});

test("TLS without a certificate is refused and counted", async (t) => {
  const { address, proxy } = await bench(t);
  const socket = open(address);
  socket.on("error", () => undefined);
  socket.write(Uint8Array.of(0x16, 3, 1, 0, 5));
  await new Promise((resolve) => socket.once("close", resolve));
  assert.equal(proxy.counters.closes.get("bad-message"), 1);
});

test("a certificate that is none is an operating error", async () => {
  await assert.rejects(startBench({ tls: { cert: "x", key: "y" } }), (error) => {
    assert.ok(error instanceof OperatingError);
    assert.equal(error.code, "bad-certificate");
    return true;
  });
});
