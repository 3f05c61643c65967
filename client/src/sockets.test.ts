import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { DecodeError } from "@atlasnet/world";
import { WebSocketServer } from "ws";
import { FrameReader, frame, MAGIC } from "./frames.ts";
import { connect } from "./node.ts";

const quiet = { warn: () => undefined };

/** A port on loopback, and what it was opened with. */
function portOf(server: { address(): unknown }): number {
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null && "port" in address);
  return Number(address.port);
}

/** `[6, 4008, "none"]`: unknown-world. */
const REFUSAL = Uint8Array.of(0x83, 6, 0x19, 0x0f, 0xa8, 0x64, 0x6e, 0x6f, 0x6e, 0x65);

test("framed TCP: magic, then a hello in a frame; the refusal comes back", async () => {
  const got: Uint8Array[] = [];
  const server = createServer((socket: Socket) => {
    const reader = new FrameReader();
    let skipped = 0;
    socket.on("data", (chunk: Uint8Array) => {
      const rest = chunk.subarray(Math.max(0, MAGIC.length - skipped));
      if (skipped < MAGIC.length) got.push(chunk.slice(0, MAGIC.length - skipped));
      skipped += chunk.length;
      reader.push(rest, () => {
        // One byte at a time, as a network may have it.
        for (const byte of frame(REFUSAL)) socket.write(Uint8Array.of(byte));
      });
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const client = connect({ url: `tcp://127.0.0.1:${portOf(server)}`, logger: quiet });
  await assert.rejects(client.join({ world: "w" }), { code: "unknown-world", reason: "none" });
  assert.deepEqual(Buffer.concat(got), Buffer.from(MAGIC));
  server.close();
  await once(server, "close");
});

test("WebSocket: a hello in a binary message; the refusal comes back", async () => {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  await once(server, "listening");
  server.on("connection", (socket) =>
    socket.on("message", (_data, binary) => {
      if (binary) socket.send(REFUSAL);
    }),
  );
  const client = connect({ url: `ws://127.0.0.1:${portOf(server)}`, logger: quiet });
  await assert.rejects(client.join({ world: "w" }), { code: "unknown-world", reason: "none" });
  server.close();
  await once(server, "close");
});

test("nobody listens: the reason says so", async () => {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const port = portOf(server);
  server.close();
  await once(server, "close");
  const attempts = ["tcp", "ws"].map(async (scheme) => {
    const client = connect({ url: `${scheme}://127.0.0.1:${port}`, logger: quiet });
    await assert.rejects(client.join({ world: "w", timeoutMs: 500 }), {
      code: "unreachable",
      message: /ECONNREFUSED/,
    });
  });
  await Promise.all(attempts);
});

test("an address that no transport serves is refused with what is needed", async () => {
  for (const url of ["http://localhost", "tcp://localhost", "nonsense"]) {
    const client = connect({ url, logger: quiet });
    await assert.rejects(client.join({ world: "w", timeoutMs: 1 }), { code: "unreachable" });
  }
});

test("frames that are too long are refused before they are taken in", () => {
  const none = () => assert.fail("no frame was complete");
  assert.throws(() => new FrameReader(100).push(Uint8Array.of(101), none), DecodeError);
  assert.throws(() => new FrameReader(100).push(new Uint8Array(9).fill(0x80), none), DecodeError);
});
