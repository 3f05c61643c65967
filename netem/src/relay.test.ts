import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { test } from "node:test";
import { formatAddress, isLoopback } from "./address.ts";
import { startRelay } from "./relay.ts";

const target = { host: "127.0.0.1", port: 1 };

test("TCP and UDP have the same port, and a stop gives it back", async () => {
  const relay = await startRelay({ target });
  const { port } = relay.address;
  assert.ok(port > 0);
  await assert.rejects(startRelay({ target, udp: false, listen: { port } }), {
    code: "port-in-use",
    message: `cannot listen on 127.0.0.1:${port} (tcp): it is in use`,
  });
  await assert.rejects(startRelay({ target, tcp: false, listen: { port } }), {
    code: "port-in-use",
    message: `cannot listen on 127.0.0.1:${port} (udp): it is in use`,
  });
  await relay.stop();
  await relay.stop();
  const again = await startRelay({ target, listen: { port } });
  assert.equal(again.address.port, port);
  await again.stop();
});

test("when the UDP half of a wanted port is taken, the TCP half is given back", async (t) => {
  const other = createSocket("udp4");
  other.bind(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address();
  await assert.rejects(startRelay({ target, listen: { port } }), { code: "port-in-use" });
  const tcpOnly = await startRelay({ target, listen: { port }, udp: false });
  t.after(() => other.close());
  await tcpOnly.stop();
});

test("what cannot be is said before anything is opened", async () => {
  await assert.rejects(startRelay({ target, conditions: { loss: 2 } }), { code: "bad-conditions" });
  await assert.rejects(startRelay({ target, tcp: false, udp: false }), RangeError);
  await assert.rejects(startRelay({ target, rebindEveryMs: 1 }), RangeError);
  await assert.rejects(startRelay({ target: { host: "no-such-host.invalid", port: 1 } }), {
    code: "unknown-host",
  });
});

test("addresses", () => {
  assert.deepEqual(
    ["localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "127.example.org"].map(isLoopback),
    [true, true, true, true, false, false],
  );
  assert.equal(formatAddress({ host: "::1", port: 5 }), "[::1]:5");
});
